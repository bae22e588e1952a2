"""How many sessions each key, each token and each address has, and how much audio each token has heard."""

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from streamer.access.board import Board, NoRoom
from streamer.access.tokens import LEEWAY_S, Token
from streamer.errors import AccessRevoked, QuotaExceeded, SessionError

NETWORK_BITS: Final = 64  # of an IPv6 address, the part that a provider gives to one household


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """Who was let in. ``name`` is the key's, and ``None`` where nobody has to have one; ``sessions`` are the key's own bound."""

    name: str | None = None
    key_id: str = ""
    sessions: int | None = None
    token: Token | None = None


class Seat:
    """One session's place. ``leave`` when it is over; more than once does no harm."""

    def __init__(self, seats: "Seats", granted: Granted, counted: tuple[str, ...], valid: Callable[[], bool]) -> None:
        self._seats, self._granted, self._counted, self._valid = seats, granted, counted, valid
        self._audio_ms = 0
        self._taken = True

    @property
    def name(self) -> str | None:
        """Of the key, where there is one."""
        return self._granted.name

    def fault(self, audio_ms: int) -> SessionError | None:
        """Why the session may not go on, now that it has had so much audio."""
        if not self._valid():
            return AccessRevoked(f"the key {self._granted.name} is no longer one of this server's")
        more_ms, self._audio_ms = audio_ms - self._audio_ms, audio_ms
        spent = self._seats.hear(self._granted.token, more_ms) if self._granted.token else None
        return QuotaExceeded(spent) if spent else None

    def beside(self) -> "Seat":
        """For one of several sessions on the same socket: its audio counts, and the socket's one place is enough."""
        seat = Seat(self._seats, self._granted, (), self._valid)
        seat._taken = False
        return seat

    def leave(self) -> None:
        if self._taken:
            self._taken = False
            self._seats.leave(self._counted)


class Seats:
    """Bounds of sessions at a time, 0 for none, of all whose ``board`` it is."""

    def __init__(self, board: Board, *, per_key: int, per_address: int) -> None:
        self._board, self._per_key, self._per_address = board, per_key, per_address

    def take(self, granted: Granted, address: str, valid: Callable[[], bool]) -> Seat | str:
        """A seat, or the sentence why there is none."""
        taken: list[str] = []
        for name, most, who in self._bounds(granted, network(address)):
            why = self._take(name, most, who)
            if why:
                self.leave(taken)
                return why
            taken.append(name)
        return Seat(self, granted, tuple(taken), valid)

    def leave(self, counted: Iterable[str]) -> None:
        for name in counted:
            self._board.leave(name)

    def hear(self, token: Token, more_ms: int) -> str | None:
        """Count what has just come; why there may be no more, once that is so."""
        if token.quota_s is None:
            return None
        try:
            heard_ms = self._board.hear(_name_of(token), more_ms, token.expires + LEEWAY_S)
        except NoRoom as full:
            return str(full)
        return f"the token's {token.quota_s:g} s of audio are used up; mint another one" if heard_ms >= token.quota_s * 1000 else None

    def _bounds(self, granted: Granted, place: str) -> Iterator[tuple[str, int, str]]:
        """What a session counts for. A key may be given a bound later, and the audio of a token is kept while it has sessions."""
        token = granted.token
        if self._per_address:
            yield f"address {place}", self._per_address, f"{place} has"
        if granted.name is not None:
            yield f"key {granted.key_id}", self._per_key if granted.sessions is None else granted.sessions, f"the key {granted.name} has"
        if token is not None and (token.sessions or token.quota_s is not None):
            yield _name_of(token), token.sessions or 0, "the token has"

    def _take(self, name: str, most: int, who: str) -> str | None:
        try:
            free = self._board.take(name, most)
        except NoRoom as full:
            return str(full)
        return None if free else f"{who} {most} sessions, which is all that it may have at a time; end one, or try again later"


def _name_of(token: Token) -> str:
    return f"token {token.id}"


def network(address: str) -> str:
    """What counts as one address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped or ipaddress.ip_network((found, NETWORK_BITS), strict=False))
    return str(found)
