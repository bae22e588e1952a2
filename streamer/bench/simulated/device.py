"""One device on a virtual clock: the scheduler's own queue before an engine whose forward costs what a formula says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

from streamer.core.events import SAMPLE_RATE, Answer, Dropped, Hypothesis, Job, JobKind, Token
from streamer.engine import BatchLimits
from streamer.engine.queue import Entry, JobQueue

WORD: Final = SAMPLE_RATE  # samples; few words, for they cost the host and are not what is measured

Answered = Callable[[Answer, float], None]
"""Takes an answer and the second at which it came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one forward takes: a fixed part, and the audio at a rate, padding included. ``streamer bench engine`` measures both."""

    fixed_s: float
    audio_s_per_s: float
    packed: bool = False
    """Nothing is padded, as in ``BatchLimits``."""

    def __call__(self, jobs: Sequence[Job]) -> float:
        """Seconds for this batch."""
        lengths = [job.end - job.begin for job in jobs]
        return self.fixed_s + (sum(lengths) if self.packed else len(jobs) * max(lengths)) / SAMPLE_RATE / self.audio_s_per_s

    @property
    def free_padding_s(self) -> float:
        """As in ``BatchLimits``."""
        return self.fixed_s * self.audio_s_per_s


@dataclass(slots=True)
class Spent:
    """What the device did, from the time on that counts."""

    busy_s: float = 0.0
    batches: int = 0
    items: int = 0
    audio_s: float = 0.0
    padded_s: float = 0.0
    finals_passed: int = 0
    """Batches that held something else while a final waited."""

    def add(self, cost_s: float, items: int, audio_s: float, padded_s: float) -> None:
        self.busy_s += cost_s
        self.batches += 1
        self.items += items
        self.audio_s += audio_s
        self.padded_s += padded_s


class Device(Protocol):
    """Jobs in, answers out. Times are seconds from the beginning."""

    spent: Spent

    def submit(self, job: Job, now: float) -> None: ...
    def promote(self, session: str, segment: int) -> None: ...
    def discard(self, session: str, segment: int, now: float) -> None: ...
    def advance(self, to: float) -> None:
        """Give all answers that come until then."""


OpenDevice = Callable[[Answered], Device]


class VirtualDevice:
    """Takes no time: answers come in the order and at the times at which ``engine.scheduler`` would give them."""

    def __init__(self, cost: Callable[[Sequence[Job]], float], limits: BatchLimits, answered: Answered) -> None:
        self._cost, self._limits, self._answered = cost, limits, answered
        self._queue = JobQueue(limits)
        self._running: list[Entry] = []
        self._began = self._done = 0.0
        self.spent = Spent()

    def submit(self, job: Job, now: float) -> None:
        for lost in self._queue.put(job, now):
            self._answered(Dropped(lost), now)
        if not self._running:
            self._begin(now)

    def promote(self, session: str, segment: int) -> None:
        self._queue.promote(session, segment)

    def discard(self, session: str, segment: int, now: float) -> None:
        for lost in self._queue.discard(session, segment):
            self._answered(Dropped(lost), now)

    def advance(self, to: float) -> None:
        while self._running and self._done <= to:
            now, began, batch = self._done, self._began, self._running
            self._begin(now)  # before the answers are read: the engine has a thread of its own
            for entry in batch:
                self._answered(heard(entry.job, queue_ms=1000 * (began - entry.since), decode_ms=1000 * (now - began)), now)
            if not self._running:
                self._begin(now)

    def _begin(self, now: float) -> None:
        self._running = batch = self._queue.take()
        if not batch:
            return
        cost_s = self._cost([entry.job for entry in batch])
        self._began, self._done = now, now + cost_s
        lengths_s = [entry.samples / SAMPLE_RATE for entry in batch]
        self.spent.add(cost_s, len(batch), sum(lengths_s), self._limits.decoded_s(lengths_s))
        self.spent.finals_passed += batch[-1].kind is not JobKind.FINAL and self._queue.waiting(JobKind.FINAL) > 0


def heard(job: Job, *, queue_ms: float = 0.0, decode_ms: float = 0.0) -> Hypothesis:
    """Words that are the same whenever they are heard again, so that stable text locks as it does with a model."""
    offset = -job.begin % WORD
    return Hypothesis(
        job=job, tokens=_tokens(offset, (job.end - job.begin - offset) // WORD), raw_text="", queue_ms=queue_ms, decode_ms=decode_ms
    )


@lru_cache(maxsize=1024)  # a few offsets, and every length
def _tokens(offset: int, count: int) -> tuple[Token, ...]:
    begins = range(offset, offset + count * WORD, WORD)
    return tuple(Token(id=0, text=" word", begin=begin, end=begin + WORD, p=0.9) for begin in begins)
