"""How many sessions each key, each token and each address has, and how much audio each token has heard."""

import ipaddress
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from streamer.access.tokens import LEEWAY_S, Token
from streamer.errors import AccessRevoked, QuotaExceeded, SessionError

NETWORK_BITS: Final = 64  # of an IPv6 address, the part that a provider gives to one household
FORGOTTEN: Final = 10_000  # tokens whose audio is remembered before those that are spent are looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """Who was let in. ``name`` is the key's, and ``None`` where nobody has to have one; ``sessions`` are the key's own bound."""

    name: str | None = None
    key_id: str = ""
    sessions: int | None = None
    token: Token | None = None


@dataclass(slots=True)
class _Heard:
    ms: int
    expires: float
    sessions: int


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
            self._seats.leave(self._counted, self._granted.token)


class Seats:
    """Bounds of sessions at a time, 0 for none. Each process counts for itself."""

    def __init__(self, *, per_key: int, per_address: int, clock: Callable[[], float]) -> None:
        self._per_key, self._per_address, self._clock = per_key, per_address, clock
        self._counts: Counter[str] = Counter()
        self._heard: dict[str, _Heard] = {}

    def take(self, granted: Granted, address: str, valid: Callable[[], bool]) -> Seat | str:
        """A seat, or the sentence why there is none."""
        place, token = network(address), granted.token
        bounds = [(f"address {place}", self._per_address, f"{place} has")]
        if granted.name is not None:
            bound = self._per_key if granted.sessions is None else granted.sessions
            bounds.append((f"key {granted.key_id}", bound, f"the key {granted.name} has"))
        if token is not None:
            bounds.append((f"token {token.id}", token.sessions or 0, "the token has"))
        for counted, most, who in bounds:
            if most and self._counts[counted] >= most:
                return f"{who} {most} sessions, which is all that it may have at a time; end one, or try again later"
        if token is not None and token.quota_s is not None:
            self._remembered(token).sessions += 1
        names = tuple(counted for counted, _, _ in bounds)
        self._counts.update(names)
        return Seat(self, granted, names, valid)

    def leave(self, counted: tuple[str, ...], token: Token | None) -> None:
        for name in counted:
            self._counts[name] -= 1
            if self._counts[name] <= 0:
                del self._counts[name]
        if token is not None and token.id in self._heard:
            self._heard[token.id].sessions -= 1

    def hear(self, token: Token, more_ms: int) -> str | None:
        """Count what has just come; why there may be no more, once that is so."""
        if token.quota_s is None:
            return None
        heard = self._remembered(token)
        heard.ms += more_ms
        return f"the token's {token.quota_s:g} s of audio are used up; mint another one" if heard.ms >= token.quota_s * 1000 else None

    def _remembered(self, token: Token) -> _Heard:
        if len(self._heard) >= FORGOTTEN and token.id not in self._heard:
            now = self._clock()
            self._heard = {name: heard for name, heard in self._heard.items() if heard.sessions or heard.expires > now}
        return self._heard.setdefault(token.id, _Heard(0, token.expires + LEEWAY_S, 0))


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
