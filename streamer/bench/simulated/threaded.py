"""The same clients before the real scheduler, its thread and the real clock, to check the simulation against."""

import queue
import time
from collections.abc import Callable, Sequence
from typing import Final

from streamer.bench.simulated.device import Answered, Spent, heard
from streamer.core.events import Answer, Failed, Hypothesis, Job
from streamer.engine import BatchLimits
from streamer.engine.scheduler import Batch, Health, Scheduler
from streamer.engine.scripted import Script, Scripted

WARM_S: Final = 30.0


class Paced(Scripted):
    """Sleeps as long as the formula says, and hears what the simulated device hears."""

    def __init__(self, cost: Callable[[Sequence[Job]], float], limits: BatchLimits) -> None:
        super().__init__(Script(limits=limits))
        self._cost = cost

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis | Failed]:
        time.sleep(self._cost(jobs))
        return [heard(job) for job in jobs]


class ThreadedDevice:
    """A ``Device`` whose ``advance`` waits for the clock. Close it."""

    def __init__(self, cost: Callable[[Sequence[Job]], float], limits: BatchLimits, answered: Answered) -> None:
        self._answered = answered
        self._delivered: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.spent = Spent()
        self._scheduler = Scheduler(lambda: Paced(cost, limits), deliver=self._delivered.put, observe=self._observe)
        self._scheduler.on_health(lambda health: None)  # delivered like an answer, it wakes the loop below
        self._scheduler.start()
        while self._scheduler.health is not Health.WARM:
            self._delivered.get(timeout=WARM_S)()
        self._began = time.perf_counter()

    def submit(self, job: Job, now: float) -> None:
        self._scheduler.submit(job, self._give)

    def promote(self, session: str, segment: int) -> None:
        self._scheduler.promote(session, segment)

    def discard(self, session: str, segment: int, now: float) -> None:
        self._scheduler.discard(session, segment)

    def advance(self, to: float) -> None:
        while True:
            left = to - self._now()
            try:
                deliver = self._delivered.get(timeout=left) if left > 0 else self._delivered.get_nowait()
            except queue.Empty:
                return
            deliver()

    def close(self) -> None:
        self._scheduler.close()

    def _now(self) -> float:
        return time.perf_counter() - self._began

    def _give(self, answer: Answer) -> None:
        self._answered(answer, self._now())

    def _observe(self, batch: Batch) -> None:
        self.spent.add(batch.decode_ms / 1000, batch.items, batch.audio_s, batch.padded_s)
