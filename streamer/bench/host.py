"""What a stream costs before any model is asked: the server beside a bare sink that reads the same messages and counts bytes.

Same clients, same chunks of 20 ms, the two by turns. Streams per core are the streams over the share of one core that the process took; CPU
time is the process's own, so that a busy machine changes little. The scripted engine decodes nothing; what it takes to make up its
answers, and Silero or WebRTC, are told apart by the clocks of their threads.
"""

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from statistics import median
from typing import Any, Final

import numpy as np

from streamer.bench.host_sides import CHUNK_MS, run_clients, run_server, run_sink

SETTLE_S: Final = 0.5  # until what waited has been read and the caches are warm


@dataclass(frozen=True, slots=True)
class Side:
    """One process while it was talked to. Memory in MB: before the clients came, with all of them silent, at the end."""

    audio_s: float
    """Received, and by the server judged too."""
    seconds: float
    cpu_s: float
    before_mb: float
    idle_mb: float
    talking_mb: float

    @property
    def ms(self) -> float:
        """CPU for one second of one stream, in milliseconds."""
        return 1000 * self.cpu_s / self.audio_s

    @property
    def streams_per_core(self) -> float:
        return 1000 / self.ms


@dataclass(frozen=True, slots=True)
class HostFigures:
    vad: str
    streams: int
    sink: Side
    server: Side
    ratios: tuple[float, ...]
    """The sink's CPU for a second of audio to the server's, round by round."""
    parts_ms: dict[str, float]
    """The server's CPU for one second of one stream by room, the largest first."""

    @property
    def ratio(self) -> float:
        """The server's streams per core to the sink's."""
        return median(self.ratios)

    @property
    def late(self) -> float:
        """Share of what was said that the server had not judged when the rounds ended."""
        return max(0.0, 1 - self.server.audio_s / (self.streams * self.server.seconds))


def measure(vad: str, *, streams: int, rounds: int = 4, round_s: float = 1.5, profile_s: float = 3.0) -> HostFigures:
    """Raises ``OSError`` where this machine gives no process or port."""
    with ExitStack() as stack:
        (sink, sink_port), (server, server_port) = _started(stack, run_sink), _started(stack, run_server, vad)
        before = [_ask(side)["rss_mb"] for side in (sink, server)]
        clients, _ = _started(stack, run_clients, [sink_port, server_port], streams, _speech())
        idle = [_ask(side)["rss_mb"] for side in (sink, server)]
        taken: list[list[Counter[str]]] = [[], []]
        for _ in range(rounds):
            for number, side in enumerate((sink, server)):
                taken[number].append(_round(clients, number, side, round_s))
        talking = [_ask(side)["rss_mb"] for side in (sink, server)]
        totals = [sum(rows, Counter()) for rows in taken]
        parts = _parts(totals[1], _profiled(clients, server, profile_s)) if profile_s else {}
    rows = zip(totals, before, idle, talking, strict=True)
    quiet, busy = (Side(total["audio_s"], total["s"], total["cpu_s"], *megabytes) for total, *megabytes in rows)
    ratios = tuple(a["cpu_s"] / a["audio_s"] / (b["cpu_s"] / b["audio_s"]) for a, b in zip(*taken, strict=True))
    return HostFigures(vad, streams, quiet, busy, ratios, dict(sorted(parts.items(), key=lambda part: -part[1])))


def _round(clients: Pipe, number: int, side: Pipe, seconds: float) -> "Counter[str]":
    """What one side used while it was talked to, the first moments left out."""
    clients.send(number)
    clients.recv()
    time.sleep(SETTLE_S)
    began, begin = time.monotonic(), _ask(side)
    time.sleep(seconds)
    took, end = time.monotonic() - began, _ask(side)
    return Counter({"s": took} | {name: end[name] - begin[name] for name in begin if name.endswith("_s")})


def _profiled(clients: Pipe, server: Pipe, seconds: float) -> dict[str, float]:
    """CPU of the server's event loop by room. After the rounds, which the profiler would slow down."""
    clients.send(1)
    clients.recv()
    server.send("profile")
    time.sleep(seconds)
    rooms: dict[str, float] = _ask(server)["rooms"]
    return rooms


def _parts(total: "Counter[str]", rooms: dict[str, float]) -> dict[str, float]:
    """The loop's time of the rounds, in the proportions of the profile, and the time of the threads beside it."""
    ms = {name: 1000 * total[f"{name}_s"] / total["audio_s"] for name in ("cpu", "loop", "judge", "engine")}
    shares = {room: ms["loop"] * taken / sum(rooms.values()) for room, taken in rooms.items()}
    threads = max(0.0, ms["cpu"] - ms["loop"] - ms["judge"] - ms["engine"])
    beside = {"detector": ms["judge"] + shares.get("detector", 0.0), "scripted engine": ms["engine"], "between threads": threads}
    return shares | beside


def _ask(side: Pipe) -> dict[str, Any]:
    side.send("usage")
    answer: dict[str, Any] = side.recv()
    return answer


def _started(stack: ExitStack, run: Callable[..., None], *arguments: Any) -> tuple[Pipe, Any]:
    return stack.enter_context(_process(run, *arguments))


@contextmanager
def _process(run: Callable[..., None], *arguments: Any) -> Iterator[tuple[Pipe, Any]]:
    """A process and the first thing it said; ended at the end."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=run, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours, ours.recv()
        ours.send("stop")
        process.join(10)
    finally:
        process.kill()
        process.join()


def _speech() -> bytes:
    """Somebody who reads without a stop: 16 kHz PCM16."""
    from streamer.bench.builtin import builtin

    items = [item for item in builtin().items if item.name.startswith("clean/")]
    sound = np.concatenate([item.load().samples[0] for item in items])
    whole = len(sound) - len(sound) % (16 * CHUNK_MS)
    return sound[:whole].tobytes()
