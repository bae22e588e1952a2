"""One client's socket: one task reads it, one task writes to it, and the runner between them does the work.

A message is written where it arises while the socket takes it at once; otherwise it waits for the task that writes. What waits is bounded:
a partial is replaced by a newer one of its segment, and a heartbeat by a newer heartbeat, so a client that reads slowly sees fewer of
them; a client that does not read at all is let go with a reason.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from websockets.exceptions import ConnectionClosed

from streamer.core.events import (
    Closed,
    ErrorSent,
    Heartbeat,
    Input,
    Message,
    ModelInfo,
    Partial,
    Pulse,
    SessionInfo,
    SpeechEnded,
    State,
    Stop,
)
from streamer.core.events import Final as FinalMessage
from streamer.engine.scheduling import Scheduling
from streamer.errors import IdleTimeout, SlowReader
from streamer.judging import Judging
from streamer.metrics import Metrics
from streamer.record import Held, Record
from streamer.runner import OpenDecoder, Runner
from streamer.sockets import Socket
from streamer.wires import Payload, Said, Wire
from streamer.wires.native import MESSAGE_TYPES

logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one server, each with its unit."""

    max_sessions: int = 1_000
    max_message_bytes: int = 1 << 20
    """32 s of 16 kHz audio; a larger frame is closed with 1009."""
    idle_timeout_s: int = 60
    """Without any message; ``keepalive`` counts as one."""
    heartbeat_s: float = 5.0
    backlog_s: float = 60.0
    """Audio a session may be owed before its socket is no longer read."""
    outbox_messages: int = 1_000
    """Results that wait to be written; beyond it the client does not read."""
    stall_s: float = 20.0
    """One write may take this long before the client counts as not reading."""
    drain_s: float = 20.0
    """For open segments to be finished when the server stops."""

    @property
    def told(self) -> Mapping[str, int]:
        """What ``session.created`` says of them."""
        return {"max_message_bytes": self.max_message_bytes, "idle_timeout_s": self.idle_timeout_s}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What every connection of a server shares."""

    judge: Judging
    scheduler: Scheduling
    open_decoder: OpenDecoder
    metrics: Metrics
    limits: Limits
    server: str


class Outbox:
    """Messages that wait to be written, and the close after them."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._messages: deque[Message | Said | Held] = deque()
        self._filled = asyncio.Event()
        self.close: tuple[int, str] | None = None

    def put(self, message: Message | Said | Held) -> bool:
        """Queue a message; False when the client does not read."""
        if isinstance(message, Partial | Heartbeat):
            for n, waiting in enumerate(self._messages):
                if _replaces(message, waiting):
                    self._messages[n] = message
                    return True
        self._messages.append(message)
        self._filled.set()
        return len(self._messages) <= self._bound

    def __len__(self) -> int:
        return len(self._messages)

    def put_close(self, code: int, reason: str) -> None:
        self.close = self.close or (code, reason)
        self._filled.set()

    async def next(self) -> Message | Said | None:
        """The next message; ``None`` when only the close is left. What is being stored is waited for, and so is all behind it."""
        while not self._messages:
            if self.close:
                return None
            self._filled.clear()
            await self._filled.wait()
        first = self._messages[0]
        if not isinstance(first, Held):
            self._messages.popleft()
            return first
        warning = await first.settled()
        self._messages.popleft()
        if warning:
            self._messages.appendleft(warning)
        return first.message


def _replaces(new: Partial | Heartbeat, old: Message | Said | Held) -> bool:
    match new, old:
        case Partial(), Partial():
            return new.segment == old.segment
        case Heartbeat(), Heartbeat():
            return True
        case _:
            return False


