"""One thread that owns one model: it builds the engine, warms it, and decodes batches until it is closed.

Every submitted job gets exactly one answer, in the thread of the caller's choosing (``deliver``). Where the device runs out of memory,
the cap of a batch is halved. A thread that dies is noticed: readiness goes, the jobs it held are tried once more, and a new thread builds
a new engine, after a pause that grows while it keeps dying. A thread that does not come back from a batch is noticed too, by another that
looks at it now and then: it is left to itself, and a new one does the same in its place.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from streamer.core.events import SAMPLE_RATE, Answer, Dropped, Failed, Hypothesis, Job, ModelInfo
from streamer.engine import BatchLimits, Engine, WarmUp
from streamer.engine.decoding import decode
from streamer.engine.queue import MAX_JOBS, Entry, JobQueue

logger: Final = logging.getLogger(__name__)

Answered = Callable[[Answer], None]
Deliver = Callable[[Callable[[], None]], object]
"""Runs a function where answers belong: ``loop.call_soon_threadsafe``."""

RESTART_PAUSE_S: Final = (0.1, 1.0, 5.0, 15.0)  # after the first, second … death in a row
HUNG_S: Final = 30.0  # for a batch: the longest job is 30 s of audio, and an engine that is slower than speech is of no use here
LOOKS: Final = 4  # within that time; a hang is noticed a quarter later at the most
PREPARING: Final = 4  # times that long may the next engine take to be warm: its files have been read once
FADING: Final = 0.95  # of what earlier batches count for the speed, with each one more
MAX_TRIES: Final = 2  # a job that was in the hands of two threads that died is given up


class Health(Enum):
    LOADING = "loading"
    WARM = "warm"
    RESTARTING = "restarting"
    FAILED = "failed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one forward cost, for metrics."""

    items: int
    audio_s: float
    padded_s: float
    decode_ms: float
    queue_ms: tuple[float, ...]
    kinds: tuple[str, ...]


