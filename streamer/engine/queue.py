"""The order of work for one device, without a thread or a clock.

- Finals go before speculative decodes, those before partials, those before sounds.
- Among equals sessions take turns: a job's turn is one after its session's last, and never before the turn that is being served, so
  that neither a backlog nor a long wait of one client delays another's sentence.
- A session has at most one partial of a segment queued; a newer one takes its place.
- One batch holds jobs of one length bucket, at most so many items and so many seconds of padded audio. Less urgent jobs fill what
  is left of it, unless more urgent ones of another length would have to wait for them.
- Bounded: beyond ``max_jobs`` the least urgent droppable job leaves. Finals are never dropped; their number is bounded by the sessions,
  which stop reading while they are owed too much.

Jobs wait in sorted lists, one for each kind and bucket, so that nothing but a heartbeat ever looks at all of them.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streamer.core.events import SAMPLE_RATE, Job, JobKind
from streamer.engine import BatchLimits

MAX_JOBS: Final = 4096  # at 300 ms of partial cadence, what about a thousand talking sessions ask for in a second
DROPPABLE: Final = (JobKind.SOUND, JobKind.PARTIAL, JobKind.SPECULATIVE)  # least urgent first


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A job with the urgency it has now (a speculation may be promoted), its turn, and its place in the order of arrival."""

    job: Job
    kind: JobKind
    turn: int
    number: int
    since: float
    """When it came, on the caller's clock."""
    bucket: int

    @property
    def samples(self) -> int:
        return self.job.end - self.job.begin


def _place(entry: Entry) -> tuple[int, int]:
    return entry.turn, entry.number


class JobQueue:
    """Jobs that wait for one device."""

    def __init__(self, limits: BatchLimits, max_jobs: int = MAX_JOBS) -> None:
        self.limits = limits
        self._max_jobs = max_jobs
        buckets = range(len(limits.buckets_s) + 1)
        self._lines: dict[JobKind, list[list[Entry]]] = {kind: [[] for _ in buckets] for kind in JobKind}  # sorted by place
        self._of_session: dict[str, dict[int, Entry]] = defaultdict(dict)  # by number
        self._serving = dict.fromkeys(JobKind, 0)  # the turn
        self._next: dict[JobKind, dict[str, int]] = {kind: {} for kind in JobKind}  # turn of a session's next job
        self._count = self._length = 0
        self.audio_samples = 0

    def __len__(self) -> int:
        return self._length

    def put(self, job: Job, now: float) -> list[Job]:
        """Queue a job; give the jobs that had to leave for it, which may be the job itself."""
        dropped = []
        if job.kind is JobKind.PARTIAL:
            waiting = self._of_session.get(job.session, {}).values()
            dropped = [entry for entry in waiting if entry.kind is JobKind.PARTIAL and _same_segment(entry.job, job)]
            self._withdraw(dropped)
        self._count += 1
        self._add(job, job.kind, self._count, now)
        if self._length > self._max_jobs and (least := self._least_urgent()):
            dropped.append(least)
            self._withdraw([least])
        return [entry.job for entry in dropped]

    def promote(self, session: str, segment: int) -> None:
        """The queued speculation of this segment has become its final."""
        for entry in list(self._of_session.get(session, {}).values()):
            if entry.kind is JobKind.SPECULATIVE and entry.job.segment == segment:
                self._withdraw([entry])
                self._add(entry.job, JobKind.FINAL, entry.number, entry.since)

    def discard(self, session: str, segment: int | None = None) -> list[Job]:
        """Drop what is queued for a segment and is not a final; without a segment everything of the session, finals too."""
        dropped = [
            entry
            for entry in self._of_session.get(session, {}).values()
            if segment is None or (entry.job.segment == segment and entry.kind is not JobKind.FINAL)
        ]
        self._withdraw(dropped)
        if segment is None:
            for turns in self._next.values():
                turns.pop(session, None)
        return [entry.job for entry in dropped]

    def take(self) -> list[Entry]:
        """The next batch, most urgent first; empty when nothing waits."""
        heads = {kind: min((line[0] for line in lines if line), key=_place, default=None) for kind, lines in self._lines.items()}
        batch: list[Entry] = []
        first = next((head for head in heads.values() if head), None)
        if first is None:
            return batch
        for kind, lines in self._lines.items():
            if head := heads[kind]:
                self._serving[kind] = head.turn
            line = lines[first.bucket]
            fitting = self._fitting(batch, line)
            batch += line[:fitting]
            if fitting < len(line) or any(other for other in lines if other is not line):
                break
        for entry in batch:
            self._remove(entry)
        return batch

    def _fitting(self, batch: list[Entry], line: list[Entry]) -> int:
        """How many of the line's first the batch still takes. The first of all always fits."""
        longest = max((entry.samples for entry in batch), default=0)
        for count, entry in enumerate(line):
            longest = max(longest, entry.samples)
            size = len(batch) + count + 1
            if size > 1 and (size > self.limits.max_items or longest * size > self.limits.max_audio_s * SAMPLE_RATE):
                return count
        return len(line)

    def _add(self, job: Job, kind: JobKind, number: int, since: float) -> None:
        turns = self._next[kind]
        if not any(self._lines[kind]):
            turns.clear()
        turn = max(self._serving[kind], turns.get(job.session, 0))
        turns[job.session] = turn + 1
        entry = Entry(job, kind, turn, number, since, self._bucket(job))
        insort(self._lines[kind][entry.bucket], entry, key=_place)
        self._of_session[job.session][number] = entry
        self._length += 1
        self.audio_samples += entry.samples

    def _least_urgent(self) -> Entry | None:
        for kind in DROPPABLE:
            if lines := [line for line in self._lines[kind] if line]:
                return max((line[-1] for line in lines), key=_place)
        return None

    def _bucket(self, job: Job) -> int:
        return bisect_left(self.limits.buckets_s, (job.end - job.begin) / SAMPLE_RATE)

    def _withdraw(self, entries: Sequence[Entry]) -> None:
        """Remove what was not served: its session's turn is not used up."""
        for entry in entries:
            self._remove(entry)
            turns = self._next[entry.kind]
            if turns.get(entry.job.session) == entry.turn + 1:
                turns[entry.job.session] = entry.turn

    def _remove(self, entry: Entry) -> None:
        line = self._lines[entry.kind][entry.bucket]
        del line[bisect_left(line, _place(entry), key=_place)]
        mine = self._of_session[entry.job.session]
        del mine[entry.number]
        if not mine:
            del self._of_session[entry.job.session]
        self._length -= 1
        self.audio_samples -= entry.samples


def _same_segment(a: Job, b: Job) -> bool:
    return a.session == b.session and a.segment == b.segment and a.channel == b.channel
