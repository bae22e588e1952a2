"""What a job costs an engine process beside the model: received, queued, batched, answered, for several gateways.

The gateways' side is real too and lives in this process: each keeps so many jobs of different sessions unanswered. The model is a pause
for each batch, or as long a Python loop, which keeps the interpreter's lock as the launching of kernels does.
"""

import asyncio
import itertools
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

import streamer.engine
from streamer.bench.latency import quantiles
from streamer.core.events import SAMPLE_RATE, Answer, Job, JobKind
from streamer.engine import BatchLimits, WarmUp
from streamer.engine.ctc import PROMPT_ROWS, ROW_SAMPLES
from streamer.engine.folder import describe
from streamer.engine.rows import BUCKETS_S, Reader, RowEngine, Rows
from streamer.engine.scheduler import Health
from streamer.workers.child import Child, Order
from streamer.workers.engine import EngineWork
from streamer.workers.remote import RemoteScheduler

LIMITS: Final = BatchLimits(max_items=128, max_audio_s=480.0, buckets_s=BUCKETS_S, free_padding_s=60.0)  # a GPU's
MINIATURE: Final = Path(streamer.engine.__file__).parent / "miniature"
SETTLE_S: Final = 0.5
SPREAD: Final = (0.4, 1.6)  # lengths of audio, of the mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    gateways: int
    window: int
    """Unanswered jobs of each gateway."""
    audio_s: float
    """Of a job, on average."""
    forward_ms: float
    holds_lock: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFigures:
    """Processor times are for one job, in microseconds."""

    jobs_per_s: float
    loop_us: float
    """The engine process's loop: receiving, queueing, answering."""
    thread_us: float
    """Its scheduler's thread, without the model."""
    gateway_us: float
    """A gateway's side, with the reading of rows."""
    batch: float
    p50_ms: float
    """From submission to answer."""
    p99_ms: float


class Blank(RowEngine):
    """The rows of a few words for whatever it is given, after ``forward_ms``."""

    def __init__(self, forward_ms: float, holds_lock: bool) -> None:
        reader = Reader(describe(MINIATURE).vocabulary, MINIATURE)
        super().__init__(reader, LIMITS, name="blank", device="none", notice=None)
        self._forward_s, self._holds_lock = forward_ms / 1000, holds_lock
        self._tags = np.zeros((PROMPT_ROWS, len(reader.tags)), np.float32)

    def warm_up(self) -> WarmUp:
        return WarmUp(seconds=0.0, forwards=())

    def rows(self, jobs: Sequence[Job]) -> list[Rows]:
        if self._holds_lock:
            end = time.thread_time() + self._forward_s
            while time.thread_time() < end:
                pass
        else:
            time.sleep(self._forward_s)
        return [self._rows(len(job.samples)) for job in jobs]

    def _rows(self, samples: int) -> Rows:
        """A token of one row every quarter of a second."""
        ids = np.zeros(PROMPT_ROWS + samples // ROW_SAMPLES, np.int64)
        ids[PROMPT_ROWS::4] = 100 + np.arange(len(ids[PROMPT_ROWS::4])) % 50
        return Rows(ids, np.full(len(ids), 0.9, np.float32), self._tags)

    def close(self) -> None:
        """Nothing to free."""


def measure(plan: Plan) -> ProcessFigures:
    """Raises ``OSError`` where this machine gives no process."""
    import uvloop

    figures: ProcessFigures = uvloop.run(_measure(plan))
    return figures


async def _measure(plan: Plan) -> ProcessFigures:
    with tempfile.TemporaryDirectory(prefix="streamer-") as folder:
        async with AsyncExitStack() as stack:
            path = Path(folder) / "engine"
            work = EngineWork(name="engine 1", build=partial(Blank, plan.forward_ms, plan.holds_lock), path=path, leave_s=1.0)
            child = Child(Order(work, "warning"), answer=_nothing, died=lambda child: None)
            stack.push_async_callback(child.stop, 10.0)
            gateways = [_Gateway(path, plan) for _ in range(plan.gateways)]
            for gateway in gateways:
                stack.push_async_callback(asyncio.to_thread, gateway.scheduler.close)
                await gateway.start()
            await asyncio.sleep(SETTLE_S)
            begin = await _look(child, gateways)
            await asyncio.sleep(plan.seconds)
            end = await _look(child, gateways)
            for gateway in gateways:
                gateway.talking = False
    took = {name: end[name] - begin[name] for name in begin}
    jobs = took["jobs"]
    waits = quantiles(wait for gateway in gateways for wait in gateway.waits_ms)
    model_s = took["batches"] * plan.forward_ms / 1000 if plan.holds_lock else 0.0
    return ProcessFigures(
        jobs_per_s=jobs / took["at"],
        loop_us=took["loop_s"] / jobs * 1e6,
        thread_us=(took["thread_s"] - model_s) / jobs * 1e6,
        gateway_us=took["own_s"] / jobs * 1e6,
        batch=took["items"] / took["batches"],
        p50_ms=waits["p50"] or 0.0,
        p99_ms=waits["p99"] or 0.0,
    )


class _Gateway:
    """Submits a job for each that is answered."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.scheduler = RemoteScheduler(path)
        self.jobs, self.talking = 0, True
        self.waits_ms: list[float] = []
        self._numbers, self._window = itertools.count(), plan.window
        rng = np.random.default_rng(0)
        lengths = (plan.audio_s * SAMPLE_RATE * rng.uniform(*SPREAD, 64)).astype(int)
        self._audio = [rng.integers(-8000, 8000, length, np.int16) for length in lengths]

    async def start(self) -> None:
        warm = asyncio.Event()
        self.scheduler.on_health(lambda health: warm.set() if health is Health.WARM else None)
        self.scheduler.start()
        await warm.wait()
        for _ in range(self._window):
            self._submit()

    def _submit(self) -> None:
        number = next(self._numbers)
        samples = self._audio[number % len(self._audio)]
        session = f"{id(self):x}-{number % (2 * self._window)}"
        job = Job(session=session, channel=0, segment=number, kind=JobKind.PARTIAL, begin=0, end=len(samples), samples=samples)
        self.scheduler.submit(job, partial(self._answered, time.perf_counter()))

    def _answered(self, since: float, answer: Answer) -> None:
        if self.talking:
            self.jobs += 1
            self.waits_ms.append((time.perf_counter() - since) * 1000)
            self._submit()


async def _look(child: Child, gateways: list[_Gateway]) -> dict[str, float]:
    text = (await child.numbers(5.0)).decode()
    numbers = dict(line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    assert child.pid
    loop_s, all_s = _cpu_s(Path(f"/proc/{child.pid}/task/{child.pid}")), _cpu_s(Path(f"/proc/{child.pid}"))
    return {
        "at": time.perf_counter(),
        "jobs": sum(gateway.jobs for gateway in gateways),
        "loop_s": loop_s,
        "thread_s": all_s - loop_s,
        "own_s": time.process_time(),
        "items": float(numbers["streamer_batch_items_sum"]),
        "batches": float(numbers["streamer_batch_items_count"]),
    }


def _cpu_s(folder: Path) -> float:
    """Of a process or a thread."""
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _nothing() -> bytes:
    return b""
