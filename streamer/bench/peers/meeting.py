"""Clients before any server: clips in real time or as fast as they go, each a session, and what the server takes for them."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from time import monotonic
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from streamer.bench.latency import quantiles
from streamer.bench.load.usage import usage_of
from streamer.bench.peers.wires import Heard, Said, Wire
from streamer.core.events import SAMPLE_RATE, Samples

CHUNK: Final = SAMPLE_RATE // 10
PATIENCE_S: Final = 60.0  # from the last sample to the end
RAMP_S: Final = 1.0  # within which the clients begin


@dataclass(slots=True)
class Talk:
    """One session: when, on the machine's clock, and what came of it."""

    seconds: float
    first_s: float | None = None
    """From the first sample to the first text."""
    final_s: float | None = None
    """From the last sample to the text that is final."""
    partials: int = 0
    text: str = ""
    failure: str | None = None
    begun: float | None = None
    ended: float | None = None
    """When the first sample was sent, and the last one."""

    def hear(self, heard: Heard) -> None:
        now = monotonic()
        if heard.text and self.first_s is None:
            self.first_s = now - (self.begun or now)
        if heard.said is Said.PARTIAL:
            self.partials += 1
        else:
            self.final_s = now - (self.ended or now)
        if heard.whole:
            self.text = heard.text
        elif heard.said is Said.FINAL:
            self.text = f"{self.text} {heard.text}".strip()


async def talk(url: str, wire: Wire, clip: Samples, *, paced: bool) -> Talk:
    """Say one clip. What goes wrong is noted, not raised."""
    found = Talk(len(clip) / SAMPLE_RATE)
    try:
        async with connect(f"{url}{wire.path}", max_size=None, compression=None, ping_interval=None) as socket:
            ready = asyncio.Event()
            listening = asyncio.create_task(_listen(socket, wire, found, ready))
            try:
                for message in wire.opening(clip):
                    await socket.send(message)
                if wire.greets:
                    await asyncio.wait_for(ready.wait(), PATIENCE_S)
                found.begun = monotonic()
                await _send(socket, wire, clip, found.begun if paced else None)
                found.ended = monotonic()
                for message in wire.closing():
                    await socket.send(message)
                await asyncio.wait_for(listening, PATIENCE_S)
            finally:
                listening.cancel()
                with suppress(asyncio.CancelledError, ConnectionClosed):
                    await listening
    except TimeoutError:
        found.failure = f"nothing final within {PATIENCE_S:.0f} s of the last sample"
    except (ConnectionClosed, InvalidHandshake, OSError) as error:
        found.failure = str(error)
    if found.final_s is None and found.failure is None:
        found.failure = "the server ended the session without a final text"
    return found


async def _send(socket: ClientConnection, wire: Wire, clip: Samples, begin: float | None) -> None:
    """On an absolute clock where there is a ``begin``."""
    for number, at in enumerate(range(0, len(clip), CHUNK), 1):
        if begin is not None:
            await asyncio.sleep(begin + number * CHUNK / SAMPLE_RATE - monotonic())
        await socket.send(wire.audio(clip[at : at + CHUNK]))


async def _listen(socket: ClientConnection, wire: Wire, found: Talk, ready: asyncio.Event) -> None:
    async for message in socket:
        for heard in wire.read(message):
            if heard.said is Said.READY:
                ready.set()
            elif heard.said is Said.OVER:
                return
            else:
                found.hear(heard)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """So many clients at once, each saying its share of the clips one after the other."""

    clients: int
    paced: bool
    clips: Sequence[Samples]


async def meet(url: str, pid: int, wire: Wire, plan: Plan) -> dict[str, Any]:
    """Figures of one server and so many clients: times in ms, processor seconds of its processes, memory in MB."""
    random = Random(0)

    async def client(number: int) -> list[Talk]:
        await asyncio.sleep(random.uniform(0, RAMP_S) if plan.paced else 0)
        return [await talk(url, wire, clip, paced=plan.paced) for clip in plan.clips[number :: plan.clients]]

    before, began = usage_of(pid), monotonic()
    talks = [one for part in await asyncio.gather(*map(client, range(plan.clients))) for one in part]
    took, after = monotonic() - began, usage_of(pid)
    return {"clients": plan.clients, "paced": plan.paced} | figures(
        talks, took, after.cpu_s - before.cpu_s if before and after else None, after.rss_mb if after else None
    )


def figures(talks: Sequence[Talk], took_s: float, cpu_s: float | None, rss_mb: float | None) -> dict[str, Any]:
    done = [one for one in talks if one.failure is None]
    seconds = sum(one.seconds for one in done)
    return {
        "final_ms": quantiles([1000 * one.final_s for one in done if one.final_s is not None]),
        "first_ms": quantiles([1000 * one.first_s for one in done if one.first_s is not None]),
        "partials_per_s": round(sum(one.partials for one in done) / seconds, 2) if seconds else None,
        "audio_s_per_s": round(seconds / took_s, 2),
        "cpu_s_per_audio_s": None if cpu_s is None or not seconds else round(cpu_s / seconds, 4),
        "rss_mb": None if rss_mb is None else round(rss_mb),
        "silent": sum(not one.text for one in done),
        "failures": sorted({one.failure for one in talks if one.failure}),
    }
