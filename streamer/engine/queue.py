"""The order of work for one device, without a thread or a clock.

- Finals go before speculative decodes, those before partials, those before sounds. Speculations and partials lead batches in turn:
  speculations are longer, and one of them always waits, so that short partials would hardly ever find a batch of their length.
- A final that came while another of its session waited is a backlog's, such as a file's that is sent faster than it is heard. Backlogs
  lead no two batches in a row while speculations or partials wait, so that those who speak go on seeing their words.
- Among equals sessions take turns: a job's turn is one after its session's last, never before the turn that is being served, and right
  after it at the latest where nothing of its session waits. So neither a backlog nor a long wait of one client delays another's sentence.
- A session has at most one partial of a segment queued; a newer one takes its place.
- One batch holds jobs of one length bucket, at most so many items and so many seconds of padded audio. Other lengths join where padding
  them is cheaper than another forward, and less urgent jobs once all that are more urgent are in. An engine that pads nothing has one
  bucket, and all lengths join.
- Bounded: beyond ``max_jobs`` the least urgent droppable job leaves. Finals are never dropped; their number is bounded by the sessions,
  which stop reading while they are owed too much.

Jobs wait in sorted lists, one for each kind and bucket, so that nothing ever looks at all of them.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streamer.core.events import SAMPLE_RATE, Job, JobKind
from streamer.engine import BatchLimits

MAX_JOBS: Final = 4096  # at 300 ms of partial cadence, what about a thousand talking sessions ask for in a second
SHARE: Final = 10 * SAMPLE_RATE  # of what one session has waiting counts for others: sessions take turns, so a file's backlog is its own
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
    behind: bool
    """It came while another final of its session waited."""

    @property
    def samples(self) -> int:
        return self.job.end - self.job.begin


def _place(entry: Entry) -> tuple[int, int]:
    return entry.turn, entry.number


class _Batch:
    """Entries of one bucket, and others as long as padding them costs less than a forward of their own. The first always fits."""

    def __init__(self, limits: BatchLimits, bucket: int) -> None:
        self._limits, self._bucket = limits, bucket
        self._longest = self._total = 0
        self.entries: list[Entry] = []

    def fill(self, line: Sequence[Entry]) -> None:
        """Take the line's first, up to one that does not fit."""
        for entry in line:
            size, longest, total = len(self.entries) + 1, max(self._longest, entry.samples), self._total + entry.samples
            decoded = total if self._limits.packed else longest * size
            if size > 1 and (size > self._limits.max_items or decoded > self._limits.max_audio_s * SAMPLE_RATE):
                return
            if entry.bucket != self._bucket and longest * size - total > self._limits.free_padding_s * SAMPLE_RATE:
                return
            self._longest, self._total = longest, total
            self.entries.append(entry)


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
        self._led = JobKind.FINAL  # the last batch
        self._led_between = JobKind.PARTIAL  # the last batch that a speculation or a partial led
        self._count = self._length = 0
        self._samples_of: dict[str, int] = {}
        self.audio_samples = 0
        self.due_samples = 0
        """What a newcomer would find before it: at most ``SHARE`` of each session."""

    def __len__(self) -> int:
        return self._length

    def waiting(self, kind: JobKind) -> int:
        """How many jobs of this urgency wait."""
        return sum(map(len, self._lines[kind]))

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
        """The next batch, in the order of urgency; empty when nothing waits."""
        lead = self._lead()
        if lead is None:
            return []
        batch = _Batch(self.limits, lead.bucket)
        near = [*range(lead.bucket, -1, -1), *range(lead.bucket + 1, len(self.limits.buckets_s) + 1)]
        between = sorted((JobKind.SPECULATIVE, JobKind.PARTIAL), key=lambda kind: (kind is not lead.kind, kind))
        asked = 0
        urgent = ([JobKind.FINAL], between) if lead.kind is JobKind.FINAL else (between, [JobKind.FINAL])  # which has given way, or is none
        for kinds in (*urgent, [JobKind.SOUND]):
            for bucket in near:
                for kind in kinds:
                    batch.fill(self._lines[kind][bucket])
            asked += sum(map(self.waiting, kinds))
            if len(batch.entries) < asked:  # what is less urgent must not make the rest wait longer
                break
        for entry in batch.entries:
            self._remove(entry)
        return batch.entries

    def _lead(self) -> Entry | None:
        """Whose length the next batch has."""
        heads: dict[JobKind, Entry] = {}
        for kind, lines in self._lines.items():
            if head := min((line[0] for line in lines if line), key=_place, default=None):
                heads[kind] = head
        if not heads:
            return None
        kind = min(heads)
        between = [other for other in (JobKind.SPECULATIVE, JobKind.PARTIAL) if other in heads]
        if kind is self._led is JobKind.FINAL and heads[kind].behind and between:
            kind = between[0]
        self._serving.update({other: head.turn for other, head in heads.items() if other >= kind})  # what gave way was not served
        if kind in between:
            kind = between[-1] if self._led_between is JobKind.SPECULATIVE else between[0]
            self._led_between = kind
        self._led = kind
        return heads[kind]

    def _add(self, job: Job, kind: JobKind, number: int, since: float) -> None:
        turns = self._next[kind]
        if not any(self._lines[kind]):
            turns.clear()
        serving, mine = self._serving[kind], self._of_session[job.session].values()
        turn = max(serving, turns.get(job.session, 0))
        if not any(entry.kind is kind for entry in mine):
            turn = min(turn, serving + 1)  # rides in batches of others are no debt
        turns[job.session] = turn + 1
        behind = kind is JobKind.FINAL and any(entry.kind is kind for entry in mine)
        entry = Entry(job, kind, turn, number, since, self._bucket(job), behind)
        insort(self._lines[kind][entry.bucket], entry, key=_place)
        self._of_session[job.session][number] = entry
        self._length += 1
        self._weigh(entry, entry.samples)

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
        self._weigh(entry, -entry.samples)

    def _weigh(self, entry: Entry, samples: int) -> None:
        self.audio_samples += samples
        if entry.kind is JobKind.SOUND:  # nobody waits behind one
            return
        session = entry.job.session
        before = self._samples_of.pop(session, 0)
        self.due_samples += min(before + samples, SHARE) - min(before, SHARE)
        if before + samples:
            self._samples_of[session] = before + samples


def _same_segment(a: Job, b: Job) -> bool:
    return a.session == b.session and a.segment == b.segment and a.channel == b.channel
