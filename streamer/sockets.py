"""What a connection needs of whatever carries its bytes: a WebSocket, a plain TCP stream, or one voice of several on a WebSocket."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from streamer.wires import Payload

AT_ONCE_BYTES: Final = 16_384  # that a socket still has to send, half of what makes the library wait
READ_BYTES: Final = 65_536
NORMAL: Final = 1000
ABNORMAL: Final = 1006  # what a WebSocket that was lost says of itself


class Socket(Protocol):
    """``recv`` and ``send`` raise ``ConnectionClosed`` or ``ConnectionError`` once the other side is gone."""

    take: Callable[[bytes], bool] | None
    """Takes a whole binary message where it arrives, or gives False; set only when about to await ``recv``. A socket may ignore it."""

    @property
    def peer(self) -> str:
        """The other side's address, for people."""

    @property
    def close_code(self) -> int | None:
        """As of a WebSocket; ``None`` while it is open."""

    @property
    def ready(self) -> bool:
        """Whether ``push`` may be called."""

    def push(self, payload: Payload) -> None:
        """Write without waiting; to a socket that is gone it does nothing."""

    async def recv(self) -> Payload: ...
    async def send(self, payload: Payload) -> None: ...
    async def close(self, code: int, reason: str) -> None: ...
    async def confirm(self) -> None:
        """Until all that was written before has arrived. A socket that cannot know never says so."""

    def abort(self) -> None:
        """Let go at once; what was not written is lost."""


class TcpSocket:
    """A plain stream: what arrives is bytes, cut anywhere, and what is sent is written one after the other."""

    take: Callable[[bytes], bool] | None = None

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.close_code: int | None = None

    @property
    def peer(self) -> str:
        return address(self._writer.get_extra_info("peername"))

    @property
    def ready(self) -> bool:
        return self._writer.transport.get_write_buffer_size() < AT_ONCE_BYTES

    def push(self, payload: Payload) -> None:
        if self.close_code is None:
            self._writer.write(payload if isinstance(payload, bytes) else payload.encode())

    async def recv(self) -> Payload:
        try:
            data = await self._reader.read(READ_BYTES)
        except OSError:
            data = b""
        if not data:
            self.close_code = self.close_code or ABNORMAL
            raise ConnectionResetError("the stream has ended")
        return data

    async def send(self, payload: Payload) -> None:
        self.push(payload)
        await self._writer.drain()

    async def confirm(self) -> None:
        await asyncio.Event().wait()

    async def close(self, code: int, reason: str) -> None:
        self.close_code = self.close_code or code
        self._writer.close()
        await self._writer.wait_closed()

    def abort(self) -> None:
        self.close_code = self.close_code or ABNORMAL
        self._writer.transport.abort()


def address(found: tuple[str, int] | None) -> str:
    """A peer's address, for people."""
    return f"{found[0]}:{found[1]}" if found else "an unknown address"
