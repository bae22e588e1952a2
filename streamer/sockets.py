"""What a connection needs of whatever carries its bytes: a WebSocket, a plain TCP stream, or one voice of several on a WebSocket."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from streamer.wires import Payload

AT_ONCE_BYTES: Final = 16_384  # that a socket still has to send, half of what makes the library wait
READ_BYTES: Final = 65_536
LINGER_S: Final = 1.0  # for the other side to read the last message and close; a reset before that would take it away
NORMAL: Final = 1000
ABNORMAL: Final = 1006  # what a WebSocket that was lost says of itself


class Socket(Protocol):
    """``recv`` and ``send`` raise ``ConnectionClosed`` or ``ConnectionError`` once the other side is gone.

    ``recv`` raises ``EOFError`` where the other side has said its last and may still be reading.
    """

    take: Callable[[Payload], bool] | None
    """Takes a whole message where it arrives, or gives False; set only when about to await ``recv``. A socket may ignore it."""

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
    """A plain stream: what arrives is bytes, cut anywhere, and what is sent is written one after the other.

    The end of what arrives does not tell a client that has gone from one that has only closed its own half and waits for the answer.
    """

    take: Callable[[Payload], bool] | None = None

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._reading = asyncio.Lock()  # a stream is read by one at a time, and ``close`` reads too
        self.close_code: int | None = None

    @property
    def peer(self) -> str:
        return address(self._writer.get_extra_info("peername"))

    @property
    def ready(self) -> bool:
        return self._writer.transport.get_write_buffer_size() < AT_ONCE_BYTES

    def push(self, payload: Payload) -> None:
        if self.close_code is None and not self._writer.transport.is_closing():
            self._writer.write(payload if isinstance(payload, bytes) else payload.encode())

    async def recv(self) -> Payload:
        data = await self._read()
        if data:
            return data
        if self.close_code is not None or self._writer.transport.is_closing():
            raise self._lost()
        raise EOFError("the other side has said its last")

    async def send(self, payload: Payload) -> None:
        self.push(payload)
        try:
            await self._writer.drain()
        except OSError as error:
            raise self._lost() from error

    async def confirm(self) -> None:
        await asyncio.Event().wait()

    async def close(self, code: int, reason: str) -> None:
        """Say the end, wait a moment for the other side's, and close. Raises ``ConnectionError`` when it is gone."""
        self.close_code = self.close_code or code
        if not self._writer.transport.is_closing():
            self._writer.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while await self._read():
                    pass
        self._writer.close()
        await self._writer.wait_closed()

    def abort(self) -> None:
        self.close_code = self.close_code or ABNORMAL
        self._writer.transport.abort()

    async def _read(self) -> bytes:
        async with self._reading:
            try:
                return await self._reader.read(READ_BYTES)
            except OSError as error:  # a reset, or a network that is gone
                raise self._lost() from error

    def _lost(self) -> ConnectionResetError:
        self.close_code = self.close_code or ABNORMAL
        return ConnectionResetError("the stream is lost")


def address(found: tuple[str, int] | None) -> str:
    """A peer's address, for people."""
    return f"{found[0]}:{found[1]}" if found else "an unknown address"
