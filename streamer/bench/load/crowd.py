"""Many clients in processes of their own, so that the generator is not what is measured."""

import asyncio
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from streamer.bench.load.client import speak
from streamer.bench.load.speech import compose
from streamer.bench.load.trace import Trace
from streamer.core.events import Samples

CLIENTS_PER_PROCESS: Final = 100  # at 20 ms chunks 5,000 messages a second, about half of what a core can send


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """``clients`` begin at random within ``ramp_s``; each speaks for ``seconds`` from then on. ``start`` holds settings of a session."""

    url: str
    clients: int
    seconds: float
    ramp_s: float
    chunk_ms: int = 100
    seed: int = 0
    processes: int | None = None
    start: Mapping[str, Any] = field(default_factory=dict)

    @property
    def spread(self) -> list[list[int]]:
        """The clients' numbers, process by process."""
        wanted = self.processes or max(1, min(os.cpu_count() or 1, -(-self.clients // CLIENTS_PER_PROCESS)))
        return [list(range(first, self.clients, wanted)) for first in range(min(wanted, self.clients))]


def run_crowd(crowd: Crowd, phrases: Sequence[Samples]) -> list[Trace]:
    """All clients' traces, in the order of their numbers. Takes ``ramp_s + seconds`` and what the server needs to say goodbye."""
    spread = crowd.spread
    with ProcessPoolExecutor(len(spread), mp_context=multiprocessing.get_context("spawn")) as pool:
        done = [pool.submit(_work, crowd, numbers, phrases) for numbers in spread]
        traces = {
            number: trace for numbers, part in zip(spread, done, strict=True) for number, trace in zip(numbers, part.result(), strict=True)
        }
    return [traces[number] for number in sorted(traces)]


def _work(crowd: Crowd, numbers: Sequence[int], phrases: Sequence[Samples]) -> list[Trace]:
    """In a process of its own."""
    try:
        import uvloop
    except ImportError:  # no wheel for this platform
        return asyncio.run(_speak_all(crowd, numbers, phrases))
    return uvloop.run(_speak_all(crowd, numbers, phrases))


async def _speak_all(crowd: Crowd, numbers: Sequence[int], phrases: Sequence[Samples]) -> list[Trace]:
    return await asyncio.gather(*(_speak(crowd, number, phrases) for number in numbers))


async def _speak(crowd: Crowd, number: int, phrases: Sequence[Samples]) -> Trace:
    random = Random(f"{crowd.seed} {number}")
    delay_s = random.uniform(0.0, crowd.ramp_s)
    programme = compose(phrases, crowd.seconds, random)
    await asyncio.sleep(delay_s)
    return await speak(crowd.url, programme, crowd.chunk_ms, crowd.start)
