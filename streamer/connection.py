"""One client: one task reads its socket, one task writes to it, and the runner between them does the work.

A message is written where it arises while the socket takes it at once; otherwise it waits for the task that writes. What waits is bounded:
a partial is replaced by a newer one of its segment, and a heartbeat by a newer heartbeat, so a client that reads slowly sees fewer of
them; a client that does not read at all is let go with a reason. A client that asked for it may lose its socket and go on with another:
what it sent is counted, and what it was sent is kept until a pong proves that it has arrived.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from websockets.exceptions import ConnectionClosed

from streamer.calls import Calls, Telling
from streamer.core.events import (
    Closed,
    ErrorSent,
    Input,
    Message,
    ModelInfo,
    Pulse,
    Rejected,
    SessionConfigured,
    SessionCreated,
    SessionInfo,
    SessionResumed,
    SpeechEnded,
    State,
    Stop,
)
from streamer.core.events import Final as FinalMessage
from streamer.engine.scheduling import Scheduling
from streamer.errors import IdleTimeout, InternalError, SlowReader
from streamer.judging import Judging
from streamer.metrics import Metrics
from streamer.outbox import REPLACED, Outbox, Unconfirmed
from streamer.returning import Return
from streamer.runner import OpenDecoder, Runner
from streamer.seats import Seat, Seats
from streamer.sockets import ABNORMAL, Socket
from streamer.wires import Payload, Said, Wire
from streamer.wires.native import MESSAGE_TYPES

logger: Final = logging.getLogger(__name__)

CONFIRM_S: Final = 60.0  # for a pong; a client that needs longer is told again what it may have seen


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
    max_followers: int = 1_000
    """Sockets that follow calls."""
    outbox_messages: int = 1_000
    """Results that wait to be written; beyond it the client does not read."""
    stall_s: float = 20.0
    """One write may take this long before the client counts as not reading."""
    resume_s: float = 30.0
    """For a client whose socket was lost to come back to its session, where it has asked for that."""
    drain_s: float = 20.0
    """For open segments to be finished when the server stops."""

    @property
    def told(self) -> Mapping[str, int]:
        """What ``session.created`` says of them."""
        return {
            "max_message_bytes": self.max_message_bytes,
            "idle_timeout_s": self.idle_timeout_s,
            "resume_window_s": int(self.resume_s),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What every connection of a server shares."""

    judge: Judging
    scheduler: Scheduling
    open_decoder: OpenDecoder
    metrics: Metrics
    calls: Calls
    limits: Limits
    server: str


