"""Frame speech probabilities to segments: where speech begins, pauses, goes on and ends.

Rules, each a number below with its reason:
- a segment opens once the last ``ONSET_WINDOW_MS`` hold ``ONSET_MS`` of evidence, which is probability times time, so that doubtful
  sound has to last longer; a burst with less opens nothing. It begins ``PRE_ROLL_MS`` earlier, outside the last one;
- it pauses, and in the end ends, ``TAIL_PAD_MS`` after the last speech: enough for a soft last syllable, and the moment a speculative
  decode is worth starting;
- it is decided to end after the session's endpoint silence: all of it while the segment is short, ``LEAST_PATIENCE`` of it once it is long,
  unless its client alone decides;
- as long as the session allows, it is cut where it is quietest and least like speech;
- a flush or a stop ends it at once.
One frame in, at most a few events out. Positions are absolute samples.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from streamer.core.events import SAMPLES_PER_MS, Settings, to_samples

SPEECH: Final = 0.4  # probability from which a frame is evidence for speech: a quiet turn that is missed is lost for good
RELEASE: Final = 0.35  # an open segment keeps a frame down to this, which is more than one detector's vote of three
ONSET_MS: Final = 45  # two clear frames of 32 ms, three of 20
ONSET_WINDOW_MS: Final = 120
RESUME_MS: Final = 25  # of evidence without a gap ends a pause, or a click would keep the segment open
PRE_ROLL_MS: Final = 300  # soft onsets; with 100 ms users of peers lost first syllables
TAIL_PAD_MS: Final = (200, 300)  # half of the endpoint silence within these, so that the decode has the other half
PATIENT: Final = 0.25  # up to this share of the longest segment the endpoint silence is needed in full
QUICK: Final = 0.75  # from this share on, LEAST_PATIENCE of it; between the two it falls evenly
LEAST_PATIENCE: Final = 0.5
CUT_WINDOW: Final = 0.4  # a forced cut falls into the last 40 % of the segment
CUT_SMOOTHING_MS: Final = 160  # quiet for this long, not for one frame between two glottal pulses
CUT_SPEECH_DB: Final = 20.0  # a frame that is surely speech counts like one that is this much louder, or music would hide the pauses


class EndReason(StrEnum):
    ENDPOINT = "endpoint"
    MAX_LENGTH = "max_length"
    FLUSH = "flush"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Opened:
    begin: int


@dataclass(frozen=True, slots=True)
class Paused:
    """Silence has lasted for the tail pad: if it holds, and silence may end the segment, that will be at ``end``."""

    end: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """Speech went on after a pause."""


@dataclass(frozen=True, slots=True)
class Ended:
    end: int
    reason: EndReason


Boundary = Opened | Paused | Resumed | Ended

Levels = Callable[[int, int], Sequence[float]]
"""Absolute begin and end of whole frames to the level of each in dBFS. Asked when it matters, which is seldom."""


class Endpointer:
    """One channel's segments. Feed every frame in order; ``frame_samples`` is the judge's frame."""

    def __init__(self, frame_samples: int, settings: Settings, levels: Levels) -> None:
        self._frame, self._levels = frame_samples, levels
        window = self._frames(ONSET_WINDOW_MS)
        self._recent: deque[float] = deque(maxlen=window)  # probabilities, of evidence only
        self._onset_reach = to_samples(PRE_ROLL_MS) + window * frame_samples
        self._onset_evidence = ONSET_MS * SAMPLES_PER_MS / frame_samples  # in probabilities, one frame each
        self._resume_evidence = RESUME_MS * SAMPLES_PER_MS / frame_samples
        self.configure(settings)
        self.position = 0
        """Absolute sample after the last frame."""
        self.begin: int | None = None
        """Begin of the open segment, ``None`` between segments."""
        self.speech_end = 0
        """Absolute sample after the last speech of the open segment, or of the last one."""
        self._floor = 0  # end of the last segment
        self._run = 0.0  # probabilities of the frames in a row that the segment keeps
        self._paused = False
        self._inner: list[float] = []  # probabilities of the frames in which the segment was open
        self._inner_begin = 0

    def configure(self, settings: Settings) -> None:
        """New settings hold from the next frame."""
        self._endpoints = settings.endpoints
        self._silence = to_samples(settings.endpoint_silence_ms)
        self._longest = to_samples(settings.max_segment_ms)

    @property
    def keep_from(self) -> int:
        """Audio before this sample will never belong to a segment that is still open or to come."""
        if self.begin is not None:
            return self.begin
        return max(self._floor, self.position - self._onset_reach)

    @property
    def pausing(self) -> bool:
        """The open segment is in a silence that has lasted for the tail pad."""
        return self._paused

    def push(self, probability: float) -> Sequence[Boundary]:
        """Take the next frame's speech probability."""
        self.position += self._frame
        evident = probability >= SPEECH
        self._recent.append(probability if evident else 0.0)
        if self.begin is None:
            return self._between() if evident else ()
        self._inner.append(probability)
        return self._inside(self.begin, probability)

    def end(self, at: int, reason: EndReason) -> list[Boundary]:
        """End the open segment at ``at``, which may lie beyond the last whole frame."""
        if self.begin is None:
            return []
        return [self._close(at, reason)]

    def _frames(self, ms: int) -> int:
        return -(-to_samples(ms) // self._frame)

    def _between(self) -> Sequence[Boundary]:
        if sum(self._recent) < self._onset_evidence:
            return ()
        first = next(n for n, probability in enumerate(self._recent) if probability)
        onset = self.position - (len(self._recent) - first) * self._frame
        return [self._open(max(self._floor, onset - to_samples(PRE_ROLL_MS), 0))]

    def _open(self, begin: int) -> Opened:
        self.begin, self.speech_end, self._paused, self._run = begin, self.position, False, self._resume_evidence
        self._inner, self._inner_begin = [], self.position
        return Opened(begin)

    def _inside(self, begin: int, probability: float) -> Sequence[Boundary]:
        boundaries: list[Boundary] = []
        self._run = self._run + probability if probability >= RELEASE else 0.0
        if self._run >= self._resume_evidence:
            self.speech_end = self.position
            if self._paused:
                self._paused = False
                boundaries.append(Resumed())
            elif self.position - begin < self._longest:
                return ()  # most frames: speech goes on
        silence, enough = self.position - self.speech_end, self._patience(begin)
        tail = _tail(enough)
        if silence >= enough and self._endpoints:
            return [*boundaries, self._close(self.speech_end + tail, EndReason.ENDPOINT)]
        if silence >= tail and not self._paused:
            self._paused = True
            boundaries.append(Paused(self.speech_end + tail))
        if self.position - begin >= self._longest:
            boundaries += self._cut(self.speech_end + tail)
        return boundaries

    def _patience(self, begin: int) -> int:
        """The silence that ends the segment; the same throughout one pause."""
        share = (self.speech_end - begin) / self._longest
        hurry = min(1.0, max(0.0, (share - PATIENT) / (QUICK - PATIENT)))
        return int(self._silence * (1 - hurry * (1 - LEAST_PATIENCE)))

    def _close(self, at: int, reason: EndReason) -> Ended:
        self.begin, self._floor = None, at
        self._paused = False
        return Ended(at, reason)

    def _cut(self, pause_end: int) -> list[Boundary]:
        """End the segment at its best late point, and open the next one right there unless all speech lies before it."""
        if self._paused:
            return [self._close(pause_end, EndReason.MAX_LENGTH)]
        at = self._quietest()
        inner, inner_begin, speech_end, run = self._inner, self._inner_begin, self.speech_end, self._run
        ended = self._close(at, EndReason.MAX_LENGTH)
        if at >= speech_end:
            return [ended]
        opened = self._open(at)
        kept = max(0, (at - inner_begin) // self._frame)
        self._inner, self._inner_begin = inner[kept:], inner_begin + kept * self._frame
        self.speech_end, self._run = speech_end, run
        return [ended, opened]

    def _quietest(self) -> int:
        """The middle of the best stretch of ``CUT_SMOOTHING_MS``; of equals, the latest."""
        width = self._frames(CUT_SMOOTHING_MS)
        earliest = self.position - int(self._longest * CUT_WINDOW)
        skipped = max(0, (earliest - self._inner_begin) // self._frame - width)
        begin = self._inner_begin + skipped * self._frame
        rows = zip(self._levels(begin, self.position), self._inner[skipped:], strict=True)
        costs = [level + CUT_SPEECH_DB * probability for level, probability in rows]
        sums = {end: sum(costs[end - width : end]) for end in range(width, len(costs) + 1)}
        best = min(sums, key=lambda end: (sums[end], -end))
        return begin + best * self._frame - width * self._frame // 2


def _tail(silence: int) -> int:
    """What stays of a silence that ends a segment."""
    least, most = map(to_samples, TAIL_PAD_MS)
    return min(silence, max(least, min(most, silence // 2)))
