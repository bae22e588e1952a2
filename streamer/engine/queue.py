"""The order of work for one device, without a thread or a clock.

- Finals go before speculative decodes, those before partials, those before sounds.
- Among equals, every session's first job goes before any session's second, so that one client's backlog never delays another's sentence.
- A session has at most one partial of a segment queued; a newer one takes its place.
- One batch holds jobs of one length bucket, at most so many items and so many seconds of padded audio.
- Bounded: beyond ``max_jobs`` the least urgent droppable job leaves. Finals are never dropped; their number is bounded by the sessions,
  which stop reading while they are owed too much.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from streamer.core.events import SAMPLE_RATE, Job, JobKind
from streamer.engine import BatchLimits

MAX_JOBS: Final = 4096  # at 300 ms of partial cadence, what about a thousand talking sessions ask for in a second


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A job with the urgency it has now (a speculation may be promoted) and its place in the order of arrival."""

    job: Job
    kind: JobKind
    number: int
    since: float
    """When it came, on the caller's clock."""


class JobQueue:
    """Jobs that wait for one device."""

    def __init__(self, limits: BatchLimits, max_jobs: int = MAX_JOBS) -> None:
        self._limits = limits
        self._max_jobs = max_jobs
        self._entries: list[Entry] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def audio_samples(self) -> int:
        return sum(entry.job.end - entry.job.begin for entry in self._entries)

    def put(self, job: Job, now: float) -> list[Job]:
        """Queue a job; give the jobs that had to leave for it, which may be the job itself."""
        self._count += 1
        new = Entry(job, job.kind, self._count, now)
        dropped: list[Entry] = []
        if job.kind is JobKind.PARTIAL:
            dropped = [entry for entry in self._entries if entry.kind is JobKind.PARTIAL and _same_segment(entry.job, job)]
        self._entries.append(new)
        if len(self._entries) - len(dropped) > self._max_jobs:
            rest = [entry for entry in self._entries if entry not in dropped and entry.kind is not JobKind.FINAL]
            if rest:
                dropped.append(max(rest, key=lambda entry: (entry.kind, entry.number)))
        self._remove(dropped)
        return [entry.job for entry in dropped]

    def promote(self, session: str, segment: int) -> None:
        """The queued speculation of this segment has become its final."""
        self._entries = [
            replace(entry, kind=JobKind.FINAL)
            if entry.kind is JobKind.SPECULATIVE and entry.job.session == session and entry.job.segment == segment
            else entry
            for entry in self._entries
        ]

    def discard(self, session: str, segment: int | None = None) -> list[Job]:
        """Drop what is queued for a segment and is not a final; without a segment everything of the session, finals too."""
        dropped = [
            entry
            for entry in self._entries
            if entry.job.session == session and (segment is None or (entry.job.segment == segment and entry.kind is not JobKind.FINAL))
        ]
        self._remove(dropped)
        return [entry.job for entry in dropped]

    def take(self) -> list[Entry]:
        """The next batch, most urgent first; empty when nothing waits."""
        order = self._order()
        if not order:
            return []
        bucket = self._bucket(order[0].job)
        batch: list[Entry] = []
        longest = 0
        for entry in order:
            if len(batch) == self._limits.max_items:
                break
            if self._bucket(entry.job) != bucket:
                continue
            padded = max(longest, entry.job.end - entry.job.begin)
            if batch and padded * (len(batch) + 1) > self._limits.max_audio_s * SAMPLE_RATE:
                continue
            longest = padded
            batch.append(entry)
        self._remove(batch)
        return batch

    def _order(self) -> list[Entry]:
        """By urgency, then by how many of the same session's equals come before, then by arrival."""
        ahead: Counter[tuple[JobKind, str]] = Counter()
        ranked = []
        for entry in self._entries:
            key = (entry.kind, entry.job.session)
            ranked.append((entry.kind, ahead[key], entry.number, entry))
            ahead[key] += 1
        ranked.sort(key=lambda row: row[:3])
        return [row[3] for row in ranked]

    def _bucket(self, job: Job) -> int:
        seconds = (job.end - job.begin) / SAMPLE_RATE
        edges = self._limits.buckets_s
        return next((n for n, edge in enumerate(edges) if seconds <= edge), len(edges))

    def _remove(self, entries: Iterable[Entry]) -> None:
        gone = {entry.number for entry in entries}
        if gone:
            self._entries = [entry for entry in self._entries if entry.number not in gone]


def _same_segment(a: Job, b: Job) -> bool:
    return a.session == b.session and a.segment == b.segment and a.channel == b.channel
