"""Frame speech probabilities to segments: where speech begins, pauses, goes on and ends.

Rules, each a number below with its reason:
- a segment opens after ``ONSET_MS`` of speech within ``ONSET_WINDOW_MS`` and begins ``PRE_ROLL_MS`` earlier, outside the last one;
- it pauses after ``TAIL_PAD_MS`` of silence: enough for a soft last syllable, and the moment a speculative decode is worth starting;
- it ends after the session's endpoint silence, or at a cut once it is as long as the session allows;
- a flush or a stop ends it at once.
One frame in, at most a few events out. Positions are absolute samples.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from streamer.core.events import Settings, to_samples

SPEECH: Final = 0.5  # probability at which a frame opens a segment
RELEASE: Final = 0.35  # an open segment keeps a frame down to this: hysteresis against flutter
ONSET_MS: Final = 60  # shorter bursts (clicks, a mouse) do not open a segment
ONSET_WINDOW_MS: Final = 120
RESUME_MS: Final = 40  # speech after a pause has to hold this long, or a click would keep the segment open
PRE_ROLL_MS: Final = 300  # soft onsets; with 100 ms users of peers lost first syllables
TAIL_PAD_MS: Final = 200
CUT_WINDOW: Final = 0.4  # a forced cut falls into the last 40 % of the segment
CUT_SMOOTHING_MS: Final = 100  # quiet for this long, not for one frame between two glottal pulses


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
    """Silence has lasted for the tail pad: if it holds, the segment will end at ``end``."""

    end: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """Speech went on after a pause."""


@dataclass(frozen=True, slots=True)
class Ended:
    end: int
    reason: EndReason


Boundary = Opened | Paused | Resumed | Ended


class Endpointer:
    """One channel's segments. Feed every frame in order; ``frame_samples`` is the judge's frame."""

    def __init__(self, frame_samples: int, settings: Settings) -> None:
        self._frame = frame_samples
        self._onset = self._frames(ONSET_MS)
        self._resume = self._frames(RESUME_MS)
        self._recent: deque[bool] = deque(maxlen=self._frames(ONSET_WINDOW_MS))
        self.configure(settings)
        self.position = 0
        """Absolute sample after the last frame."""
        self.begin: int | None = None
        """Begin of the open segment, ``None`` between segments."""
        self._floor = 0  # end of the last segment
        self._speech_end = 0
        self._run = 0  # speech frames in a row
        self._paused = False
        self._levels: list[float] = []  # of the open segment, one a frame, for the quietest cut
        self._levels_begin = 0

    def configure(self, settings: Settings) -> None:
        """New settings hold from the next frame."""
        self._silence = to_samples(settings.endpoint_silence_ms)
        self._tail = min(to_samples(TAIL_PAD_MS), self._silence)
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

    def push(self, probability: float, level_db: float) -> list[Boundary]:
        """Take the next frame: its speech probability and its level in dBFS."""
        self.position += self._frame
        if self.begin is None:
            return self._between(probability >= SPEECH)
        self._levels.append(level_db)
        return self._inside(probability >= RELEASE)

    def end(self, at: int, reason: EndReason) -> list[Boundary]:
        """End the open segment at ``at``, which may lie beyond the last whole frame."""
        if self.begin is None:
            return []
        return [self._close(at, reason)]

    @property
    def _onset_reach(self) -> int:
        return to_samples(PRE_ROLL_MS) + (self._recent.maxlen or 0) * self._frame

    def _frames(self, ms: int) -> int:
        return max(1, round(to_samples(ms) / self._frame))

    def _between(self, speech: bool) -> list[Boundary]:
        self._recent.append(speech)
        if not speech or sum(self._recent) < self._onset:
            return []
        first = list(self._recent).index(True)
        onset = self.position - (len(self._recent) - first) * self._frame
        return [self._open(max(self._floor, onset - to_samples(PRE_ROLL_MS), 0))]

    def _open(self, begin: int) -> Opened:
        self.begin, self._speech_end, self._paused, self._run = begin, self.position, False, self._resume
        self._levels, self._levels_begin = [], self.position
        return Opened(begin)

    def _inside(self, speech: bool) -> list[Boundary]:
        assert self.begin is not None
        boundaries: list[Boundary] = []
        self._run = self._run + 1 if speech else 0
        if self._run >= self._resume:
            self._speech_end = self.position
            if self._paused:
                self._paused = False
                boundaries.append(Resumed())
        silence = self.position - self._speech_end
        if silence >= self._silence:
            return [*boundaries, self._close(self._speech_end + self._tail, EndReason.ENDPOINT)]
        if silence >= self._tail and not self._paused:
            self._paused = True
            boundaries.append(Paused(self._speech_end + self._tail))
        if self.position - self.begin >= self._longest:
            boundaries += self._cut()
        return boundaries

    def _close(self, at: int, reason: EndReason) -> Ended:
        self.begin, self._floor = None, at
        self._paused = False
        self._recent.clear()
        return Ended(at, reason)

    def _cut(self) -> list[Boundary]:
        """End the segment at its quietest late point and open the next one right there, so that no sample is lost."""
        assert self.begin is not None
        if self._paused:
            at = self._speech_end + self._tail
            return [self._close(at, EndReason.MAX_LENGTH)]
        width = self._frames(CUT_SMOOTHING_MS)
        earliest = self.position - int(self._longest * CUT_WINDOW)
        first = max(width, (earliest - self._levels_begin) // self._frame)
        sums = {end: sum(self._levels[end - width : end]) for end in range(first, len(self._levels) + 1)}
        quietest = min(sums, key=lambda end: (sums[end], -end))
        at = min(self.position, self._levels_begin + (quietest - width // 2) * self._frame)
        levels, levels_begin, speech_end, run = self._levels, self._levels_begin, self._speech_end, self._run
        ended = self._close(at, EndReason.MAX_LENGTH)
        opened = self._open(at)
        kept = max(0, (at - levels_begin) // self._frame)
        self._levels, self._levels_begin = levels[kept:], levels_begin + kept * self._frame
        self._speech_end, self._run = max(at, speech_end), run
        return [ended, opened]
