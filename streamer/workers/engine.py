"""An engine process: one scheduler with its thread and its model, for the jobs of all gateways.

Its loop and the thread that feeds the device share one interpreter's lock, so everything here is done for many jobs at a time: one
read brings many, one wake-up delivers a batch's answers, one write carries them to a gateway.
"""

import asyncio
import logging
import os
import socket
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from streamer.core.events import Answer, Failed, Samples
from streamer.engine import Engine
from streamer.engine.rows import Reader, RowEngine
from streamer.engine.scheduler import HUNG_S, Health, Scheduler
from streamer.metrics import EngineMetrics
from streamer.workers.arena import mapped
from streamer.workers.channel import Channel
from streamer.workers.messages import Kind, Messages, job_of, pack, pack_answer, pack_info, pack_warm_up

logger: Final = logging.getLogger(__name__)

GREETING_S: Final = 5.0  # for a gateway that connects to send its arena
SWITCH_S: Final = 0.0005  # the loop waits at the most so long for the lock; Python's own 5 ms are as long as a forward
BACKLOG: Final = 1024
ACCEPT_PAUSE_S: Final = 0.5
EXIT_HUNG: Final = 75  # EX_TEMPFAIL of sysexits.h


class Outbox:
    """Calls from the scheduler's thread, made together on the loop; afterwards who has something to write writes it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: deque[Callable[[], None]] = deque()
        self._waking = False
        self.filled: set[Link] = set()

    def deliver(self, call: Callable[[], None]) -> None:
        self._calls.append(call)
        if not self._waking:
            self._waking = True
            self._loop.call_soon_threadsafe(self._empty)

    def _empty(self) -> None:
        self._waking = False  # before the calls: one that is added behind our back wakes us again
        while self._calls:
            self._calls.popleft()()
        for link in self.filled:
            link.flush()
        self.filled.clear()


class Link(asyncio.Protocol):
    """One gateway, whose jobs' audio lies in ``arena``."""

    def __init__(self, host: "EngineHost", arena: Samples) -> None:
        self._host, self._arena = host, arena
        self._messages = Messages()
        self._out: list[bytes] = []
        self._sessions: set[str] = set()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's do not inherit
        self._host.links.add(self)
        self.send_state()

    def connection_lost(self, exc: Exception | None) -> None:
        """The gateway is gone, and with it everybody it spoke for."""
        self._transport = None
        self._host.links.discard(self)
        self._host.changed.set()
        for session in self._sessions:
            self._host.scheduler.discard(session)

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._messages.feed(data):
                self._receive(message)
        except (ValueError, TypeError, LookupError) as error:
            logger.error("a gateway said what cannot be understood, and was let go", exc_info=error)
            if self._transport:
                self._transport.abort()

    def send_state(self) -> None:
        if self._transport:
            self._transport.write(self._host.state())

    def flush(self) -> None:
        if self._transport:
            self._out.append(self._host.load())
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _receive(self, message: tuple[Any, ...]) -> None:
        scheduler = self._host.scheduler
        kind = message[0]
        if kind == Kind.JOB:
            job = job_of(message, self._arena)
            self._sessions.add(job.session)
            scheduler.submit(job, partial(self._answered, message[1]))
        elif kind == Kind.PROMOTE:
            scheduler.promote(message[1], message[2])
        elif kind == Kind.DISCARD:
            scheduler.discard(message[1], message[2])
            if message[2] is None:
                self._sessions.discard(message[1])
        else:
            raise ValueError(f"{kind} is no kind of message to an engine")

    def _answered(self, number: int, answer: Answer) -> None:
        try:
            data = pack_answer(number, answer)
        except (TypeError, ValueError, OverflowError) as error:  # an engine's fault, and others' answers come in the same call
            logger.error("an answer cannot be sent", exc_info=error)
            data = pack_answer(number, Failed(answer.job, f"its answer cannot be sent: {error}"))
        self._out.append(data)
        self._host.outbox.filled.add(self)


