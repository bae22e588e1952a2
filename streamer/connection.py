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
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from websockets.exceptions import ConnectionClosed

from streamer.access.seats import Seat
from streamer.calls import Calls, Telling
from streamer.core.events import (
    GoingAway,
    Input,
    Message,
    ModelInfo,
    Pulse,
    Rejected,
    SessionConfigured,
    SessionCreated,
    SessionInfo,
    SessionResumed,
    State,
    Stop,
)
from streamer.engine.scheduling import Scheduling
from streamer.errors import IdleTimeout, InternalError, SessionError, SessionTooLong, SlowReader
from streamer.judging import Judging
from streamer.limits import Limits
from streamer.metrics import Metrics
from streamer.numbers import Numbers
from streamer.outbox import REPLACED, Outbox, Unconfirmed
from streamer.record import Held, Record
from streamer.runner import OpenDecoder, Runner
from streamer.sockets import ABNORMAL, Socket
from streamer.visits import Visit, Visits
from streamer.wires import Back, Payload, Said, Wire

logger: Final = logging.getLogger(__name__)

BURST_S: Final = 5.0  # of messages at the allowed rate may come at once
CONFIRM_S: Final = 60.0  # for a pong; a client that needs longer is told again what it may have seen


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
    """One client from its handshake to its last message. ``record`` is what is kept of it, if anything is."""

    def __init__(
        self,
        socket: Socket,
        wire: Wire,
        rooms: Rooms,
        model: ModelInfo,
        *,
        session_id: str,
        wire_name: str,
        seat: Seat | None = None,
        record: Record | None = None,
    ) -> None:
        self.id = session_id
        self.resume_token = secrets.token_urlsafe() if wire.resumable else None
        self._seat = seat
        self._socket, self._wire, self._rooms = socket, wire, rooms
        self._outbox = Outbox(rooms.limits.outbox_messages)
        self._unconfirmed = Unconfirmed(rooms.limits.outbox_messages)
        self._confirming: asyncio.Task[None] | None = None
        self._resumes = False  # the client has asked for it
        self._alone = False  # nobody will read any more
        self._visits = Visits()
        self._record = record
        known = {"session": session_id, "wire": wire_name, "peer": socket.peer, **({"key": seat.name} if seat and seat.name else {})}
        self._numbers = Numbers(rooms.metrics, known)
        self._telling: Telling | None = None
        self._created: SessionCreated | None = None
        self._received_bytes = self._received_messages = 0
        self._heard: float | None = None  # since when the reader waits; not while it is at work
        self._ending = self._writing = False  # ending: nothing the client says counts any more
        self._paid_until = 0.0  # for the messages that have come, at the allowed rate
        self._over = asyncio.Event()  # the session is
        self.done = asyncio.Event()
        """Set when the last message has been written, or nobody reads any more."""
        info = SessionInfo(
            session_id=self.id,
            server=rooms.server,
            model=model,
            frame_samples=rooms.judge.frame_samples,
            limits=rooms.limits.told,
            resume_token=self.resume_token,
            stored=record is not None,
            records=record is not None and record.records,
        )
        self._runner = Runner(
            info,
            judge=rooms.judge,
            scheduler=rooms.scheduler,
            open_decoder=rooms.open_decoder,
            send=self._send,
            close=self._close,
            backlog_s=rooms.limits.backlog_s,
            overhear=record.tape(self._send).hear if record and record.records else None,
        )

    async def run(self) -> None:
        """Serve the client until either side is done, over as many sockets as it takes. Never raises for what a client does."""
        works = (self._beat, self._until_idle, self._until_too_long)
        tasks = [asyncio.create_task(work(), name=f"{work.__name__} {self.id}") for work in works]
        try:
            visit: Visit | None = Visit(self._socket)
            lost = False
            while visit:
                lost = await self._receive(visit)
                visit = await self._return() if lost else None
            if lost or self._wire.finishes or self._telling or self._record:
                await self._finish_alone()
        finally:
            self._alone = True
            self._visits.close()
            self._runner.gone()
            if self._telling:
                await self._telling.leave()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._runner.wait_released()
            self.done.set()
            if self._record:
                self._record.close(self._runner.totals)
            self._numbers.report(self._socket.close_code, self._runner.totals)
            if self._seat:
                self._seat.fault(self._numbers.audio_ms)  # what came since the last heartbeat counts too

    def why_not(self, back: Back) -> str | None:
        """Why a client that asks to come back cannot; ``None`` where it can."""
        if not self._resumes or self._alone:
            return "its session has not asked for `resume`, or has ended"
        if back.subprotocol != self._wire.subprotocol:
            return f"its session speaks {self._wire.subprotocol or 'json'}; come back with the same subprotocol"
        return None if self._unconfirmed.reaches(back.after) else "it has missed more than is kept"

    async def come_back(self, socket: Socket, after: int) -> None:
        """Go on with another socket, until that one is done too. The one before may not know yet that it is lost."""
        visit = Visit(socket, after)
        self._visits.offer(visit)
        if self._socket.close_code is None:
            self._socket.abort()
        await visit.done.wait()

    async def _receive(self, visit: Visit) -> bool:
        """Serve one socket to its end. Whether it was lost, and its client may come back."""
        self._socket = visit.socket
        missed = [] if visit.after is None else self._missed(visit.after)
        self._writing = bool(missed)  # before all that is said from here on
        reading, writing = (asyncio.create_task(work, name=f"{self.id}") for work in (self._read(visit), self._write(missed)))
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
            visit.done.set()

    def _missed(self, after: int) -> list[Payload]:
        resumed = SessionResumed(
            session_id=self.id, after=after, received_bytes=self._received_bytes, received_messages=self._received_messages
        )
        logger.info("session %s goes on from %s", self.id, self._socket.peer)
        self._rooms.metrics.resumed.inc()
        return [*self._wire.encode(resumed), *self._unconfirmed.after(after)]

    async def _return(self) -> Visit | None:
        """The client's next socket; ``None`` where it does not come back in time, or the server stops."""
        self._heard = None
        window = self._rooms.limits.resume_s
        logger.info("session %s lost its client, who may come back within %.0f s", self.id, window)
        with self._rooms.metrics.detached.track_inprogress():
            return await self._visits.next(window)

    async def _finish_alone(self) -> None:
        """What was said is still settled, for those who follow the session or keep it."""
        self._alone = True
        with suppress(TimeoutError):
            async with asyncio.timeout(self._rooms.limits.drain_s):
                await self._end(Stop("gone"))
                await self._over.wait()

    def announce_end(self, seconds: float) -> None:
        """The server stops in so many seconds."""
        if self._runner.state in (State.NEW, State.OPEN):
            self._send(GoingAway(seconds=seconds))

    async def stop(self, reason: str) -> None:
        """The server stops: finish what is open and say goodbye."""
        await self._end(Stop(reason))
        self._visits.close()

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

    async def _read(self, visit: Visit) -> bool:
        """Until the client has left, or (False) is not listened to any more."""
        try:
            if visit.after is None:
                await self._feed(self._wire.open())
            while True:
                self._heard = time.monotonic()
                self._socket.take = self._take
                data = await self._socket.recv()
                self._socket.take = self._heard = None
                if self._ending:
                    return False
                self._count_received(data)
                if (ahead := self._pay(time.monotonic())) > 0:
                    await asyncio.sleep(ahead)
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

    def _pay(self, now: float) -> float:
        """One message more. How many seconds the client is ahead of what it may send."""
        self._paid_until = max(self._paid_until, now) + 1 / self._rooms.limits.messages_per_s
        return self._paid_until - now - BURST_S

    async def _feed(self, events: Iterable[Input | Said]) -> None:
        for event in events:
            if isinstance(event, Said):
                self._send(event)
            else:
                await self._runner.feed(event)

    def _take(self, data: Payload) -> bool:
        """A message while the reader waits for one. Not taken when it may have to wait, which only the reader can."""
        now = time.monotonic()
        if self._ending or self._wire.holds or not self._runner.prompt or self._paid_until - now > BURST_S:
            self._heard = None
            return False
        self._heard = now
        self._pay(now)
        self._count_received(data)
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
        await self._turn_away(IdleTimeout(f"nothing came for {limit:g} s; send audio, or keepalive"))

    async def _until_too_long(self) -> None:
        if limit := self._rooms.limits.max_session_s:
            await asyncio.sleep(limit)
            await self._turn_away(SessionTooLong(f"the session has lasted {limit} s, the longest that this server allows; open another"))

    async def _turn_away(self, error: SessionError) -> None:
        """Hear no more of the client, finish what is open, and say why."""
        self._ending = True
        await self._end(Stop(error.code, error))

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
            self._numbers.heard(self._runner.totals["audio_ms"])
            self._rooms.metrics.owed.observe(self._runner.owed_s)
            if self._seat and self._runner.state in (State.NEW, State.OPEN) and (fault := self._seat.fault(self._numbers.audio_ms)):
                await self._turn_away(fault)
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
        held = self._record.keep(message) if self._record else None
        if not isinstance(message, Said):
            self._tell(message, held)
            self._numbers.arose(message)
        if isinstance(message, SessionConfigured):
            self._resumes = self._wire.resumable and message.settings.resume
        if self._alone:
            self._count(message)
            return
        if not held and not self._writing and not self._outbox and self._socket.close_code is None and self._socket.ready:
            for payload in self._encoded(message):
                self._socket.push(payload)
            self._count(message)
            return
        if not self._outbox.put(held or message) and not self._outbox.close:
            self._let_go(f"{self._rooms.limits.outbox_messages} results wait to be read")

    def _tell(self, message: Message, held: Held | None) -> None:
        """To whoever follows, once it is known whose call this is."""
        if isinstance(message, SessionCreated):
            self._created = message
        if not self._telling and self._wire.call:
            self._telling = self._rooms.calls.join(self._wire.call, self.id)
            if self._created and self._created is not message:
                self._telling.tell(self._created)
        if self._telling:
            self._telling.tell(held or message)

    def _let_go(self, why: str) -> None:
        """The client does not read: telling it more would only fill memory."""
        error = SlowReader(f"the client does not read its results: {why}")
        logger.warning("session %s: %s", self.id, error)
        self._rooms.metrics.errors.labels(error.code).inc()
        self._alone = True
        self._outbox.put_close(error.close_code, error.code)
        self._socket.abort()

    def _count(self, message: Message | Said) -> None:
        if not isinstance(message, Said):
            self._numbers.sent(message)
