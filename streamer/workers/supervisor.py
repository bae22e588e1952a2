"""The supervisor of ``streamer serve --workers N``: chooses the port, starts everybody, starts again who dies, adds up the numbers, and
ends them in their order: gateways drain first, engines answer to the last."""

import asyncio
import logging
import pickle
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from streamer.engine import Engine
from streamer.engine.placement import placed
from streamer.engine.scheduling import Scheduling
from streamer.metrics import EngineMetrics
from streamer.server import page_address
from streamer.settings import CHANGING, Settings
from streamer.workers.board import Table
from streamer.workers.child import Child, Order
from streamer.workers.engine import EngineWork
from streamer.workers.gateway import GatewayWork
from streamer.workers.remote import RemoteScheduler
from streamer.workers.slots import Slots
from streamer.workers.tally import Tally

logger: Final = logging.getLogger(__name__)

NUMBERS_S: Final = 2.0  # for a child to tell its numbers
CLOSING_S: Final = 15.0  # beyond the drain, for a process to end by itself
STILL: Final = 2  # times the watchdog's bound, for a process to answer anything at all: it may be loading a library meanwhile
LONGEST_PATH: Final = 80  # the name of a Unix socket may have 107 bytes


class Supervisor:
    """``builds`` are engines, each for a process of its own."""

    def __init__(self, settings: Settings, builds: Sequence[Callable[[], Engine]]) -> None:
        self._settings, self._builds = settings, builds
        self._tally = Tally()
        self._own = EngineMetrics()  # processor time and memory of this process
        self._gateways: list[Child] = []
        self._engines: list[Child] = []
        self._works: dict[Child, EngineWork | GatewayWork] = {}
        self.port = settings.port
        self.ports: Mapping[str, int] = settings.listen
        self._held: list[asyncio.Server] = []

    @property
    def address(self) -> str:
        """The page's URL."""
        return page_address(self._settings.host, self.port, tls=self._settings.access.tls_cert is not None)

    @property
    def gateways(self) -> Sequence[Child]:
        return self._gateways

    @property
    def scheduler(self) -> Scheduling:
        """What the engine processes say of themselves."""
        return self._scheduler

    async def start(self) -> None:
        """Until all gateways listen. Raises ``OSError`` when the port cannot be had, ``ConfigurationError`` without room for counts."""
        self.port = await self._hold(self.port)
        self.ports = {name: await self._hold(port) for name, port in self._settings.listen.items()}
        short = len(tempfile.gettempdir()) < LONGEST_PATH
        self._folder = tempfile.TemporaryDirectory(prefix="streamer-", dir=None if short else "/tmp")  # only its owner may enter
        folder = Path(self._folder.name)
        self._table = Table(folder / "board", self._settings.workers)
        paths = tuple(folder / f"engine-{number}" for number in range(1, len(self._builds) + 1))
        for build, path in zip(self._builds, paths, strict=True):
            work = EngineWork(
                name=path.name.replace("-", " "), build=build, path=path, hung_s=self._settings.watchdog_s, leave_s=self._patience_s
            )
            self._engines.append(self._child(work))
        self._slots = Slots(folder / "sessions", self._settings.workers)
        for slot in range(self._settings.workers):
            self._slots.wait_for(slot, True)
            self._gateways.append(
                self._child(
                    GatewayWork(
                        name=f"gateway {slot + 1}",
                        settings=self._settings,
                        port=self.port,
                        listen=self.ports,
                        slot=slot,
                        slots=folder / "sessions",
                        board=folder / "board",
                        workers=self._settings.workers,
                        engines=paths,
                        relays=tuple(folder / f"calls-{number}" for number in range(self._settings.workers)),
                    )
                )
            )
        self._scheduler = placed([RemoteScheduler(path) for path in paths])
        self._scheduler.start()
        await asyncio.gather(*(gateway.ready.wait() for gateway in self._gateways))

    @property
    def _patience_s(self) -> float:
        """For gateways to drain and end."""
        return self._settings.limits.notice_s + self._settings.limits.drain_s + CLOSING_S

    async def _hold(self, port: int) -> int:
        """See to it that nobody else has the port, nor gets it while no gateway listens. Raises ``OSError``."""
        loop, host = asyncio.get_running_loop(), self._settings.host
        # Without sharing first: a port that another server has would else be shared with it, and nobody would be told.
        probe = await loop.create_server(asyncio.Protocol, host, port)
        port = port or probe.sockets[0].getsockname()[1]
        probe.close()
        await probe.wait_closed()
        self._held.append(await loop.create_server(asyncio.Protocol, host, port, reuse_port=True, start_serving=False))
        return port

    async def stop(self) -> None:
        """Drain the gateways, then end the engines."""
        await asyncio.gather(*(gateway.stop(self._patience_s) for gateway in self._gateways))
        await asyncio.to_thread(self._scheduler.close)
        await asyncio.gather(*(engine.stop(CLOSING_S) for engine in self._engines))
        for held in self._held:
            held.close()
        with suppress(OSError):
            self._folder.cleanup()

    def reload(self, settings: Settings) -> None:
        """Pass on what may change."""
        self._settings = replace(self._settings, **{name: getattr(settings, name) for name in CHANGING})
        told = pickle.dumps(self._settings)
        for child, work in self._works.items():
            work = replace(work, settings=self._settings) if isinstance(work, GatewayWork) else work
            child.renew(self._order(work), told)

    async def exposition(self) -> bytes:
        """The numbers of the whole server."""
        children = [*self._gateways, *self._engines]
        numbers = await asyncio.gather(*(child.numbers(NUMBERS_S) for child in children))
        return self._tally.exposition([*filter(None, numbers), self._own.exposition()])

    def _child(self, work: EngineWork | GatewayWork) -> Child:
        child = Child(self._order(work), answer=self.exposition, died=self._died, still_s=STILL * self._settings.watchdog_s)
        self._works[child] = work
        return child

    def _order(self, work: EngineWork | GatewayWork) -> Order:
        return Order(work, self._settings.log_level, self._settings.log_format)

    def _died(self, child: Child) -> None:
        self._own.restarts.labels("gateway" if child in self._gateways else "engine").inc()
        if child.last:
            self._tally.leave(child.last)
        if child in self._gateways:
            slot = self._gateways.index(child)
            self._slots.set(slot, 0)
            self._slots.wait_for(slot, False)
            self._table.clear(slot)
