"""The one port: WebSocket sessions, the page, health, readiness and metrics. Admission at the handshake, drain at the end."""

import asyncio
import logging
import ssl
import time
import uuid
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs
from weakref import WeakSet

from websockets.asyncio.server import Server as SocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidHeader
from websockets.headers import parse_subprotocol
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from streamer import __version__
from streamer.access import Scope
from streamer.access.credentials import without_secret_headers, without_secret_query, without_secrets
from streamer.access.guard import Asked, Denied, Guard
from streamer.access.seats import Seat
from streamer.calls import Calls
from streamer.company import Alone, Company
from streamer.connection import Connection, Limits, Rooms
from streamer.direct import DirectConnection
from streamer.door import Door
from streamer.engine.scheduler import Health
from streamer.engine.scheduling import Open, Scheduling
from streamer.follower import Follower
from streamer.judging import Batched
from streamer.keeper import Keeper
from streamer.media import ContainerDecoder
from streamer.metrics import Metrics
from streamer.pages import Pages, page_folder, respond
from streamer.returning import NOWHERE, Return
from streamer.sockets import LINGER_S, Socket, TcpSocket
from streamer.transcripts import API, Transcripts
from streamer.vad import Judge
from streamer.voice import Voice
from streamer.voices import Voices
from streamer.wires import Follows, Handshake, Refused, Route, SharedWire, Wire, calls
from streamer.wires.calls import read_id
from streamer.wires.routes import BY_NAME, ROUTES, route_to

logger: Final = logging.getLogger(__name__)

RETRY_AFTER_S: Final = 5
OPEN_TIMEOUT_S: Final = 10.0
GOODBYE_S: Final = 2.0  # for followers to be told that their calls have ended, and clients that what they said could not be finished
TRY_AGAIN_LATER: Final = 1013  # a WebSocket's close code