class Scheduler:
    """The queue and the thread of one device. Methods may be called from any thread."""

    def __init__(
        self,
        build: Callable[[], Engine],
        *,
        deliver: Deliver,
        clock: Callable[[], float] = time.perf_counter,
        observe: Callable[[Batch], None] = lambda batch: None,
        max_jobs: int = MAX_JOBS,
        hung_s: float = HUNG_S,
        hung: Callable[[], None] | None = None,
    ) -> None:
        """A batch that takes ``hung_s`` is given up, and a new thread begins; 0 waits for ever. ``hung`` is told when that hangs too."""
        self._build, self._deliver, self._clock, self._observe = build, deliver, clock, observe
        self._max_jobs, self._hung_s, self._hung = max_jobs, hung_s, hung
        self._wake = threading.Condition()
        self._queue: JobQueue | None = None  # its bounds are the engine's
        self._early: list[tuple[Job, float]] = []  # submitted while the first engine was loading
        self._answered: dict[int, Answered] = {}
        self._tries: dict[int, int] = {}
        self._running: list[Entry] = []
        self._changed: list[Callable[[Health], None]] = []
        self.health = Health.LOADING
        self.info: ModelInfo | None = None
        self.warm_up: WarmUp | None = None
        self.failure: Exception | None = None
        """Why the engine could not be built the first time."""
        self._spent_s = self._decoded_s = 0.0  # of late
        self._suspects: deque[Entry] = deque()  # of a batch that came to nothing: tried alone, so that only who does it again is given up
        self._batches = self._builds = 0
        self._generation = 0  # of threads: what an earlier one still does has no effect
        self._closing = threading.Event()
        self._thread = self._new_thread()
        self._watchdog = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Start the thread. ``health`` turns WARM, or FAILED with a ``failure``."""
        self._thread.start()
        if self._hung_s:
            self._watchdog.start()

    def on_health(self, changed: Callable[[Health], None]) -> None:
        """Call this, through ``deliver``, whenever the health changes."""
        self._changed.append(changed)

    @property
    def devices(self) -> "tuple[Scheduler, ...]":
        """Itself alone."""
        return (self,)

    @property
    def queued_ms(self) -> int:
        """Audio that waits for the engine."""
        with self._wake:
            return (self._queue.audio_samples if self._queue else 0) * 1000 // SAMPLE_RATE

    @property
    def queued_jobs(self) -> int:
        with self._wake:
            return len(self._queue) if self._queue else len(self._early)

    @property
    def delay_s(self) -> float:
        """How long a newcomer's jobs would wait, by the speed of late."""
        with self._wake:
            due_s = self._queue.due_samples / SAMPLE_RATE if self._queue else 0.0
            return due_s * self._spent_s / self._decoded_s if self._decoded_s else 0.0

    def submit(self, job: Job, answered: Answered) -> None:
        """Queue a job; ``answered`` is called exactly once."""
        with self._wake:
            if self.health in (Health.CLOSED, Health.FAILED):
                self._deliver(lambda: answered(Failed(job, f"the engine is {self.health.value}")))
                return
            self._answered[id(job)] = answered
            self._enqueue(job, self._clock())
            self._wake.notify()

    def promote(self, session: str, segment: int) -> None:
        """The queued speculation of this segment has become its final."""
        with self._wake:
            if self._queue:
                self._queue.promote(session, segment)

    def discard(self, session: str, segment: int | None = None) -> None:
        """Drop a segment's queued jobs that are not finals, or everything of a session that is gone."""
        with self._wake:
            if self._queue:
                self._drop(self._queue.discard(session, segment))

    def close(self, timeout_s: float = 10.0) -> None:
        """Answer what is queued with ``Failed``, free the engine and end its threads."""
        with self._wake:
            self._set_health(Health.CLOSED)
            self._closing.set()
            self._wake.notify()
        for thread in (self._watchdog, self._thread):
            if thread.is_alive():
                thread.join(timeout_s)

    def _enqueue(self, job: Job, now: float) -> None:
        if self._queue is None:
            self._early.append((job, now))
        else:
            self._drop(self._queue.put(job, now))

    def _drop(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self._answer(Dropped(job))

    def _answer(self, answer: Answer) -> None:
        self._tries.pop(id(answer.job), None)
        answered = self._answered.pop(id(answer.job))
        self._deliver(lambda: answered(answer))

    def _set_health(self, health: Health) -> None:
        if self.health is health or self.health is Health.CLOSED:
            return
        self.health = health
        for changed in self._changed:
            self._deliver(lambda changed=changed: changed(health))  # type: ignore[misc]

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._supervise, args=(self._generation,), name="engine", daemon=True)

    def _supervise(self, mine: int) -> None:
        deaths = 0
        while self.health is not Health.CLOSED and self._generation == mine:
            engine: Engine | None = None
            try:
                engine = self._prepare()
                while self._step(engine, mine):
                    deaths = 0
            except BaseException as error:  # noqa: BLE001 - the last line of defence: whatever killed the engine, the thread goes on
                if not self._recover(error, deaths, mine):
                    break
                deaths += 1
            finally:
                if engine is not None:
                    _free(engine)
        if self._generation == mine:
            self._refuse_all()

    def _watch(self) -> None:
        """The watchdog's thread. It looks and counts: it needs no clock, and costs the batches nothing."""
        seen, looks = (0, 0), 0
        while not self._closing.wait(self._hung_s / LOOKS):
            with self._wake:
                now = self._batches, self._builds
                looks = looks + 1 if now == seen else 0
                seen = now
                if self._running and looks >= LOOKS:
                    self._give_up()
                elif self._hung and self.health is Health.RESTARTING and looks >= LOOKS * PREPARING:
                    logger.error("a new engine is not warm after %.0f s", self._hung_s * PREPARING)
                    self._hung()

    def _give_up(self) -> None:
        logger.error("the engine has not answered %d jobs for %.1f s; it is given up", len(self._running), self._hung_s)
        self._generation += 1
        self._set_health(Health.RESTARTING)
        self._try_again("the engine hung on it")
        self._thread = self._new_thread()
        self._thread.start()

    def _prepare(self) -> Engine:
        self._builds += 1
        engine = self._build()
        self.info = engine.info
        self.warm_up = engine.warm_up()
        with self._wake:
            if self._queue is None:
                self._queue = JobQueue(engine.batch_limits, self._max_jobs)
                for job, since in self._early:
                    self._drop(self._queue.put(job, since))
                self._early.clear()
            self._set_health(Health.WARM)
        logger.info("engine %s on %s is warm after %.1f s", self.info.name, self.info.device, self.warm_up.seconds)
        for items, audio_s, cost_ms in self.warm_up.forwards:
            logger.info("warm-up: a batch of %d x %.1f s cost %.0f ms", items, audio_s, cost_ms)
        return engine

    def _recover(self, error: BaseException, deaths: int, mine: int) -> bool:
        """After the engine died: give its jobs another try, and pause. False when there is no sense in going on."""
        with self._wake:
            if self._generation != mine:
                return False
            if self.info is None:  # it never lived: a wrong model or device does not mend itself
                self.failure = error if isinstance(error, Exception) else RuntimeError(f"its thread was ended by {error!r}")
                self._set_health(Health.FAILED)
                return False
            logger.error("the engine died: %s; building a new one", error, exc_info=error)
            self._set_health(Health.RESTARTING)
            self._try_again(f"the engine died on it: {error}")
            pause = RESTART_PAUSE_S[min(deaths, len(RESTART_PAUSE_S) - 1)]
            self._wake.wait_for(lambda: self.health is Health.CLOSED, pause)
        return True

    def _try_again(self, reason: str) -> None:
        """The jobs of the batch that came to nothing."""
        for entry in self._running:
            tries = self._tries.get(id(entry.job), 1)
            if tries >= MAX_TRIES:
                self._answer(Failed(entry.job, reason))
            else:
                self._tries[id(entry.job)] = tries + 1
                self._suspects.append(entry)
        self._running = []

    def _step(self, engine: Engine, mine: int) -> bool:
        """Decode one batch. False when closed, or given up meanwhile."""
        with self._wake:
            assert self._queue is not None
            queue = self._queue
            self._wake.wait_for(lambda: len(queue) or self._suspects or self.health is Health.CLOSED)
            if self.health is Health.CLOSED:
                return False
            self._running = taken = [self._suspects.popleft()] if self._suspects else queue.take()
            self._batches += 1
        began = self._clock()
        answers = decode(engine, [entry.job for entry in taken], self._shrink)
        decode_ms = (self._clock() - began) * 1000
        with self._wake:
            if self._generation != mine:
                return False
            for entry, answer in zip(taken, answers, strict=True):
                if isinstance(answer, Hypothesis):
                    answer = replace(answer, queue_ms=(began - entry.since) * 1000, decode_ms=decode_ms)
                self._answer(answer)
            self._running = []
            self._spent_s = FADING * self._spent_s + decode_ms / 1000
            self._decoded_s = FADING * self._decoded_s + sum(entry.samples for entry in taken) / SAMPLE_RATE
        self._observe(_measure(taken, began, decode_ms, engine.batch_limits))
        return True

    def _shrink(self, padded_s: float) -> None:
        """The device could not hold a batch of this size. Its cap stays halved: what took the memory may come again."""
        with self._wake:
            assert self._queue is not None
            limits = self._queue.limits
            self._queue.limits = replace(limits, max_audio_s=min(limits.max_audio_s, padded_s / 2))
            logger.warning("the device cannot hold %.1f s of audio at once; batches now hold %.1f s", padded_s, padded_s / 2)

    def _refuse_all(self) -> None:
        with self._wake:
            reason = f"the engine could not be loaded: {self.failure}" if self.failure else "the server is closing"
            for entry in (*self._running, *self._suspects):
                self._answer(Failed(entry.job, reason))
            while self._queue and (batch := self._queue.take()):
                for entry in batch:
                    self._answer(Failed(entry.job, reason))
            for job, _ in self._early:
                self._answer(Failed(job, reason))
            self._early.clear()


def _free(engine: Engine) -> None:
    try:
        engine.close()
    except Exception as error:  # noqa: BLE001 - a device that is lost may not even be left
        logger.warning("the engine could not be closed: %s", error)


def _measure(batch: list[Entry], began: float, decode_ms: float, limits: BatchLimits) -> Batch:
    lengths = [(entry.job.end - entry.job.begin) / SAMPLE_RATE for entry in batch]
    return Batch(
        items=len(batch),
        audio_s=sum(lengths),
        padded_s=limits.decoded_s(lengths),
        decode_ms=decode_ms,
        queue_ms=tuple((began - entry.since) * 1000 for entry in batch),
        kinds=tuple(entry.kind.name.lower() for entry in batch),
    )
