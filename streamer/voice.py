"""One voice of several on a socket, which its connection takes for a socket of its own.

What it has sent waits here, bounded. What its session says goes straight to the shared socket: messages are whole there, so those of
several voices may follow one another as they come.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from streamer.sockets import ABNORMAL, Socket
from streamer.wires import Payload

INBOX: Final = 8  # messages that wait for a voice's session, as many as the library lets wait for a socket's
END: Final = b""


class Voice:
    """Closing it leaves the shared socket open."""

    take: Callable[[Payload], bool] | None = None  # not used: messages are handed over one by one

    def __init__(self, name: str, socket: Socket, heard: float) -> None:
        self.name, self._socket = name, socket
        self.heard = heard
        """When it sent something, on the clock of ``Voices``."""
        self._inbox: deque[Payload] = deque()
        self._filled, self._room = asyncio.Event(), asyncio.Event()
        self.close_code: int | None = None

    @property
    def peer(self) -> str:
        return f"{self._socket.peer}, voice {self.name!r}"

    @property
    def ready(self) -> bool:
        return self._socket.ready

    @property
    def full(self) -> bool:
        """Whether ``put`` would wait."""
        return len(self._inbox) >= INBOX and self.close_code is None

    async def put(self, payload: Payload) -> None:
        """Something it has sent. Waits for room."""
        while self.full:
            self._room.clear()
            await self._room.wait()
        self._inbox.append(payload)
        self._filled.set()

    def end(self) -> None:
        """It sends nothing more; what waits is still heard."""
        self._inbox.append(END)
        self._filled.set()

    def push(self, payload: Payload) -> None:
        self._socket.push(payload)

    async def recv(self) -> Payload:
        while not self._inbox:
            if self.close_code is not None:
                raise ConnectionResetError("the socket of this voice is closed")
            self._filled.clear()
            await self._filled.wait()
        self._room.set()
        return self._inbox.popleft()

    async def send(self, payload: Payload) -> None:
        await self._socket.send(payload)

    async def confirm(self) -> None:
        await self._socket.confirm()

    async def close(self, code: int, reason: str) -> None:
        self._closed(code)

    def abort(self) -> None:
        """The client does not read: that is so for all its voices."""
        self._socket.abort()
        self.lost()

    def lost(self) -> None:
        """Nobody is there any more, neither to hear nor to read."""
        self._inbox.clear()
        self._closed(ABNORMAL)

    def _closed(self, code: int) -> None:
        self.close_code = self.close_code or code
        self._filled.set()
        self._room.set()