class EngineHost:
    """The scheduler, and the gateways that are connected to it."""

    def __init__(self, build: Callable[[], Engine], hung_s: float) -> None:
        self._build = build
        self._reader: Reader | None = None
        self.metrics = EngineMetrics()
        self.outbox = Outbox(asyncio.get_running_loop())
        self.scheduler = Scheduler(self._built, deliver=self.outbox.deliver, observe=self.metrics.batch, hung_s=hung_s, hung=_die)
        self.scheduler.on_health(self._health_changed)
        self.metrics.queue.set_function(lambda: self.scheduler.queued_ms / 1000)
        self.links: set[Link] = set()
        self.changed = asyncio.Event()
        """Pulsed when a gateway has left."""

    async def accept(self, listener: socket.socket) -> None:
        """Take gateways in, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                gateway, _ = await loop.sock_accept(listener)
            except OSError as error:  # too many open files, for one; some may be closed later
                logger.error("no gateway can be taken in: %s", error)
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            try:
                arena = await asyncio.to_thread(_greeting, gateway)
                gateway.setblocking(False)
                await loop.connect_accepted_socket(partial(Link, self, arena), gateway)
            except (OSError, ValueError) as error:
                logger.warning("a gateway left before it had said anything: %s", error)
                gateway.close()

    def state(self) -> bytes:
        scheduler, failure = self.scheduler, self.scheduler.failure
        folder = str(self._reader.folder) if self._reader else None
        told = (pack_info(scheduler.info), pack_warm_up(scheduler.warm_up), str(failure) if failure else None, folder)
        return pack(Kind.STATE, scheduler.health.value, *told)

    def load(self) -> bytes:
        return pack(Kind.LOAD, self.scheduler.queued_ms, self.scheduler.queued_jobs, self.scheduler.delay_s)

    async def until_left(self) -> None:
        """Until no gateway is connected."""
        while self.links:
            self.changed.clear()
            await self.changed.wait()

    def _built(self) -> Engine:
        """In the scheduler's thread. Reading is left to the gateways where there is something to be read."""
        engine = self._build()
        if isinstance(engine, RowEngine):
            engine.reader.postponed = True
            self._reader = engine.reader
        return engine

    def _health_changed(self, health: Health) -> None:
        logger.info("the engine is %s", health.value)
        self.metrics.health_changed(health)
        for link in self.links:
            link.send_state()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineWork:
    """What an engine process is told to do. ``build`` is called in the thread that will own the engine."""

    name: str
    build: Callable[[], Engine]
    path: Path
    leave_s: float
    """For the gateways to leave once the supervisor has."""
    hung_s: float = HUNG_S

    async def run(self, channel: Channel) -> None:
        sys.setswitchinterval(SWITCH_S)
        host = EngineHost(self.build, self.hung_s)

        async def exposition() -> bytes:
            return host.metrics.exposition()

        channel.answer = exposition
        self.path.unlink(missing_ok=True)  # of the one before
        with socket.socket(socket.AF_UNIX) as listener:
            listener.setblocking(False)
            listener.bind(str(self.path))
            listener.listen(BACKLOG)
            accepting = asyncio.create_task(host.accept(listener))
            host.scheduler.start()
            await channel.ended.wait()
            try:
                async with asyncio.timeout(self.leave_s):
                    await host.until_left()
            except TimeoutError:
                logger.warning("%d gateways had not left %.0f s after the supervisor", len(host.links), self.leave_s)
            accepting.cancel()
        await asyncio.to_thread(host.scheduler.close)


def _die() -> None:
    """A thread that hangs in a device's driver takes a process with it sooner or later. The supervisor begins another."""
    os._exit(EXIT_HUNG)


def _greeting(gateway: socket.socket) -> Samples:
    """The arena that a gateway sends first. Blocks."""
    gateway.settimeout(GREETING_S)
    _, files, _, _ = socket.recv_fds(gateway, 1, 1)
    if not files:
        raise ValueError("no arena came along")
    return mapped(files[0])