class Server:
    """One port, one model on one or more devices. ``engines`` are opened when it starts.

    ``listen`` gives wires ports of their own beside it: at any path there that wire is spoken. Without a ``guard`` everybody may come in;
    ``keeper`` keeps what is said.
    """

    def __init__(
        self,
        engines: Open,
        judge: Judge,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        listen: Mapping[str, int] | None = None,
        limits: Limits | None = None,
        company: Company | None = None,
        guard: Guard | None = None,
        tls: ssl.SSLContext | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        self._company = company or Alone()
        self._host, self._port = host, port
        self._listen = dict(listen or {})
        self._limits = limits or Limits()
        self._judge = judge
        self._engines = engines
        self._guard, self._tls = guard or Guard(), tls
        self.metrics = Metrics()
        self._door = Door(self._guard, self.metrics)
        self._connections: set[Connection] = set()
        self._resumable: dict[str, Connection] = {}
        self._shared: set[Voices] = set()
        self._draining = False
        self._calls = Calls()
        self._following: set[asyncio.Task[None]] = set()
        self._sharing: asyncio.Task[None] | None = None
        self._pages = Pages(page_folder())
        self._keeper = keeper
        self._transcripts = Transcripts(keeper, self._pages, host)
        self._scheduler: Scheduling | None = None
        self._judging: Batched | None = None
        self._server: SocketServer | None = None
        self._others: list[SocketServer | asyncio.Server] = []
        self._streams: dict[asyncio.Task[None], TcpSocket] = {}
        self._accepted: WeakSet[DirectConnection] = WeakSet()
        self.settled = asyncio.Event()
        """Set once the model is warm, or has failed."""

    @property
    def address(self) -> str:
        """The page's URL."""
        return page_address(self._host, self._port, tls=self._tls is not None)

    @property
    def ports(self) -> Mapping[str, int]:
        """Wires with a port of their own, and the port."""
        return self._listen

    @property
    def scheduler(self) -> Scheduling:
        assert self._scheduler, "the server has not been started"
        return self._scheduler

    @property
    def ready(self) -> bool:
        return not self._draining and self.scheduler.health is Health.WARM

    async def start(self) -> None:
        """Listen, and begin to load the model. Raises ``OSError`` when the port cannot be had."""
        loop = asyncio.get_running_loop()
        self._judging = Batched(self._judge, self._company.judge_threads)
        self._scheduler = self._engines(loop.call_soon_threadsafe, self.metrics.batch)
        self._scheduler.on_health(self._health_changed)
        for device in () if self._company.shares_port else self._scheduler.devices:  # an engine process counts its own
            device.on_health(self.metrics.health_changed)
        self._company.ready(False)
        if self._keeper:
            self._keeper.start(self.metrics)
        self.metrics.sessions.set_function(lambda: len(self._connections))
        self.metrics.most_sessions.set_function(lambda: self._limits.max_sessions)
        self.metrics.followers.set_function(lambda: len(self._following))
        self.metrics.ready.set_function(lambda: float(self.ready))
        self.metrics.queue.set_function(lambda: self.scheduler.queued_ms / 1000)
        self.metrics.delay.set_function(lambda: self.scheduler.delay_s)
        self._server = await self._serve_sockets(self._port)
        self._port = _port(self._server)
        for name, port in self._listen.items():
            await self._listen_for(BY_NAME[name], port)
        self._sharing = asyncio.create_task(self._company.share(self._calls, self))
        self._scheduler.start()

    async def _listen_for(self, route: Route, port: int) -> None:
        """One wire at a port of its own."""
        other: SocketServer | asyncio.Server
        if route.tcp:
            reuse = self._company.shares_port or None
            serve = partial(self._serve_stream, route)
            other = await asyncio.start_server(serve, self._host, port, reuse_port=reuse, ssl=self._tls)
        else:
            other = await self._serve_sockets(port, route)
        self._others.append(other)
        self._listen[route.name] = _port(other)

    async def _serve_sockets(self, port: int, only: Route | None = None) -> SocketServer:
        return await serve(
            self._serve,
            self._host,
            port,
            create_connection=self._accept,  # type: ignore[arg-type]  # any function will do, says its documentation
            process_request=partial(self._answer_http, only),
            process_response=_add_headers,
            select_subprotocol=_choose_subprotocol,
            compression=None,  # audio does not compress, and deflate costs 50 KiB a connection
            max_size=self._limits.max_message_bytes,
            max_queue=8,
            open_timeout=OPEN_TIMEOUT_S,
            ping_timeout=None,  # a socket that is not read while too much is owed cannot answer pings; the idle limit covers the dead
            server_header=f"streamer/{__version__}",
            reuse_port=self._company.shares_port or None,
            ssl=self._tls,
        )

    def change(self, limits: Limits) -> None:
        """For who is let in from here on; who is in keeps those that held then."""
        self._limits = limits

    async def stop(self) -> None:
        """Refuse newcomers, say when, finish what is open within the drain limit, close with 1001, free the model."""
        self._draining = True
        self._company.ready(False)
        assert self._server
        await self._give_notice()
        open_now: list[Connection | Voices] = [*self._connections, *self._shared]
        if open_now:
            logger.info("draining %d sessions, %.0f s at the most", len(self._connections), self._limits.drain_s)
            await asyncio.wait([asyncio.create_task(self._drain(one)) for one in open_now])
        self._calls.end()
        if self._following:
            await asyncio.wait(self._following, timeout=GOODBYE_S)
        if self._sharing:
            self._sharing.cancel()
        for stream in self._streams.values():  # that were not finished in time, or were being refused
            stream.abort()
        if self._streams:
            await asyncio.wait(self._streams)
        for server in (self._server, *self._others):
            await self._let_go(server)
        if self._keeper:
            await self._keeper.stop()
        await asyncio.to_thread(self.scheduler.close)
        assert self._judging
        await self._judging.close()

    async def _give_notice(self) -> None:
        """Until the time that clients were told is over, or all have left. The port still answers: whoever asks reads that we stop."""
        notice = self._limits.notice_s
        if not self._connections:
            return
        logger.info("going away in %.0f s", notice)
        for connection in tuple(self._connections):
            connection.announce_end(notice)
        leaving = [asyncio.create_task(connection.done.wait()) for connection in self._connections]
        _, staying = await asyncio.wait(leaving, timeout=notice)
        for task in staying:
            task.cancel()

    async def _drain(self, connection: Connection | Voices) -> None:
        try:
            async with asyncio.timeout(self._limits.drain_s):
                await connection.stop("going_away")
                await connection.done.wait()
        except TimeoutError:
            logger.warning("session %s was not finished within %g s", connection.id, self._limits.drain_s)
            await connection.abandon(GOODBYE_S)

    async def _let_go(self, server: SocketServer | asyncio.Server) -> None:
        """Nothing is served here any more: who is still connected has not finished a handshake, or does not answer a goodbye."""
        server.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                await server.wait_closed()
                return
        for socket in tuple(self._accepted):
            if hasattr(socket, "transport"):  # not so where it is being accepted just now
                socket.abort()
        await server.wait_closed()

    def _accept(self, *given: Any, **options: Any) -> DirectConnection:
        """The library knows its connections only once their handshake is over."""
        socket = DirectConnection(*given, **options)
        self._accepted.add(socket)
        return socket

    def _health_changed(self, health: Health) -> None:
        logger.info("the engine is %s", health.value)
        self._company.ready(self.ready)
        if health in (Health.WARM, Health.FAILED):
            self.settled.set()

    async def _serve(self, socket: ServerConnection) -> None:
        assert isinstance(socket, DirectConnection)
        socket.most = self._limits.max_message_bytes
        if socket.back:
            await self.come_back(socket, socket.back)
        elif isinstance(socket.wire, SharedWire):
            await self._serve_voices(socket, socket.wire)
        elif isinstance(socket.wire, Wire):
            await self._session(socket, socket.route, socket.wire, socket.session_id, socket.seat)
        else:
            await self._follow(socket, socket.wire)

    async def _follow(self, socket: DirectConnection, wire: Follows) -> None:
        follower = Follower(socket, wire, bound=self._limits.outbox_messages, stall_s=self._limits.stall_s)
        self._calls.follow(wire.call, follower.tell)
        elsewhere = asyncio.create_task(self._company.follow(wire.call, follower.tell))
        following = asyncio.create_task(follower.run())
        self._following.add(following)
        try:
            await following
        finally:
            self._following.discard(following)
            self._calls.unfollow(wire.call, follower.tell)
            elsewhere.cancel()

    async def _serve_voices(self, socket: DirectConnection, wire: SharedWire) -> None:
        """Each voice is a session, let in like any other."""
        request = socket.request
        assert request

        def join(voice: Voice) -> Coroutine[Any, Any, None]:
            handshake = _without_secrets(_handshake(request.path.partition("?")[0], request))
            own = wire.voice(voice.name, handshake)
            own.call = wire.call
            seat = socket.seat.beside() if socket.seat else None
            return self._run(self._connect(voice, socket.route, own, handshake.session_id, seat))

        voices = Voices(socket, wire, id=socket.session_id, refusal=self._refusal, join=join, metrics=self.metrics)
        self._shared.add(voices)
        call = self._calls.join(wire.call, socket.session_id) if wire.call else None  # which outlasts a silence of all voices
        try:
            await voices.run()
        finally:
            self._shared.discard(voices)
            if call:
                call.leave()

    async def _serve_stream(self, route: Route, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A plain TCP stream has no handshake: who is not let in is told in the wire's own way, and finds it closed."""
        task, socket = asyncio.current_task(), TcpSocket(reader, writer)
        assert task
        self._streams[task] = socket
        seat = self._guard.seat(self._guard.admit_stream(), Asked(peer=writer.get_extra_info("peername")[0]))
        try:
            if refusal := (seat.word, seat.sentence) if isinstance(seat, Denied) else self._refusal():
                logger.warning("%s is refused: %s", socket.peer, refusal[1])
                self.metrics.refused.labels(refusal[0]).inc()
                socket.push(route.refusal(*refusal))
                async with asyncio.timeout(OPEN_TIMEOUT_S):
                    await socket.close(TRY_AGAIN_LATER, refusal[0])
            else:
                handshake = Handshake(session_id=_new_id(), at=_now(), unix_ms=_unix_ms(), path="")
                wire = route.open(handshake)
                assert isinstance(wire, Wire), "a stream has no messages to tell voices apart by"
                await self._session(socket, route, wire, handshake.session_id, seat if isinstance(seat, Seat) else None)
        except (ConnectionError, TimeoutError):
            pass  # gone before it was told
        finally:
            if isinstance(seat, Seat):
                seat.leave()
            socket.abort()
            del self._streams[task]

    async def _session(self, socket: Socket, route: Route, wire: Wire, session_id: str, seat: Seat | None) -> None:
        await self._run(self._connect(socket, route, wire, session_id, seat))

    def _connect(self, socket: Socket, route: Route, wire: Wire, session_id: str, seat: Seat | None) -> Connection:
        """Let a session in: from here on it counts, and must be run."""
        info = self.scheduler.info
        assert info, "admission lets nobody in before the model is known"
        assert self._judging
        rooms = Rooms(
            judge=self._judging,
            scheduler=self.scheduler,
            open_decoder=ContainerDecoder,
            metrics=self.metrics,
            calls=self._calls,
            limits=self._limits,
            server=f"streamer {__version__}",
        )
        record = self._keeper.record(session_id, route.name, wire, info) if self._keeper else None
        connection = Connection(socket, wire, rooms, info, session_id=session_id, wire_name=route.name, seat=seat, record=record)
        self._connections.add(connection)
        if connection.resume_token:
            self._resumable[connection.resume_token] = connection
        self._company.sessions(len(self._connections))
        self.metrics.sessions_total.inc()
        return connection

    async def _run(self, connection: Connection) -> None:
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            self._resumable.pop(connection.resume_token or "", None)
            self._company.sessions(len(self._connections))

    def _answer_http(self, only: Route | None, socket: ServerConnection, request: Request) -> Response | None | Awaitable[Response | None]:
        """Answer plain HTTP here; ``None`` lets a WebSocket handshake go on."""
        path = request.path.partition("?")[0]
        assert isinstance(socket, DirectConnection)
        if "upgrade" in request.headers.get("Connection", "").lower():
            return self._admit(socket, path, request, only)
        handshake = _handshake(path, request)
        if answer := self._door.answer(socket, handshake, request):
            return answer
        if self._transcripts.has(path):
            told = path.startswith(API)  # the page itself says nothing, and asks for the key
            refused = self._door.ask(socket, handshake) if told and self._guard.keyed else None
            return refused or self._transcripts.answer(request, keyed=self._guard.keyed)
        match path:
            case "/healthz":
                return respond(HTTPStatus.OK, "alive\n")
            case "/readyz":
                return self._readiness()
            case "/metrics":
                return self._door.ask(socket, handshake) or self._metrics()
            case "/ws":
                return respond(HTTPStatus.UPGRADE_REQUIRED, "this is a WebSocket; see docs/protocol.md\n", Upgrade="websocket")
            case _:
                page = self._pages.get(path)
                return page or respond(HTTPStatus.NOT_FOUND, f"nothing is at {path[:100]}; the page is at /, the WebSocket at /ws\n")

    async def _metrics(self) -> Response:
        return respond(HTTPStatus.OK, await self._company.exposition(self.metrics), self.metrics.content_type)

    def _admit(
        self, socket: DirectConnection, path: str, request: Request, only: Route | None
    ) -> Response | None | Awaitable[Response | None]:
        route = only or route_to(path, _offered(request))
        if route is None:
            self.metrics.refused.labels("path").inc()
            places = ", ".join(route.paths[0] for route in ROUTES if route.paths)
            return respond(HTTPStatus.NOT_FOUND, f"no WebSocket is at {path[:100]}; they are at {places}\n")
        handshake = _handshake(path, request)
        if answer := self._door.enter(socket, handshake, Scope.FOLLOW if route is calls.ROUTE else Scope.TRANSCRIBE):
            return answer
        handshake = _without_secrets(handshake)
        try:
            wire = route.open(handshake)
            if isinstance(wire, Wire | SharedWire) and (named := handshake.query.get("call")):
                wire.call = read_id(named[-1])
        except Refused as refused:
            self.metrics.refused.labels("handshake").inc()
            answer = respond(HTTPStatus(refused.status), f"{refused}\n")
            answer.headers.update(refused.headers)
            return answer
        back = _return(wire)
        if refusal := self._refusal(follows=route is calls.ROUTE, returns=back is not None):
            self.metrics.refused.labels(refusal[0]).inc()
            return respond(HTTPStatus.SERVICE_UNAVAILABLE, refusal[1] + "\n", Retry_After=str(RETRY_AFTER_S))
        socket.session_id, socket.route, socket.wire, socket.back = handshake.session_id, route, wire, back
        return self._admit_back(back) if back else None

    async def _admit_back(self, back: Return) -> Response | None:
        why = self.why_not(back)
        if why == NOWHERE:
            why = await self._company.why_not(back)
        if why is None:
            return None
        self.metrics.refused.labels("resume").inc()
        return respond(HTTPStatus.GONE, f"the session cannot be resumed: {why}. Begin a new one\n")

    def why_not(self, back: Return) -> str | None:
        """Why a client cannot come back to a session here; ``None`` where it can."""
        connection = self._resumable.get(back.token)
        return connection.why_not(back) if connection else NOWHERE

    async def come_back(self, socket: Socket, back: Return) -> None:
        """Go on with a session on this socket, here or elsewhere, until the socket is done."""
        if connection := self._resumable.get(back.token):
            await connection.come_back(socket, back.after)
        elif isinstance(socket, DirectConnection):
            await self._company.pass_on(socket, back)
        else:
            socket.abort()

    def _refusal(self, *, follows: bool = False, returns: bool = False) -> tuple[str, str] | None:
        """Why nobody is let in right now, where it is so: a word for the metrics, and a sentence."""
        if not self.ready:
            return "not_ready", self._unready()
        if follows:
            full = len(self._following) >= self._limits.max_followers
            return ("followers_full", f"all {self._limits.max_followers} places of followers are taken; try again later") if full else None
        if not returns and max(self._company.sessions(len(self._connections)), len(self._shared)) >= self._limits.max_sessions:
            return "server_full", f"all {self._limits.max_sessions} sessions are taken; try again later"
        delay, most_s = self.scheduler.delay_s, self._limits.max_queue_s
        if not returns and delay > most_s > 0:
            return "overloaded", f"the engine is {delay:.1f} s behind, at most {most_s:g} s are allowed; try again later"
        return None

    def _readiness(self) -> Response:
        if self.ready and self._company.ready(True):
            return respond(HTTPStatus.OK, "ready\n")
        return respond(HTTPStatus.SERVICE_UNAVAILABLE, self._unready() + "\n", Retry_After=str(RETRY_AFTER_S))

    def _unready(self) -> str:
        if self.ready:
            return "another process that shares this port is not ready yet"
        if self._draining:
            return "the server is stopping"
        if self.scheduler.failure:
            return f"the model could not be loaded: {self.scheduler.failure}"
        return f"the model is {self.scheduler.health.value}"


def page_address(host: str, port: int, *, tls: bool = False) -> str:
    """The page's URL, for a browser on this machine where the server listens on all addresses."""
    host = "127.0.0.1" if host in ("", "0.0.0.0", "::") else host
    return f"http{'s' if tls else ''}://{f'[{host}]' if ':' in host else host}:{port}"


def _return(wire: Wire | SharedWire | Follows) -> Return | None:
    if not isinstance(wire, Wire) or not wire.back:
        return None
    return Return(token=wire.back.token, after=wire.back.after, subprotocol=wire.subprotocol)


def _handshake(path: str, request: Request) -> Handshake:
    return Handshake(
        session_id=_new_id(),
        at=_now(),
        unix_ms=_unix_ms(),
        path=path,
        query=parse_qs(request.path.partition("?")[2], keep_blank_values=True),
        headers={name.lower(): value for name, value in request.headers.raw_items()},
        offered=_offered(request),
    )


def _without_secrets(handshake: Handshake) -> Handshake:
    """For wires, which have no use for a key and might quote it."""
    return replace(
        handshake,
        headers=without_secret_headers(handshake.headers),
        query=without_secret_query(handshake.query),
        offered=without_secrets(handshake.offered),
    )


def _new_id() -> str:
    return uuid.uuid4().hex[:12]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _unix_ms() -> int:
    return time.time_ns() // 1_000_000


def _port(server: SocketServer | asyncio.Server) -> int:
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port


def _offered(request: Request) -> list[str]:
    """None where the header cannot be read: the library refuses such a handshake itself, with 400."""
    with suppress(InvalidHeader):
        return [name for header in request.headers.get_all("Sec-WebSocket-Protocol") for name in parse_subprotocol(header)]
    return []


def _choose_subprotocol(socket: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    assert isinstance(socket, DirectConnection)
    chosen = socket.route.subprotocol(without_secrets(offered))
    return Subprotocol(chosen) if chosen else None


def _add_headers(socket: ServerConnection, request: Request, response: Response) -> None:
    """What the wire answers the handshake with."""
    if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS and isinstance(socket, DirectConnection):
        response.headers.update(socket.wire.headers)
