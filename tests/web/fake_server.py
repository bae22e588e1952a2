"""A server for the page's own tests: serves the page as the real one does, and speaks the native wire as a test's script says.

It runs in a thread of its own, so that a test may drive a browser meanwhile. Every connection is kept, with all it received.
"""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from streamer.pages import Pages, page_folder, respond

RICH = {
    "languages": ["auto", "zh", "en", "yue", "ja", "ko"],
    "emotion": True,
    "events": True,
    "itn": True,
    "hotwords": False,
    "word_times": "aligned",
    "confidence": True,
}
PLAIN = RICH | {"languages": ["en"], "emotion": False, "events": False, "itn": False}


@dataclass
class Client:
    """One connection: what came in, and the means to answer."""

    socket: ServerConnection
    texts: list[dict[str, Any]] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    seq: int = 0

    @property
    def resumes(self) -> str | None:
        """The query of a client that comes back to its session."""
        query = self.socket.request.path.partition("?")[2] if self.socket.request else ""
        return query if "resume=" in query else None

    async def send(self, kind: str, /, **fields: Any) -> None:
        self.seq += kind != "session.resumed"
        await self.socket.send(json.dumps({"type": kind, "seq": self.seq, **fields}))

    async def go_on(self, *earlier: "Client") -> None:
        """The session of these sockets goes on."""
        self.seq = earlier[-1].seq
        received = {
            "received_bytes": sum(len(client.audio) for client in earlier),
            "received_messages": sum(len(client.texts) for client in earlier),
        }
        await self.send("session.resumed", session_id="s", after=self.seq, **received)

    async def partial(self, segment: int, revision: int, stable: str, unstable: str, **fields: Any) -> None:
        times = {"begin_ms": 0, "end_ms": 1000, "audio_end_ms": 1000, "queue_ms": 0, "decode_ms": 0, "channel": 0, "language": None}
        await self.send("partial", segment=segment, revision=revision, stable=stable, unstable=unstable, **times | fields)

    async def final(self, segment: int, text: str, **fields: Any) -> None:
        times = {"begin_ms": 0, "end_ms": 1000, "audio_end_ms": 1000, "queue_ms": 0, "decode_ms": 0, "channel": 0, "revision": 9}
        rich = {
            "raw_text": text,
            "words": [],
            "language": None,
            "emotion": None,
            "events": [],
            "confidence": None,
            "end_reason": "endpoint",
        }
        await self.send("final", segment=segment, text=text, **times | rich | fields)

    async def until(self, condition: Callable[["Client"], bool]) -> None:
        """Wait until what was received satisfies ``condition``."""
        while not condition(self):
            self.changed.clear()
            await self.changed.wait()

    async def until_message(self, kind: str) -> dict[str, Any]:
        await self.until(lambda client: any(text["type"] == kind for text in client.texts))
        return next(text for text in self.texts if text["type"] == kind)

    async def start(self) -> dict[str, Any]:
        """Answer the client's ``start``, and give it."""
        message = await self.until_message("start")
        await self.send("session.configured", format={}, settings={})
        return message

    async def stop(self) -> None:
        """Wait for the client's ``stop``, and say goodbye."""
        await self.until_message("stop")
        await self.send("closed", reason="stop", totals={})
        await self.socket.close()

    def drop(self) -> None:
        """End the connection like a pulled cable."""
        self.socket.transport.abort()


Script = Callable[[Client], Awaitable[None]]


async def obedient(client: Client) -> None:
    """The script of a server that hears nothing: it starts and stops as asked."""
    await client.start()
    await client.stop()


class FakeServer:
    """Use as a context manager. ``script`` runs for each connection; ``created`` changes its greeting, and ``gone`` answers 410.

    With a ``resume_token`` in ``created`` clients come back to their session, which then greets them itself with ``go_on``.
    """

    def __init__(self) -> None:
        self.gone = False
        self.script: Script = obedient
        self.created: dict[str, Any] = {}
        self.clients: list[Client] = []
        self.port = 0
        self._scripts: list[asyncio.Task[None]] = []
        self._pages = Pages(page_folder())
        self._loop = asyncio.new_event_loop()
        self._server: Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake server", daemon=True)

    def __enter__(self) -> "FakeServer":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def sessions(self) -> list[Client]:
        """The connections that sent ``start``; the page's first look at the server is none of them."""
        return [client for client in self.clients if any(text["type"] == "start" for text in client.texts)]

    def call(self, function: Callable[[], Any]) -> None:
        """Run something in the server's thread."""
        self._loop.call_soon_threadsafe(function)

    async def _open(self) -> None:
        self._server = await serve(self._serve, "127.0.0.1", self.port, process_request=self._respond, max_size=2**20)
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def _close(self) -> None:
        for task in self._scripts:
            task.cancel()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, socket: ServerConnection) -> None:
        client = Client(socket)
        self.clients.append(client)
        script = asyncio.create_task(self._play(client))
        self._scripts.append(script)
        with suppress(ConnectionClosed):
            await self._read(client)
        script.cancel()
        await asyncio.gather(script, return_exceptions=True)

    async def _play(self, client: Client) -> None:
        greeting = {"session_id": "s", "protocol": 1, "server": "fake", "model": "SenseVoiceSmall", "device": "cpu", "capabilities": RICH}
        with suppress(ConnectionClosed):
            if not client.resumes:
                await client.send("session.created", **greeting | {"notice": None, "limits": {}} | self.created)
            await self.script(client)

    async def _read(self, client: Client) -> None:
        async for message in client.socket:
            if isinstance(message, str):
                client.texts.append(json.loads(message))
            else:
                client.audio += message
            client.changed.set()

    def _respond(self, _: ServerConnection, request: Request) -> Response | None:
        path, _, query = request.path.partition("?")
        if path == "/ws":
            return respond(HTTPStatus.GONE, "The session is over.") if self.gone and "resume=" in query else None
        if path == "/healthz":
            return respond(HTTPStatus.OK, "alive")
        if path == "/access":
            return respond(HTTPStatus.OK, '{"allowed": true, "why": null, "keyed": false}', "application/json")
        return self._pages.get(path) or respond(HTTPStatus.NOT_FOUND, "There is no such page.")