class Connection:
    """One client from its handshake to its last message. ``record`` is what is kept of it, if anything is."""

    def __init__(
        self, socket: Socket, wire: Wire, rooms: Rooms, model: ModelInfo, *, session_id: str, record: Record | None = None
    ) -> None:
        self.id = session_id
        self._socket, self._wire, self._rooms = socket, wire, rooms
        self._outbox = Outbox(rooms.limits.outbox_messages)
        self._record = record
        self._ended: dict[int, float] = {}  # when each segment ended, until its final is sent
        self._audio_ms = 0
        self._heard: float | None = None  # since when the reader waits; not while it is at work
        self._idle = self._writing = False
        self.done = asyncio.Event()
        """Set when the last message has been written, or nobody reads any more."""
        self._began = time.monotonic()
        info = SessionInfo(
            session_id=self.id,
            server=rooms.server,
            model=model,
            frame_samples=rooms.judge.frame_samples,
            limits=rooms.limits.told,
            stored=record is not None,
            records=record is not None and record.records,
        )
        self._runner = Runner(
            info,
            judge=rooms.judge,
            scheduler=rooms.scheduler,
            open_decoder=rooms.open_decoder,
            send=self._send,
            close=self._outbox.put_close,
            backlog_s=rooms.limits.backlog_s,
            overhear=record.tape(self._send).hear if record and record.records else None,
        )

    async def run(self) -> None:
        """Serve the client until either side is done. Never raises for what a client does."""
        logger.info("session %s opened from %s", self.id, self._socket.peer)
        works = (self._read, self._write, self._beat, self._until_idle)
        tasks = [asyncio.create_task(work(), name=f"{work.__name__} {self.id}") for work in works]
        try:
            # The writer ends after the last message and the close, or when the client does not read; the reader when the client left.
            await asyncio.wait(tasks[:2], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._runner.gone()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._runner.wait_released()
            self.done.set()
            self._count_audio()
            if self._record:
                self._record.close(self._runner.totals)
            totals = " ".join(f"{name}={value}" for name, value in self._runner.totals.items())
            seconds = time.monotonic() - self._began
            logger.info("session %s closed after %.1f s: code=%s %s", self.id, seconds, self._socket.close_code, totals)

    async def stop(self, reason: str) -> None:
        """The server stops: finish what is open and say goodbye."""
        if self._runner.state in (State.NEW, State.OPEN):
            await self._runner.feed(Stop(reason))

    async def _read(self) -> None:
        try:
            await self._feed(self._wire.open())
            while True:
                self._heard = time.monotonic()
                self._socket.take = self._take
                data = await self._socket.recv()
                self._socket.take = self._heard = None
                if self._idle:
                    break
                await self._feed(self._wire.decode(data))
            await self._until_closed()
        except (ConnectionClosed, ConnectionError):
            return
        except Exception as error:  # noqa: BLE001 - logged and told
            self._runner.fail(error)
            await self._until_closed()

    async def _feed(self, events: Iterable[Input | Said]) -> None:
        for event in events:
            if isinstance(event, Said):
                self._send(event)
            else:
                await self._runner.feed(event)

    def _take(self, data: bytes) -> bool:
        """A binary message while the reader waits for one. Not taken when it may have to wait, which only the reader can."""
        if self._idle or not self._runner.prompt:
            self._heard = None
            return False
        self._heard = time.monotonic()
        try:
            for event in self._wire.decode(data):
                if isinstance(event, Said):
                    self._send(event)
                else:
                    self._runner.take(event)
        except Exception as error:  # noqa: BLE001 - logged and told; the library called us and may not be hurt
            self._runner.fail(error)
        return True

    async def _until_idle(self) -> None:
        """Stop a session whose client says nothing. One timer in a while: a timer for each message would cost more than the message."""
        limit = min(self._rooms.limits.idle_timeout_s, self._wire.idle_timeout_s or float("inf"))
        while True:
            silence = time.monotonic() - self._heard if self._heard is not None else 0.0
            if silence >= limit:
                break
            await asyncio.sleep(limit - silence)
        self._idle = True
        await self._runner.feed(Stop("idle_timeout", IdleTimeout(f"nothing came for {limit:g} s; send audio, or keepalive")))

    async def _until_closed(self) -> None:
        """The reader may not end before the goodbye is written."""
        await asyncio.Event().wait()

    async def _write(self) -> None:
        stall = self._rooms.limits.stall_s
        try:
            while (message := await self._outbox.next()) is not None:
                self._writing = True  # what a message is on the wire stays together
                for payload in self._encoded(message):
                    async with asyncio.timeout(stall):
                        await self._socket.send(payload)
                self._writing = False
                self._count(message)
            assert self._outbox.close
            async with asyncio.timeout(stall):
                await self._socket.close(*self._wire.close(*self._outbox.close))
        except TimeoutError:
            self._let_go(f"a result could not be written for {stall:.0f} s")
        except (ConnectionClosed, ConnectionError):
            return

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._rooms.limits.heartbeat_s)
            self._runner.receive(Pulse(self._rooms.scheduler.queued_ms))
            self._count_audio()

    def _encoded(self, message: Message | Said) -> Iterable[Payload]:
        return (message.payload,) if isinstance(message, Said) else self._wire.encode(message)

    def _send(self, message: Message | Said) -> None:
        if isinstance(message, SpeechEnded):
            self._ended[message.segment] = time.monotonic()
        held = self._record.keep(message) if self._record else None
        if not held and not self._writing and not self._outbox and self._socket.ready:
            for payload in self._encoded(message):
                self._socket.push(payload)
            self._count(message)
            return
        if not self._outbox.put(held or message) and not self._outbox.close:
            self._let_go(f"{self._rooms.limits.outbox_messages} results wait to be read")

    def _let_go(self, why: str) -> None:
        """The client does not read: telling it more would only fill memory."""
        error = SlowReader(f"the client does not read its results: {why}")
        logger.warning("session %s: %s", self.id, error)
        self._rooms.metrics.errors.labels(error.code).inc()
        self._outbox.put_close(1008, error.code)
        self._socket.abort()

    def _count(self, message: Message | Said) -> None:
        if isinstance(message, Said):
            return
        metrics = self._rooms.metrics
        metrics.messages.labels(MESSAGE_TYPES[type(message)]).inc()
        match message:
            case FinalMessage(segment=segment) if segment in self._ended:
                metrics.final_lag.observe(time.monotonic() - self._ended.pop(segment))
            case ErrorSent(code=code, segment=segment):
                metrics.errors.labels(code).inc()
                self._ended.pop(-1 if segment is None else segment, None)
            case Closed():
                self._count_audio()
            case _:
                pass

    def _count_audio(self) -> None:
        audio_ms = self._runner.totals["audio_ms"]
        self._rooms.metrics.audio.inc((audio_ms - self._audio_ms) / 1000)
        self._audio_ms = audio_ms
