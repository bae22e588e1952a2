"""Lets in or refuses: from what a client says of itself to who it is, what it may do, and a seat for its session."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from streamer.access import Scope
from streamer.access.board import Board, Memory
from streamer.access.credentials import credential_in
from streamer.access.keys import Key, Keys
from streamer.access.origins import Origins
from streamer.access.seats import Granted, Seat, Seats
from streamer.access.signed import kid_of, read_signed
from streamer.access.tokens import BadToken, Token, Tokens, Wish

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NONE: Final = (
    "this server asks for a key: send it as `Authorization: Bearer KEY` or as `X-API-Key: KEY`; "
    "a browser sends a token as the subprotocol streamer-key.TOKEN, or as ?token= (docs/security.md)"
)
WRONG: Final = "the key is not one of this server's, or was revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a client says of itself. Names of headers are lower case; ``peer`` is its address, without a port."""

    peer: str
    headers: Mapping[str, str] = field(default_factory=dict)
    offered: Sequence[str] = ()
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    socket: bool = True
    """Whether it asks for a WebSocket, for which every browser says its ``Origin``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """An HTTP status, a sentence, headers to answer with, and a word for the metrics."""

    status: int
    sentence: str
    word: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Guard:
    """Without ``keys`` everybody is let in who is no stranger's page. Asking costs a hash for each key that there is.

    Sessions and audio are counted on ``board``, without one in memory.
    """

    def __init__(
        self,
        *,
        keys: Keys | None = None,
        tokens: Tokens | None = None,
        origins: Sequence[str] = (),
        sessions_per_key: int = 0,
        sessions_per_address: int = 0,
        proxies: Sequence[Network] = (),
        board: Board | None = None,
    ) -> None:
        self._keys, self._tokens, self._proxies = keys, tokens, proxies
        self._origins = Origins(allowed=origins, trusting=keys is not None)
        self._seats = Seats(board or Memory(), per_key=sessions_per_key, per_address=sessions_per_address)

    @property
    def keyed(self) -> bool:
        """Whether a key is asked for."""
        return self._keys is not None

    def admit(self, asked: Asked, scope: Scope) -> Granted | Denied:
        """Who it is, where that one may do this."""
        fault = self._origins.fault(asked.headers)
        if fault is None and not asked.socket:
            fault = self._origins.host_fault(asked.headers)
        if fault:
            return Denied(status=403, sentence=fault, word="origin")
        if self._keys is None:
            return Granted()
        text = credential_in(asked.headers, asked.offered, asked.query)
        if text is None:
            return _unknown(NONE)
        try:
            found = self._look_up(self._keys, text)
        except BadToken as bad:
            return _unknown(str(bad), known=True)
        if isinstance(found, Denied):
            return found
        key, token = found
        if scope not in (token.scopes & key.scopes if token else key.scopes):
            what = "token" if token else "key"
            return Denied(status=403, sentence=f"this {what} of {key.name} does not open {scope}", word="scope")
        if token and (spent := self._seats.hear(token, 0)):
            return Denied(status=403, sentence=spent, word="quota")
        return Granted(name=key.name, key_id=key.id, sessions=key.sessions, token=token)

    def admit_stream(self) -> Granted:
        """A plain TCP stream, which can say nothing of itself: where keys are asked for, it is served on loopback alone."""
        return Granted()

    def seat(self, granted: Granted, asked: Asked) -> Seat | Denied:
        """A place for one session of who was let in."""
        valid = partial(self.still_valid, granted)
        seat = self._seats.take(granted, self.address_of(asked), valid)
        if isinstance(seat, Seat):
            return seat
        return Denied(status=429, sentence=seat, word="too_many_sessions", headers={"Retry-After": "5"})

    def mint(self, asked: Asked, wish: Wish) -> str | Denied:
        """A token of the key that asks."""
        if self._keys is None or self._tokens is None:
            return Denied(status=404, sentence="this server asks for no keys, so there is nothing to mint; connect without", word="mint")
        granted = self.admit(asked, Scope.MINT)
        if isinstance(granted, Denied):
            return granted
        key = self._keys.named(granted.name or "", granted.key_id)
        fault = wish.fault(key) if key else WRONG
        if key is None or fault:
            return Denied(status=400, sentence=fault or WRONG, word="mint")
        return self._tokens.mint(key, wish)

    def address_of(self, asked: Asked) -> str:
        """Whose session it is: the last address in ``X-Forwarded-For`` that is no proxy of ours, where a proxy of ours says so."""
        address = asked.peer
        for named in reversed(asked.headers.get("x-forwarded-for", "").split(",")):
            if not self._is_proxy(address) or not named.strip():
                break
            address = named.strip()
        return address

    def _is_proxy(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
        return any((mapped or found) in network for network in self._proxies)

    def _look_up(self, keys: Keys, text: str) -> tuple[Key, Token | None] | Denied:
        """Raises ``BadToken``."""
        if self._tokens is None or text.count(".") != 2:
            key = keys.find(text)
            return (key, None) if key else _unknown(WRONG, known=True)
        signer = keys.signer(kid_of(text))
        token = read_signed(text, *signer, self._tokens.now) if signer else self._tokens.read(text)
        key = keys.named(token.name, token.key_id)
        return (key, token) if key else _unknown("the key that the token came from was revoked", known=True)

    def still_valid(self, granted: Granted) -> bool:
        """Whether the key is still one of this server's."""
        return granted.name is None or self._keys is None or self._keys.named(granted.name, granted.key_id) is not None


def _unknown(sentence: str, *, known: bool = False) -> Denied:
    error = ', error="invalid_token"' if known else ""
    return Denied(status=401, sentence=sentence, word="key", headers={"WWW-Authenticate": f'Bearer realm="streamer"{error}'})