class Connection:
    """One client from its handshake to its last message."""

    def __init__(self, socket: Socket, wire: Wire, rooms: Rooms, model: ModelInfo, *, session_id: str) -> None:
        self.id = session_id
        self.resume_token = secrets.token_urlsafe() if wire.resumable else None
        self._socket, self._wire, self._rooms = socket, wire, rooms
        self._outbox = Outbox(rooms.limits.outbox_messages)
        self._unconfirmed = Unconfirmed(rooms.limits.outbox_messages)
        self._confirming: asyncio.Task[None] | None = None
        self._resumes = False  # the client has asked for it
        self._alone = False  # nobody will read any more
        self._seats = Seats()
        self._ended: dict[int, float] = {}  # when each segment ended, until its final is sent
        self._telling: Telling | None = None
        self._created: SessionCreated | None = None
        self._audio_ms = self._received_bytes = self._received_messages = 0
        self._heard: float | None = None  # since when the reader waits; not while it is at work
        self._idle = self._writing = False
        self._over = asyncio.Event()  # the session is
        self.done = asyncio.Event()
        """Set when the last message has been written, or nobody reads any more."""
        self._began = time.monotonic()
        info = SessionInfo(
            session_id=self.id,
            server=rooms.server,
            model=model,
            frame_samples=rooms.judge.frame_samples,
            limits=rooms.limits.told,
            resume_token=self.resume_token,
        )
        self._runner = Runner(
            info,
            judge=rooms.judge,
            scheduler=rooms.scheduler,
            open_decoder=rooms.open_decoder,
            send=self._send,
            close=self._close,
            backlog_s=rooms.limits.backlog_s,
        )

    async def run(self) -> None:
        """Serve the client until either side is done, over as many sockets as it takes. Never raises for what a client does."""
        logger.info("session %s opened from %s", self.id, self._socket.peer)
        tasks = [asyncio.create_task(work(), name=f"{work.__name__} {self.id}") for work in (self._beat, self._until_idle)]
        try:
            seat: Seat | None = Seat(self._socket)
            lost = False
            while seat:
                lost = await self._sit(seat)
                seat = await self._return() if lost else None
            if lost or self._wire.finishes or self._telling:
                await self._finish_alone()
        finally:
            self._alone = True
            self._seats.close()
            self._runner.gone()
            if self._telling:
                self._telling.leave()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._runner.wait_released()
            self.done.set()
            self._count_audio()
            totals = " ".join(f"{name}={value}" for name, value in self._runner.totals.items())
            seconds = time.monotonic() - self._began
            logger.info("session %s closed after %.1f s: code=%s %s", self.id, seconds, self._socket.close_code, totals)

    def why_not(self, back: Return) -> str | None:
        """Why a client that asks to come back cannot; ``None`` where it can."""
        if not self._resumes or self._alone:
            return "its session has not asked for `resume`, or has ended"
        if back.subprotocol != self._wire.subprotocol:
            return f"its session speaks {self._wire.subprotocol or 'json'}; come back with the same subprotocol"
        return None if self._unconfirmed.reaches(back.after) else "it has missed more than is kept"

    async def come_back(self, socket: Socket, after: int) -> None:
        """Go on with another socket, until that one is done too. The one before may not know yet that it is lost."""
        seat = Seat(socket, after)
        self._seats.offer(seat)
        if self._socket.close_code is None:
            self._socket.abort()
        await seat.done.wait()

    async def _sit(self, seat: Seat) -> bool:
        """Serve one socket to its end. Whether it was lost, and its client may come back."""
        self._socket = seat.socket
        missed = [] if seat.after is None else self._missed(seat.after)
        self._writing = bool(missed)  # before all that is said from here on
        reading, writing = (asyncio.create_task(work, name=f"{self.id}") for work in (self._read(seat), self._write(missed)))
        try:
            # The writer ends after the last message and the close, or when the client does not read; the reader when the client left.
            await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
            if reading.done() and not reading.result():
                await writing
            lost = self._resumes and self._socket.close_code == ABNORMAL and not self._alone
            if lost:
                await reading  # what has arrived is heard before its client is told how much that is
            return lost
        finally:
            for task in (reading, writing):
                task.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)
            seat.done.set()

    def _missed(self, after: int) -> list[Payload]:
        resumed = SessionResumed(
            session_id=self.id, after=after, received_bytes=self._received_bytes, received_messages=self._received_messages
        )
        logger.info("session %s goes on from %s", self.id, self._socket.peer)
        self._rooms.metrics.resumed.inc()
        return [*self._wire.encode(resumed), *self._unconfirmed.after(after)]

    async def _return(self) -> Seat | None:
        """The client's next socket; ``None`` where it does not come back in time, or the server stops."""
        self._heard = None
        window = self._rooms.limits.resume_s
        logger.info("session %s lost its client, who may come back within %.0f s", self.id, window)
        with self._rooms.metrics.detached.track_inprogress():
            return await self._seats.next(window)

    async def _finish_alone(self) -> None:
        """What was said is still settled, for those who follow the session or keep it."""
        self._alone = True
        with suppress(TimeoutError):
            async with asyncio.timeout(self._rooms.limits.drain_s):
                await self._end(Stop("gone"))
                await self._over.wait()

    async def stop(self, reason: str) -> None:
        """The server stops: finish what is open and say goodbye."""
        await self._end(Stop(reason))
        self._seats.close()

    async def abandon(self, wait_s: float) -> None:
        """The server waits no longer: say so, and be done within about ``wait_s``, whatever client and engine do."""
        limit = self._rooms.limits.drain_s
        text = f"the server stops, and what was said could not be finished within {limit:g} s; begin a new session, and say it again"
        self._runner.receive(Rejected(InternalError(text)))
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self.done.wait()
                return
        self._alone = True
        self._socket.abort()

    async def _end(self, stop: Stop) -> None:
        """Once: what the wire still held back is heard before."""
        if self._runner.state in (State.NEW, State.OPEN):
            await self._feed((*self._wire.rest(), stop))

    async def _read(self, seat: Seat) -> bool:
        """Until the client has left, or (False) is not listened to any more."""
        try:
            if seat.after is None:
                await self._feed(self._wire.open())
            while True:
                self._heard = time.monotonic()
                self._socket.take = self._take
                data = await self._socket.recv()
                self._socket.take = self._heard = None
                if self._idle:
                    return False
                self._count_received(data)
                await self._feed(self._wire.decode(data))
        except EOFError:  # what was said is answered all the same: the client may have closed its own half only
            self._heard = None
            await self._end(Stop("stop"))
            return False
        except (ConnectionClosed, ConnectionError):
            return True
        except Exception as error:  # noqa: BLE001 - logged and told
            self._runner.fail(error)
            return False

    def _count_received(self, data: Payload) -> None:
        if isinstance(data, bytes):
            self._received_bytes += len(data)
        else:
            self._received_messages += 1

    async def _feed(self, events: Iterable[Input | Said]) -> None:
        for event in events:
            if isinstance(event, Said):
                self._send(event)
            else:
                await self._runner.feed(event)

    def _take(self, data: bytes) -> bool:
        """A binary message while the reader waits for one. Not taken when it may have to wait, which only the reader can."""
        if self._idle or self._wire.holds or not self._runner.prompt:
            self._heard = None
            return False
        self._heard = time.monotonic()
        self._received_bytes += len(data)
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
        error = IdleTimeout(f"nothing came for {limit:g} s; send audio, or keepalive")
        await self._end(Stop("idle_timeout", error))

    async def _write(self, missed: Sequence[Payload]) -> None:
        stall = self._rooms.limits.stall_s
        try:
            for payload in missed:
                async with asyncio.timeout(stall):
                    await self._socket.send(payload)
            self._writing = False
            while (message := await self._outbox.next()) is not None:
                self._writing = True  # what a message is on the wire stays together
                for payload in self._encoded(message):
                    async with asyncio.timeout(stall):
                        await self._socket.send(payload)
                self._writing = False
                self._count(message)
            assert self._outbox.close
            if self._wire.client_closes_s:
                await asyncio.sleep(self._wire.client_closes_s)  # cut short by a client that closes, as then the reader ends
            async with asyncio.timeout(stall):
                await self._socket.close(*self._wire.close(*self._outbox.close))
        except TimeoutError:
            self._let_go(f"a result could not be written for {stall:.0f} s")
        except (ConnectionClosed, ConnectionError):
            return

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._rooms.limits.heartbeat_s)
            self._runner.receive(Pulse(self._rooms.scheduler.queued_ms, self._received_bytes, self._received_messages))
            self._count_audio()
            if self._resumes and (self._confirming is None or self._confirming.done()):
                self._confirming = asyncio.create_task(self._confirm(), name=f"confirm {self.id}")

    async def _confirm(self) -> None:
        """What was written before a ping has arrived when its pong comes."""
        number = self._wire.number
        with suppress(ConnectionClosed, ConnectionError):
            async with asyncio.timeout(CONFIRM_S):
                await self._socket.confirm()
            self._unconfirmed.confirm(number)

    def _encoded(self, message: Message | Said) -> Iterable[Payload]:
        if isinstance(message, Said):
            return (message.written(),)
        if not self._resumes or isinstance(message, REPLACED):
            return self._wire.encode(message)
        payloads = tuple(self._wire.encode(message))
        for payload in payloads:
            self._unconfirmed.add(self._wire.number, payload)
        return payloads

    def _close(self, code: int, reason: str) -> None:
        self._outbox.put_close(code, reason)
        self._over.set()

    def _send(self, message: Message | Said) -> None:
        if not isinstance(message, Said):
            self._tell(message)
        if isinstance(message, SessionConfigured):
            self._resumes = self._wire.resumable and message.settings.resume
        if isinstance(message, SpeechEnded):
            self._ended[message.segment] = time.monotonic()
        if self._alone:
            self._count(message)
            return
        if not self._writing and not self._outbox and self._socket.close_code is None and self._socket.ready:
            for payload in self._encoded(message):
                self._socket.push(payload)
            self._count(message)
            return
        if not self._outbox.put(message) and not self._outbox.close:
            self._let_go(f"{self._rooms.limits.outbox_messages} results wait to be read")

    def _tell(self, message: Message) -> None:
        """To whoever follows, once it is known whose call this is."""
        if isinstance(message, SessionCreated):
            self._created = message
        if not self._telling and self._wire.call:
            self._telling = self._rooms.calls.join(self._wire.call, self.id)
            if self._created and self._created is not message:
                self._telling.tell(self._created)
        if self._telling:
            self._telling.tell(message)

    def _let_go(self, why: str) -> None:
        """The client does not read: telling it more would only fill memory."""
        error = SlowReader(f"the client does not read its results: {why}")
        logger.warning("session %s: %s", self.id, error)
        self._rooms.metrics.errors.labels(error.code).inc()
        self._alone = True
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
