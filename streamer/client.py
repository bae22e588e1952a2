"""A client of the native wire (docs/protocol.md), for the command line and for scripts.

async with connect("ws://127.0.0.1:8765/ws", start={"language": "en"}) as session:
    sending = asyncio.create_task(microphone(session))  # session.send_audio(…) again and again, then session.stop()
    async for message in session:
        ...
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Literal
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

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

    def __init__(self, socket: ClientConnection, url: str, created: Mapping[str, Any]) -> None:
        self._socket, self._url = socket, url
        self.created = created
        """The server's ``session.created``: model, capabilities, notice, limits."""
        self._largest: int = created.get("limits", {}).get("max_message_bytes", 1 << 20)

    async def send_audio(self, data: bytes) -> None:
        """Bytes in the format of ``start``, of any length. Waits while the server takes no more."""
        for begin in range(0, len(data), self._largest):
            await self._send(data[begin : begin + self._largest])

    async def send(self, kind: str, **fields: Any) -> None:
        """A message of this type: ``configure``, ``flush``, ``keepalive``."""
        await self._send(json.dumps({"type": kind, **fields}))

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

    async def _send(self, data: bytes | str) -> None:
        try:
            await self._socket.send(data)
        except ConnectionClosed as closed:
            raise self._lost(closed) from closed

    def _lost(self, closed: ConnectionClosed) -> ConnectionFailed:
        why = f"{closed.rcvd.code} {closed.rcvd.reason}".rstrip() if closed.rcvd else "the network, or the server's end"
        return ConnectionFailed(f"the connection to {self._url} was lost ({why}); what was said last may be missing")


@asynccontextmanager
async def connect(url: str, *, start: Mapping[str, Any] | None = None) -> AsyncIterator[ClientSession]:
    """Open a session and send ``start`` with these fields. Raises ``ConfigurationError`` or ``ConnectionFailed``."""
    url = websocket_url(url)
    socket = await _open(url)
    async with socket:
        try:
            created = _read(await socket.recv(), url)
        except ConnectionClosed as closed:
            raise ConnectionFailed(f"{url} closed the connection at once ({closed}); is a streamer server there?") from closed
        if created["type"] != "session.created":
            raise ConnectionFailed(f"{url} began with {created['type']!r}, expected 'session.created'; is a streamer server there?")
        session = ClientSession(socket, url, created)
        await session.send("start", **(start or {}))
        yield session


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


async def _open(url: str) -> ClientConnection:
    # A proxy of the company's does not lead to this machine.
    proxy: Literal[True] | None = None if urlsplit(url).hostname in LOOPBACK else True
    try:
        return await open_socket(
            url,
            compression=None,
            proxy=proxy,
            open_timeout=OPEN_TIMEOUT_S,
            ping_timeout=PING_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
        )
    except TimeoutError as error:
        raise ConnectionFailed(f"{url} did not answer within {OPEN_TIMEOUT_S:.0f} s; is the address right, and the server up?") from error
    except InvalidStatus as error:
        body = (error.response.body or b"").decode("utf-8", "replace").strip()
        raise ConnectionFailed(f"{url} refused the connection ({error.response.status_code}): {body or 'it gave no reason'}") from error
    except InvalidHandshake as error:
        raise ConnectionFailed(f"{url} answers, but not as a streamer server ({error}); is it the right port?") from error
    except OSError as error:
        why = error.strerror or error
        raise ConnectionFailed(f"no server is running at {url} ({why}); start one with `streamer serve`, or check the address") from error


def _read(data: str | bytes, url: str) -> dict[str, Any]:
    try:
        message = json.loads(data)
    except ValueError:
        message = None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ConnectionFailed(f"{url} sent {data[:40]!r}, expected a JSON object with a type; is a streamer server there?")
    return message
