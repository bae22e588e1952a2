"""One child of the supervisor, which is started again whenever it ends unasked."""

import asyncio
import logging
import pickle
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from streamer.engine.scheduler import RESTART_PAUSE_S
from streamer.workers.channel import Channel

logger: Final = logging.getLogger(__name__)

LENGTH_BYTES: Final = 4
STARTING_S: Final = 120.0  # for a process to answer the first time
STILL: Final = 4  # questions within the time after which a process that answers none is killed
STEADY_S: Final = 60.0  # a child that lived so long died of something new


class Work(Protocol):
    """What a child does until its channel ends. Pickled on the way to it."""

    @property
    def name(self) -> str: ...
    async def run(self, channel: Channel) -> None: ...


@dataclass(frozen=True, slots=True)
class Order:
    work: Work
    log_level: str
    log_format: str = "text"


class Child:
    """``answer`` is what it is told when it asks; ``died`` is called when it ended unasked, before the next one begins.

    One that does not answer for ``still_s`` is killed; 0 waits for ever.
    """

    def __init__(
        self, order: Order, *, answer: Callable[[], Awaitable[bytes]], died: Callable[["Child"], None], still_s: float = 0.0
    ) -> None:
        self._name, self._order, self._still_s = order.work.name, pickle.dumps(order), still_s
        self._answer, self._died = answer, died
        self._stopping = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._channel: Channel | None = None
        self.ready = asyncio.Event()
        self.last = b""
        """Its numbers, as it last said them."""
        self._keeping = asyncio.create_task(self._keep(), name=self._name)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def renew(self, order: Order, settings: bytes) -> None:
        """Tell it its new settings, and whoever comes after it."""
        self._order = pickle.dumps(order)
        if self._channel:
            self._channel.tell(settings)

    async def numbers(self, timeout_s: float) -> bytes:
        """What it counts; what it last said where it does not answer."""
        if self._channel:
            try:
                self.last = await self._channel.ask(timeout_s)
            except TimeoutError:
                logger.warning("%s did not tell its numbers within %.0f s", self._name, timeout_s)
        return self.last

    async def stop(self, timeout_s: float) -> None:
        """Let it finish; kill it where it does not."""
        self._stopping.set()
        if self._channel:
            await self._channel.close()
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(self._keeping)
        except TimeoutError:
            logger.error("%s did not end within %.0f s, and was killed", self._name, timeout_s)
            if self._process:
                self._process.kill()
            await self._keeping

    async def _keep(self) -> None:
        loop, deaths = asyncio.get_running_loop(), 0
        while True:
            began = loop.time()
            try:
                code = await self._live()
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
            except OSError as error:  # a machine without room for a process may have some later
                how = str(error)
            if self._stopping.is_set():
                return
            deaths = 0 if loop.time() - began > STEADY_S else deaths
            pause = RESTART_PAUSE_S[min(deaths, len(RESTART_PAUSE_S) - 1)]
            deaths += 1
            logger.error("%s ended unasked (%s); a new one begins in %.1f s", self._name, how, pause)
            self._died(self)
            self.last = b""
            try:
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            except TimeoutError:
                continue
            return

    async def _live(self) -> int:
        """From its beginning to its end; the exit code."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = (sys.executable, "-m", "streamer.workers", *self._name.split())
            self._process = await asyncio.create_subprocess_exec(*command, stdin=theirs.fileno())
        with suppress(BrokenPipeError):  # where it is dead already, its exit code tells
            ours.sendall(len(self._order).to_bytes(LENGTH_BYTES, "big") + self._order)
        self._channel = await Channel.over(ours)
        self._channel.answer = self._answer
        if self._stopping.is_set():
            await self._channel.close()
        tasks = [asyncio.create_task(work) for work in (self._pass_ready(self._channel), self._watch(self._channel, self._process))]
        code = await self._process.wait()
        for task in tasks:
            task.cancel()
        await self._channel.close()
        self._channel = None
        return code

    async def _watch(self, channel: Channel, process: asyncio.subprocess.Process) -> None:
        bound = STARTING_S
        while self._still_s:
            try:
                await channel.ask(bound)
            except TimeoutError:
                if not channel.ended.is_set():
                    logger.error("%s has not answered for %.0f s, and is killed", self._name, bound)
                    process.kill()
                return
            bound = self._still_s
            await asyncio.sleep(self._still_s / STILL)

    async def _pass_ready(self, channel: Channel) -> None:
        await channel.ready.wait()
        self.ready.set()
