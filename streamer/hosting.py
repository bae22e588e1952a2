"""Everybody who is in: sessions on sockets and streams, voices that share a socket, followers of calls. Their coming, and their end."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from streamer import __version__
from streamer.access.guard import Asked, Denied, Guard
from streamer.access.seats import Seat
from streamer.calls import Calls
from streamer.company import Company
from streamer.connection import Connection, Rooms
from streamer.direct import DirectConnection
from streamer.engine.scheduling import Scheduling
from streamer.follower import Follower
from streamer.handshakes import for_a_wire, read_handshake, without_request
from streamer.judging import Batched
from streamer.keeper import Keeper
from streamer.limits import Limits
from streamer.media import ContainerDecoder
from streamer.metrics import Metrics
from streamer.returning import NOWHERE
from streamer.sockets import Socket, TcpSocket
from streamer.voice import Voice
from streamer.voices import Refusal, Voices
from streamer.wires import Back, Follows, Route, SharedWire, Wire

logger: Final = logging.getLogger(__name__)

GOODBYE_S: Final = 2.0  # for followers to be told that their calls have ended, and clients that what they said could not be finished
TOLD_S: Final = 10.0  # for a client on a plain stream to be told why it is not let in
TRY_AGAIN_LATER: Final = 1013  # a WebSocket's close code


class Hosting:
    """``limits`` may be replaced: they hold for who comes from then on. ``refusal`` says why nobody is let in, where that is so."""

    def __init__(
        self,
        scheduler: Scheduling,
        judging: Batched,
        *,
        limits: Limits,
        metrics: Metrics,
        company: Company,
        guard: Guard,
        keeper: Keeper | None,
        refusal: Callable[[], Refusal | None],
    ) -> None:
        self._scheduler, self._judging, self._keeper = scheduler, judging, keeper
        self.limits, self._metrics, self._company, self._guard, self._refusal = limits, metrics, company, guard, refusal
        self.calls = Calls()
        self.connections: set[Connection] = set()
        self.shared: set[Voices] = set()
        self.following: set[asyncio.Task[None]] = set()
        self._coming: set[DirectConnection] = set()  # let in, and not served yet: their handshake is being answered
        self.streams: dict[asyncio.Task[None], TcpSocket] = {}
        self._resumable: dict[str, Connection] = {}
        metrics.sessions.set_function(lambda: len(self.connections))
        metrics.most_sessions.set_function(lambda: self.limits.max_sessions)
        metrics.followers.set_function(lambda: len(self.following))

    @property
    def sessions(self) -> int:
        """What counts against the bound, of all processes."""
        return max(self._count(), len(self.shared))

    def _count(self) -> int:
        return self._company.sessions(len(self.connections) + len(self._coming))

    def expect(self, socket: DirectConnection) -> bool:
        """Count the session of a client who is let in, from now on; unless there would be more than there may be."""
        self._coming.add(socket)
        if self.sessions > self.limits.max_sessions:  # counted first: others who share the bound look at the same moment
            self._come(socket)
            return False
        socket.gone = partial(self._come, socket)
        return True

    def _come(self, socket: DirectConnection) -> None:
        """It has its session, or will have none."""
        self._coming.discard(socket)
        self._count()

    async def serve(self, socket: DirectConnection) -> None:
        """One WebSocket whose handshake was accepted, to its end."""
        socket.most = self.limits.max_message_bytes
        self._coming.discard(socket)
        if socket.back:
            await self.come_back(socket, socket.back)
        elif isinstance(socket.wire, SharedWire):
            await self._serve_voices(socket, socket.wire)
        elif isinstance(socket.wire, Wire):
            seat, socket.seat = socket.seat, None  # it is the session's, over as many sockets as that takes
            try:
                await self._run(self._connect(socket, socket.route, socket.wire, socket.session_id, seat))
            finally:
                if seat:
                    seat.leave()
        else:
            await self._follow(socket, socket.wire)

    async def serve_stream(self, route: Route, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A plain TCP stream has no handshake: who is not let in is told in the wire's own way, and finds it closed."""
        task, socket = asyncio.current_task(), TcpSocket(reader, writer)
        assert task
        self.streams[task] = socket
        seat = self._guard.seat(self._guard.admit_stream(), Asked(peer=writer.get_extra_info("peername")[0]))
        try:
            if refusal := (seat.word, seat.sentence) if isinstance(seat, Denied) else self._refusal():
                logger.warning("%s is refused: %s", socket.peer, refusal[1])
                self._metrics.refused.labels(refusal[0]).inc()
                socket.push(route.refusal(*refusal))
                async with asyncio.timeout(TOLD_S):
                    await socket.close(TRY_AGAIN_LATER, refusal[0])
            else:
                handshake = without_request()
                wire = route.open(handshake)
                assert isinstance(wire, Wire), "a stream has no messages to tell voices apart by"
                await self._run(self._connect(socket, route, wire, handshake.session_id, seat if isinstance(seat, Seat) else None))
        except (ConnectionError, TimeoutError):
            pass  # gone before it was told
        finally:
            if isinstance(seat, Seat):
                seat.leave()
            socket.abort()
            del self.streams[task]

    def why_not(self, back: Back) -> str | None:
        """Why a client cannot come back to a session here; ``None`` where it can."""
        connection = self._resumable.get(back.token)
        return connection.why_not(back) if connection else NOWHERE

    async def come_back(self, socket: Socket, back: Back) -> None:
        """Go on with a session on this socket, here or elsewhere, until the socket is done."""
        if connection := self._resumable.get(back.token):
            await connection.come_back(socket, back.after)
        elif isinstance(socket, DirectConnection):
            await self._company.pass_on(socket, back)
        else:
            socket.abort()

    async def give_notice(self) -> None:
        """Until the time that clients were told is over, or all have left."""
        notice = self.limits.notice_s
        if not self.connections:
            return
        logger.info("going away in %.0f s", notice)
        for connection in tuple(self.connections):
            connection.announce_end(notice)
        leaving = [asyncio.create_task(connection.done.wait()) for connection in self.connections]
        _, staying = await asyncio.wait(leaving, timeout=notice)
        for task in staying:
            task.cancel()

    async def drain(self) -> None:
        """Finish what is open within the drain limit, and let everybody go."""
        inside: list[Connection | Voices] = [*self.connections, *self.shared]
        if inside:
            logger.info("draining %d sessions, %.0f s at the most", len(self.connections), self.limits.drain_s)
            await asyncio.wait([asyncio.create_task(self._finish(one)) for one in inside])
        self.calls.end()
        if self.following:
            await asyncio.wait(self.following, timeout=GOODBYE_S)
        for stream in self.streams.values():  # that were not finished in time, or were being refused
            stream.abort()
        if self.streams:
            await asyncio.wait(self.streams)

    async def _finish(self, connection: Connection | Voices) -> None:
        try:
            async with asyncio.timeout(self.limits.drain_s):
                await connection.stop("going_away")
                await connection.done.wait()
        except TimeoutError:
            logger.warning("session %s was not finished within %g s", connection.id, self.limits.drain_s)
            await connection.abandon(GOODBYE_S)

    async def _follow(self, socket: DirectConnection, wire: Follows) -> None:
        follower = Follower(socket, wire, self.limits)
        self.calls.follow(wire.call, follower.tell)
        elsewhere = asyncio.create_task(self._company.follow(wire.call, follower.tell))
        following = asyncio.create_task(follower.run())
        self.following.add(following)
        try:
            await following
        finally:
            self.following.discard(following)
            self.calls.unfollow(wire.call, follower.tell)
            elsewhere.cancel()

    async def _serve_voices(self, socket: DirectConnection, wire: SharedWire) -> None:
        """Each voice is a session, let in like any other."""
        request = socket.request
        assert request

        def join(voice: Voice) -> Coroutine[Any, Any, None]:
            handshake = for_a_wire(read_handshake(request))
            own = wire.voice(voice.name, handshake)
            own.call = wire.call
            seat = socket.seat.beside() if socket.seat else None
            return self._run(self._connect(voice, socket.route, own, handshake.session_id, seat))

        watched = socket.seat.beside() if socket.seat else None
        voices = Voices(
            socket,
            wire,
            id=socket.session_id,
            refusal=self._refusal,
            join=join,
            metrics=self._metrics,
            fault=lambda: watched.fault(0) if watched else None,
            heartbeat_s=self.limits.heartbeat_s,
        )
        self.shared.add(voices)
        call = self.calls.join(wire.call, socket.session_id) if wire.call else None  # which outlasts a silence of all voices
        try:
            await voices.run()
        finally:
            self.shared.discard(voices)
            if call:
                await call.leave()

    def _connect(self, socket: Socket, route: Route, wire: Wire, session_id: str, seat: Seat | None) -> Connection:
        """Let a session in: from here on it counts, and must be run."""
        info = self._scheduler.info
        assert info, "admission lets nobody in before the model is known"
        rooms = Rooms(
            judge=self._judging,
            scheduler=self._scheduler,
            open_decoder=ContainerDecoder,
            metrics=self._metrics,
            calls=self.calls,
            limits=self.limits,
            server=f"streamer {__version__}",
        )
        record = self._keeper.record(session_id, route.name, wire, info) if self._keeper else None
        connection = Connection(socket, wire, rooms, info, session_id=session_id, wire_name=route.name, seat=seat, record=record)
        self.connections.add(connection)
        if connection.resume_token:
            self._resumable[connection.resume_token] = connection
        self._count()
        self._metrics.sessions_total.inc()
        return connection

    async def _run(self, connection: Connection) -> None:
        try:
            await connection.run()
        finally:
            self.connections.discard(connection)
            self._resumable.pop(connection.resume_token or "", None)
            self._count()
