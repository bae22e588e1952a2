"""One file per wire protocol: what came over the socket to a session's inputs, and its messages to what goes out. No I/O."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from streamer.core.events import Input, Message, Rejected, Stop

Payload = str | bytes
"""One WebSocket message: text or binary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """What a client said before it was let in. Names of headers are lower case; a name in the query may come several times."""

    session_id: str
    at: str
    """When, as ``2026-01-31T12:00:00Z``."""
    unix_ms: int = 0
    """The same in milliseconds since 1970."""
    path: str
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    offered: Sequence[str] = ()
    """Subprotocols, in the client's order."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer that needs no session, such as to a ping: to be written as it is, after what was written before."""

    payload: Payload | Callable[[], Payload]
    """A function is called when its turn has come, once: for wires that number what they write."""

    def written(self) -> Payload:
        """What to write, now."""
        return self.payload() if callable(self.payload) else self.payload


class Refused(Exception):
    """A wire cannot serve what the handshake asks for: an HTTP status of 400 to 499, a sentence, and headers to answer with."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.headers = status, dict(headers or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """A client whose socket was lost comes back: its session's token, the number of the last message that it saw, what it speaks."""

    token: str
    after: int
    subprotocol: str | None


class Wire(ABC):
    """One client's wire. It may remember what it needs to read the next message, or to write it."""

    headers: Mapping[str, str] = MappingProxyType({})
    """Added to the answer to the handshake."""
    idle_timeout_s: float | None = None
    """Without any message, if this wire has a limit of its own."""
    call: str | None = None
    """By which id others may follow this session, at ``/calls/<id>``. Known from the beginning, or with a text message."""
    finishes: bool = False
    """Whether what was said is still finished when its client has gone without a word: others follow the session."""
    client_closes_s: float = 0.0
    """So long after the last message its client may close the socket, where that is the client's part, before we do."""
    resumable: bool = False
    """Whether its messages are numbered, and a client of it may come back to its session."""
    number: int = 0
    """Of the message that was encoded last, where they are numbered."""
    subprotocol: str | None = None
    back: Back | None = None
    holds: bool = False
    """Whether it holds audio back, so that one message may bring much of it: only the reader takes those, who can wait between inputs."""

    def open(self) -> Iterable[Input | Said]:
        """Inputs that come before anything else, where the handshake has said it all."""
        return ()

    @abstractmethod
    def decode(self, data: Payload) -> Iterable[Input | Said]:
        """One WebSocket message to inputs. Never raises for what a client sends: what cannot be read becomes ``Rejected``.

        On a plain TCP stream it is so many bytes, cut anywhere.
        """

    @abstractmethod
    def encode(self, message: Message) -> Iterable[Payload]:
        """One message of the session to what this wire says of it, which may be nothing or several WebSocket messages."""

    def close(self, code: int, reason: str) -> tuple[int, str]:
        """The session's close code and reason to the wire's own."""
        return code, reason

    def rest(self) -> Iterable[Input]:
        """What the wire still held back, before its session is ended from elsewhere. Whatever comes afterwards has no effect."""
        return ()


class Follows(Protocol):
    """Instead of a wire: whoever reads what the sessions of a call tell, and has none."""

    call: str

    @property
    def headers(self) -> Mapping[str, str]:
        """Added to the answer to the handshake."""

    def encode(self, text: str) -> Payload:
        """A message that is JSON, as this follower reads it."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one of several voices on a socket has sent, for its own wire to decode."""

    voice: str
    payload: Payload


class SharedWire(ABC):
    """Instead of a wire: a socket that several voices share, each with a session and a wire of its own."""

    headers: Mapping[str, str] = MappingProxyType({})
    """Added to the answer to the handshake."""
    call: str | None = None
    """By which id others may follow all its voices."""
    idle_timeout_s: float
    """Without a message from any voice."""
    pause_s: float
    """A voice that has sent nothing for so long has its session finished; when it is heard again, that is a new one."""

    @abstractmethod
    def split(self, data: Payload) -> Spoken | Stop | Rejected | None:
        """Whose WebSocket message this is. ``Stop``: it ends all voices; ``None``: there is nothing in it. Never raises."""

    @abstractmethod
    def voice(self, name: str, handshake: Handshake) -> Wire:
        """The wire of one voice, by the name that ``split`` gave it. It takes an empty message for its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a wire is found, and how one is made."""

    name: str
    paths: tuple[str, ...]
    """One that ends in ``/*`` stands for all with one more part, such as an id."""
    subprotocol: Callable[[Sequence[str]], str | None]
    """Which of the offered ones is agreed on; none of them is not an error."""
    open: Callable[[Handshake], Wire | SharedWire | Follows]
    """Raises ``Refused``."""
    tcp: bool = False
    """A plain TCP stream, which has no path: found only at a port of its own."""
    refusal: Callable[[str, str], bytes] = lambda code, sentence: b""
    """On a plain TCP stream, what a client is told that is not let in: a word, and a sentence."""
    claims: Mapping[str, str] = field(default_factory=dict)
    """Another wire's path, and the subprotocol whose offer there means this one."""


def first_of(*names: str) -> Callable[[Sequence[str]], str | None]:
    """Agrees on the client's first subprotocol that is one of these."""
    return lambda offered: next((name for name in offered if name in names), None)
