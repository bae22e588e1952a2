"""The one port: WebSocket sessions, the page, health, readiness and metrics. Admission at the handshake, drain at the end."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from socket import SO_RCVBUF, SOL_SOCKET, fromfd
from typing import Any, Final
from weakref import WeakSet

from websockets.asyncio.server import Server as SocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from streamer import __version__
from streamer.access import Scope
from streamer.access.credentials import without_secrets
from streamer.access.guard import Guard
from streamer.company import Alone, Company
from streamer.direct import DirectConnection
from streamer.door import Door
from streamer.engine.scheduler import Health
from streamer.engine.scheduling import Open, Scheduling
from streamer.handshakes import for_a_wire, offered, read_handshake
from streamer.hosting import Hosting
from streamer.judging import Batched
from streamer.keeper import Keeper
from streamer.limits import Limits
from streamer.metrics import Metrics
from streamer.pages import Pages, page_folder, respond
from streamer.returning import NOWHERE
from streamer.sockets import LINGER_S
from streamer.transcripts import API, Transcripts
from streamer.vad import Judge
from streamer.voices import Refusal
from streamer.wires import Back, Refused, Route, SharedWire, Wire, calls
from streamer.wires.calls import read_id
from streamer.wires.routes import BY_NAME, ROUTES, route_to

logger: Final = logging.getLogger(__name__)

RETRY_AFTER_S: Final = 5
OPEN_TIMEOUT_S: Final = 10.0
KERNEL_BYTES: Final = 262_144  # of a client that is not read, as its pings wait behind them; 40 times real time at a round trip of 200 ms


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
        self._draining = False
        self._hosting: Hosting | None = None
        self._sharing: asyncio.Task[None] | None = None
        self._pages = Pages(page_folder())
        self._keeper = keeper
        self._transcripts = Transcripts(keeper, self._pages, host)
        self._scheduler: Scheduling | None = None
        self._judging: Batched | None = None
        self._server: SocketServer | None = None
        self._others: list[SocketServer | asyncio.Server] = []
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
    def hosting(self) -> Hosting:
        """Everybody who is in."""
        assert self._hosting, "the server has not been started"
        return self._hosting

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
        self._hosting = Hosting(
            self._scheduler,
            self._judging,
            limits=self._limits,
            metrics=self.metrics,
            company=self._company,
            guard=self._guard,
            keeper=self._keeper,
            refusal=self._refusal,
        )
        self.metrics.ready.set_function(lambda: float(self.ready))
        self.metrics.queue.set_function(lambda: self.scheduler.queued_ms / 1000)
        self.metrics.delay.set_function(lambda: self.scheduler.delay_s)
        self._server = await self._serve_sockets(self._port)
        self._port = _port(self._server)
        for name, port in self._listen.items():
            await self._listen_for(BY_NAME[name], port)
        self._sharing = asyncio.create_task(self._company.share(self.hosting.calls, self.hosting))
        self._scheduler.start()

    async def _listen_for(self, route: Route, port: int) -> None:
        """One wire at a port of its own."""
        other: SocketServer | asyncio.Server
        if route.tcp:
            reuse = self._company.shares_port or None
            serve = partial(self.hosting.serve_stream, route)
            other = await asyncio.start_server(serve, self._host, port, reuse_port=reuse, ssl=self._tls)
            _bound_kernel(other)
        else:
            other = await self._serve_sockets(port, route)
        self._others.append(other)
        self._listen[route.name] = _port(other)

    async def _serve_sockets(self, port: int, only: Route | None = None) -> SocketServer:
        server = await serve(
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
        _bound_kernel(server)
        return server

    async def stop(self) -> None:
        """Refuse newcomers, say when, finish what is open within the drain limit, close with 1001, free the model."""
        self._draining = True
        self._company.ready(False)
        assert self._server
        await self.hosting.give_notice()  # while the port still answers: whoever asks reads that we stop
        await self.hosting.drain()
        if self._sharing:
            self._sharing.cancel()
        for server in (self._server, *self._others):
            await self._let_go(server)
        if self._keeper:
            await self._keeper.stop()
        await asyncio.to_thread(self.scheduler.close)
        assert self._judging
        await self._judging.close()

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
        await self.hosting.serve(socket)

    def _answer_http(self, only: Route | None, socket: ServerConnection, request: Request) -> Response | None | Awaitable[Response | None]:
        """Answer plain HTTP here; ``None`` lets a WebSocket handshake go on."""
        path = request.path.partition("?")[0]
        assert isinstance(socket, DirectConnection)
        if "upgrade" in request.headers.get("Connection", "").lower():
            return self._admit(socket, path, request, only)
        handshake = read_handshake(request)
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
        route = only or route_to(path, offered(request))
        if route is None:
            self.metrics.refused.labels("path").inc()
            places = ", ".join(route.paths[0] for route in ROUTES if route.paths)
            return respond(HTTPStatus.NOT_FOUND, f"no WebSocket is at {path[:100]}; they are at {places}\n")
        asked, follows = read_handshake(request), route is calls.ROUTE
        granted = self._door.enter(socket, asked, Scope.FOLLOW if follows else Scope.TRANSCRIBE)
        if isinstance(granted, Response):
            return granted
        handshake = for_a_wire(asked)
        try:
            wire = route.open(handshake)
            if isinstance(wire, Wire | SharedWire) and (named := handshake.query.get("call")):
                wire.call = read_id(named[-1])
        except Refused as refused:
            self.metrics.refused.labels("handshake").inc()
            answer = respond(HTTPStatus(refused.status), f"{refused}\n")
            answer.headers.update(refused.headers)
            return answer
        back = wire.back if isinstance(wire, Wire) else None
        if refusal := self._refusal(follows=follows, returns=back is not None):
            return self._turn_away(refusal)
        socket.session_id, socket.route, socket.wire, socket.back = handshake.session_id, route, wire, back
        if back:  # whose session has its seat
            return self._admit_back(back)
        if follows:
            return None
        if unseated := self._door.seat(socket, asked, granted):
            return unseated
        return None if self.hosting.expect(socket) else self._turn_away(self._full())

    def _turn_away(self, refusal: Refusal) -> Response:
        self.metrics.refused.labels(refusal[0]).inc()
        return respond(HTTPStatus.SERVICE_UNAVAILABLE, refusal[1] + "\n", Retry_After=str(RETRY_AFTER_S))

    async def _admit_back(self, back: Back) -> Response | None:
        why = self.hosting.why_not(back)
        if why == NOWHERE:
            why = await self._company.why_not(back)
        if why is None:
            return None
        self.metrics.refused.labels("resume").inc()
        return respond(HTTPStatus.GONE, f"the session cannot be resumed: {why}. Begin a new one\n")

    def _refusal(self, *, follows: bool = False, returns: bool = False) -> Refusal | None:
        """Why nobody is let in right now, where it is so."""
        if not self.ready:
            return "not_ready", self._unready()
        limits, inside = self.hosting.limits, self.hosting
        if follows:
            full = len(inside.following) >= limits.max_followers
            return ("followers_full", f"all {limits.max_followers} places of followers are taken; try again later") if full else None
        if returns:
            return None
        if inside.sessions >= limits.max_sessions:
            return self._full()
        delay, most_s = self.scheduler.delay_s, limits.max_queue_s
        if delay > most_s > 0:
            return "overloaded", f"the engine is {delay:.1f} s behind, at most {most_s:g} s are allowed; try again later"
        return None

    def _full(self) -> Refusal:
        return "server_full", f"all {self.hosting.limits.max_sessions} sessions are taken; try again later"

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


def _bound_kernel(server: SocketServer | asyncio.Server) -> None:
    """For those who are accepted from here on: by itself the kernel would go on to take megabytes of a client that is not read."""
    for listening in server.sockets:
        with fromfd(listening.fileno(), listening.family, listening.type) as own:  # uvloop's sockets do not let it be set
            own.setsockopt(SOL_SOCKET, SO_RCVBUF, KERNEL_BYTES)


def _port(server: SocketServer | asyncio.Server) -> int:
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port


def _choose_subprotocol(socket: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    assert isinstance(socket, DirectConnection)
    chosen = socket.route.subprotocol(without_secrets(offered))
    return Subprotocol(chosen) if chosen else None


def _add_headers(socket: ServerConnection, request: Request, response: Response) -> None:
    """What the wire answers the handshake with."""
    if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS and isinstance(socket, DirectConnection):
        response.headers.update(socket.wire.headers)
