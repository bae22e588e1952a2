"""A gateway process: the server of ``streamer serve``, with its engines in other processes and its port shared."""

import asyncio
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from streamer.calls import Calls, Tell
from streamer.configured import ConfiguredServer
from streamer.direct import DirectConnection
from streamer.engine.placement import placed
from streamer.engine.scheduler import Batch, Deliver
from streamer.engine.scheduling import Scheduling
from streamer.metrics import Metrics
from streamer.returning import Returns
from streamer.settings import Settings
from streamer.wires import Back
from streamer.workers import passing, relay
from streamer.workers.board import SharedBoard, Table
from streamer.workers.channel import Channel
from streamer.workers.remote import RemoteScheduler
from streamer.workers.slots import Slots

SCRAPE_S: Final = 5.0


class Neighbours:
    """The other gateways: their sessions, and through the supervisor everybody's numbers."""

    shares_port: Final = True
    judge_threads: Final = 1  # there is a gateway for each core or two

    def __init__(self, channel: Channel, slots: Slots, slot: int, relays: Sequence[Path]) -> None:
        self._channel, self._slots, self._slot = channel, slots, slot
        self._relays = relays
        self._others = [path for number, path in enumerate(relays) if number != slot]

    def sessions(self, own: int) -> int:
        self._slots.set(self._slot, own)
        return self._slots.total

    def ready(self, own: bool) -> bool:
        self._slots.wait_for(self._slot, not own)
        return self._slots.ready

    async def exposition(self, own: Metrics) -> bytes:
        try:
            return await self._channel.ask(SCRAPE_S)
        except TimeoutError:  # the supervisor is gone, and so will we be
            return own.exposition()

    async def share(self, calls: Calls, returns: Returns) -> None:
        await relay.share(self._relays[self._slot], calls, returns)

    async def follow(self, call_id: str, tell: Tell) -> None:
        await relay.follow(self._others, call_id, tell)

    async def why_not(self, back: Back) -> str | None:
        return await passing.why_not(self._others, back)

    async def pass_on(self, socket: DirectConnection, back: Back) -> None:
        await passing.pass_on(self._others, socket, back)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayWork:
    """What a gateway process is told to do."""

    name: str
    settings: Settings
    port: int
    listen: Mapping[str, int]
    slot: int
    slots: Path
    board: Path
    workers: int
    engines: tuple[Path, ...]
    relays: tuple[Path, ...]
    """Where each gateway answers the others."""

    async def run(self, channel: Channel) -> None:
        def engines(deliver: Deliver, observe: Callable[[Batch], None]) -> Scheduling:
            return placed([RemoteScheduler(path) for path in self.engines])

        settings = replace(self.settings, port=self.port, listen=self.listen)
        company = Neighbours(channel, Slots(self.slots, self.workers), self.slot, self.relays)
        server = ConfiguredServer(settings, engines, company=company, board=SharedBoard(Table(self.board, self.workers), self.slot))

        async def exposition() -> bytes:
            return await asyncio.sleep(0, server.metrics.exposition())

        configure = channel.told

        def reload(data: bytes) -> None:
            configure(data)
            server.reload(pickle.loads(data))

        channel.answer, channel.told = exposition, reload
        await server.start()
        channel.say_ready()
        await channel.ended.wait()
        await server.stop()
