"""A child's line to the supervisor: either end may ask the other for its numbers, and the end of the line is the end of the child."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Final

import msgpack

from streamer.workers.messages import pack

logger: Final = logging.getLogger(__name__)

READ_BYTES: Final = 1 << 16


class Word(IntEnum):
    QUESTION = 0
    ANSWER = 1
    READY = 2
    SETTINGS = 3


async def _nothing() -> bytes:
    return b""


class Channel:
    """One end. ``answer`` gives what the other asks for."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._asked: dict[int, asyncio.Future[bytes]] = {}
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.answer: Callable[[], Awaitable[bytes]] = _nothing
        self.told: Callable[[bytes], None] = lambda data: None
        """Called with new settings."""
        self.ready = asyncio.Event()
        """The other end has said that it is at work."""
        self.ended = asyncio.Event()
        """The other end is gone."""
        self._hearing = asyncio.create_task(self._hear())

    @classmethod
    async def over(cls, line: socket.socket) -> "Channel":
        return cls(*await asyncio.open_unix_connection(sock=line))

    async def ask(self, timeout_s: float) -> bytes:
        """What the other end answers. Raises ``TimeoutError``, also where it is gone."""
        self._number += 1
        number, future = self._number, asyncio.get_running_loop().create_future()
        self._asked[number] = future
        try:
            self._writer.write(pack(Word.QUESTION, number))
            async with asyncio.timeout(timeout_s):
                return bytes(await future)
        finally:
            del self._asked[number]

    def tell(self, settings: bytes) -> None:
        self._writer.write(pack(Word.SETTINGS, 0, settings))

    def say_ready(self) -> None:
        self._writer.write(pack(Word.READY))

    async def close(self) -> None:
        """The other end sees the end of the line."""
        self._writer.close()
        self._hearing.cancel()
        await asyncio.gather(self._hearing, *self._tasks, return_exceptions=True)
        self.ended.set()

    async def _hear(self) -> None:
        unpacker = msgpack.Unpacker(use_list=False)
        try:
            while data := await self._reader.read(READ_BYTES):
                unpacker.feed(data)
                for word, *rest in unpacker:
                    self._receive(word, *rest)
        except ConnectionError as error:
            logger.debug("the line broke: %s", error)
        finally:
            self.ended.set()

    def _receive(self, word: int, number: int = 0, data: bytes = b"") -> None:
        match word:
            case Word.QUESTION:
                task = asyncio.create_task(self._reply(number))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case Word.ANSWER if (future := self._asked.get(number)) and not future.done():
                future.set_result(data)
            case Word.SETTINGS:
                self.told(data)
            case Word.READY:
                self.ready.set()

    async def _reply(self, number: int) -> None:
        self._writer.write(pack(Word.ANSWER, number, await self.answer()))
