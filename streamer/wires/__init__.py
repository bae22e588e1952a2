"""One file per wire protocol: what came over the socket to a session's inputs, and its messages to what goes out. No I/O."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from streamer.core.events import Input, Message

Payload = str | bytes
"""One WebSocket message: text or binary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """What a client said before it was let in. Names of headers are lower case; a name in the query may come several times."""

    session_id: str
    at: str
    """When, as ``2026-01-31T12:00:00Z``."""
    path: str
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    offered: Sequence[str] = ()
    """Subprotocols, in the client's order."""


class Refused(Exception):
    """A wire cannot serve what the handshake asks for: an HTTP status of 400 to 499, a sentence, and headers to answer with."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.headers = status, dict(headers or {})


class Wire(Protocol):
    """One client's wire. It may remember what it needs to read the next message, or to write it."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Added to the answer to the handshake."""

    @property
    def idle_timeout_s(self) -> float | None:
        """Without any message, if this wire has a limit of its own."""

    def open(self) -> Iterable[Input]:
        """Inputs that come before anything else, where the handshake has said it all."""

    def decode(self, data: Payload) -> Iterable[Input]:
        """One WebSocket message to inputs. Never raises for what a client sends: what cannot be read becomes ``Rejected``."""

    def encode(self, message: Message) -> Iterable[Payload]:
        """One message of the session to what this wire says of it, which may be nothing or several WebSocket messages."""

    def close(self, code: int, reason: str) -> tuple[int, str]:
        """The session's close code and reason to the wire's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a wire is found, and how one is made."""

    name: str
    paths: tuple[str, ...]
    subprotocol: Callable[[Sequence[str]], str | None]
    """Which of the offered ones is agreed on; none of them is not an error."""
    open: Callable[[Handshake], Wire]
    """Raises ``Refused``."""
    claims: Mapping[str, str] = field(default_factory=dict)
    """Another wire's path, and the subprotocol whose offer there means this one."""


def first_of(*names: str) -> Callable[[Sequence[str]], str | None]:
    """Agrees on the client's first subprotocol that is one of these."""
    return lambda offered: next((name for name in offered if name in names), None)
