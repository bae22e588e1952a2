"""One socket of the native wire (docs/protocol.md): messages are the wire's own objects, and a socket that is lost is an error.

``transcribe`` is made of it; whoever measures, or has an order of their own, uses it as it is:

async with connect("ws://127.0.0.1:8765/ws", start={"language": "en"}) as session:
    sending = asyncio.create_task(microphone(session))  # session.send_audio(…) again and again, then session.stop()
    async for message in session:
        ...
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any, Final, Literal
from urllib.parse import quote, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from streamer.client.errors import refused
from streamer.errors import ConfigurationError, ConnectionFailed

OPEN_TIMEOUT_S: Final = 10.0
PING_TIMEOUT_S: Final = 120.0  # a server that is owed too much stops reading for a while, and pings with it
CLOSE_TIMEOUT_S: Final = 2.0  # a client that leaves early does not wait for a server that is busy
SCHEMES: Final = {"": "ws", "http": "ws", "ws": "ws", "https": "wss", "wss": "wss"}
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class ClientSession:
    """One session. Messages are the wire's objects: iterate for them, in a task beside the one that sends, until the server's goodbye.

    Whatever loses the connection before that raises ``ConnectionFailed`` where it is noticed.
    """

    def __init__(self, socket: ClientConnection, url: str, first: Mapping[str, Any], *, largest: int | None = None) -> None:
        self._socket, self._url = socket, url
        self.created = first
        """The server's ``session.created``: model, capabilities, notice, limits. ``session.resumed`` for one that was come back to."""
        self.largest: int = largest or first.get("limits", {}).get("max_message_bytes", 1 << 20)
        """Bytes that one message may have."""

    async def send_audio(self, data: bytes) -> None:
        """Bytes in the format of ``start``, of any length. Waits while the server takes no more."""
        for begin in range(0, len(data), self.largest):
            await self._send(data[begin : begin + self.largest])

    async def send(self, kind: str, **fields: Any) -> None:
        """A message of this type: ``configure``, ``flush``, ``keepalive``."""
        await self._send(json.dumps({"type": kind, **fields}))

    async def send_frame(self, frame: bytes | str) -> None:
        """Audio, or a message that is JSON already."""
        await (self.send_audio(frame) if isinstance(frame, bytes) else self._send(frame))

    async def stop(self) -> None:
        """No more audio. Go on iterating: what is owed comes, then ``closed``."""
        await self.send("stop")

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        said_goodbye = False
        try:
            async for data in self._socket:
                message = _read(data, self._url)
                said_goodbye |= message["type"] == "closed"
                yield message
        except ConnectionClosed as closed:
            if not said_goodbye:
                raise self._lost(closed) from closed
        else:
            if not said_goodbye:
                raise ConnectionFailed(f"{self._url} closed the connection without a goodbye; what was said last may be missing")

    async def receive(self) -> dict[str, Any]:
        """The next message. Raises ``ConnectionFailed`` where there is none, after a goodbye too."""
        try:
            return _read(await self._socket.recv(), self._url)
        except ConnectionClosed as closed:
            raise self._lost(closed, "") from closed  # who asks for one at a time may come back

    async def close(self) -> None:
        """Leave: the server keeps nothing for who has said so."""
        await self._socket.close()

    def abort(self) -> None:
        """Let go of the socket without a word: the server keeps the session for a while, where it has been asked to."""
        self._socket.transport.abort()

    async def _send(self, data: bytes | str) -> None:
        try:
            await self._socket.send(data)
        except ConnectionClosed as closed:
            raise self._lost(closed) from closed

    def _lost(self, closed: ConnectionClosed, so: str = "; what was said last may be missing") -> ConnectionFailed:
        why = f"{closed.rcvd.code} {closed.rcvd.reason}".rstrip() if closed.rcvd else "the network, or the server's end"
        return ConnectionFailed(f"the connection to {self._url} was lost ({why}){so}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a server is, and what it wants to see: ``key`` goes into a header. ``tls`` is for ``wss`` alone."""

    url: str
    key: str | None = field(default=None, repr=False)
    tls: SSLContext | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", websocket_url(self.url))
        if self.tls is not None and not self.url.startswith("wss:"):
            raise ConfigurationError(f"ssl is given, but the address is {self.url}, expected wss:// or https://")
        if self.key is not None and not (self.key.isascii() and self.key.isprintable() and self.key):
            raise ConfigurationError("the key has characters that no header can carry; was it copied whole?")

    async def begin(self) -> ClientSession:
        """A new session, greeted by the server. Raises ``ConnectionFailed``, and ``Refused`` among it."""
        return await self._open(self.url, "session.created")

    async def resume(self, token: str, after: int, largest: int) -> ClientSession:
        """Back in a session of which message ``after`` was the last that came. Raises ``CannotResume`` where it is over."""
        query = f"resume={quote(token, safe='')}&after={after}"
        return await self._open(f"{self.url}{'&' if urlsplit(self.url).query else '?'}{query}", "session.resumed", largest)

    async def _open(self, address: str, expected: str, largest: int | None = None) -> ClientSession:
        socket = await self._connect(address)
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                first = _read(await socket.recv(), self.url)
            if first["type"] != expected:
                raise ConnectionFailed(f"{self.url} began with {first['type']!r}, expected {expected!r}; is a streamer server there?")
            return ClientSession(socket, self.url, first, largest=largest)
        except BaseException as error:
            socket.transport.abort()  # a close would tell the server that its client has left
            if isinstance(error, ConnectionClosed):
                raise ConnectionFailed(f"{self.url} closed the connection at once ({error}); is a streamer server there?") from error
            if isinstance(error, TimeoutError):
                raise ConnectionFailed(f"{self.url} let us in and said nothing for {OPEN_TIMEOUT_S:.0f} s") from error
            raise

    async def _connect(self, address: str) -> ClientConnection:
        # A proxy of the company's does not lead to this machine.
        proxy: Literal[True] | None = None if urlsplit(address).hostname in LOOPBACK else True
        secured: dict[str, Any] = {"ssl": self.tls} if self.tls else {}
        try:
            return await open_socket(
                address,
                compression=None,
                proxy=proxy,
                open_timeout=OPEN_TIMEOUT_S,
                ping_timeout=PING_TIMEOUT_S,
                close_timeout=CLOSE_TIMEOUT_S,
                additional_headers={"Authorization": f"Bearer {self.key}"} if self.key else None,
                **secured,
            )
        except TimeoutError as error:
            raise ConnectionFailed(
                f"{self.url} did not answer within {OPEN_TIMEOUT_S:.0f} s; is the address right, and the server up?"
            ) from error
        except InvalidStatus as error:
            answer = error.response
            said = (answer.body or b"").decode("utf-8", "replace").strip()
            raise refused(self.url, answer.status_code, said, answer.headers.get("Retry-After")) from error
        except InvalidHandshake as error:
            raise ConnectionFailed(f"{self.url} answers, but not as a streamer server ({error}); is it the right port?") from error
        except OSError as error:
            why = error.strerror or error
            raise ConnectionFailed(
                f"no server is running at {self.url} ({why}); start one with `streamer serve`, or check the address"
            ) from error


@asynccontextmanager
async def connect(
    url: str, *, start: Mapping[str, Any] | None = None, key: str | None = None, ssl: SSLContext | None = None
) -> AsyncIterator[ClientSession]:
    """Open a session and send ``start`` with these fields. Raises ``ConfigurationError`` or ``ConnectionFailed``."""
    session = await Server(url=url, key=key, tls=ssl).begin()
    try:
        await session.send("start", **(start or {}))
        yield session
    finally:
        await session.close()


def websocket_url(url: str) -> str:
    """``localhost:8765``, the page's ``http://…`` and the socket's ``ws://…/ws`` all name the same server."""
    parts = urlsplit(url if "://" in url else f"//{url}")
    try:
        scheme, port = SCHEMES[parts.scheme], parts.port
    except (KeyError, ValueError):
        scheme, port = "", None
    if not scheme or not parts.hostname or port == 0:
        raise ConfigurationError(f"the address is {url!r}, expected something like ws://127.0.0.1:8765/ws or http://127.0.0.1:8765")
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") or "/ws", parts.query, ""))


def _read(data: str | bytes, url: str) -> dict[str, Any]:
    try:
        message = json.loads(data)
    except ValueError:
        message = None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ConnectionFailed(f"{url} sent {data[:40]!r}, expected a JSON object with a type; is a streamer server there?")
    return message
