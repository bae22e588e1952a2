"""Which stretches between segments are loud enough to be shown to the model for their sounds: applause, laughter, music.

Bounded: at most one window of ``WINDOW_MS`` at a time, one in flight, and fewer while they prove fruitless.
"""

from typing import Final

from streamer.core.endpointer import Levels
from streamer.core.events import to_samples

WINDOW_MS: Final = 3_000  # long enough to tell applause from rain, short enough to say it in time
SHORTEST_MS: Final = 500  # of a window that speech cuts short
LOUD_DB: Final = -45.0  # dBFS; a quiet room lies below
LOUD_MS: Final = 200  # a cough
MAX_SKIPPED: Final = 4  # windows that are let pass after fruitless ones: steady noise costs one forward in 15 s

WINDOW: Final = to_samples(WINDOW_MS)
SHORTEST: Final = to_samples(SHORTEST_MS)
LOUD: Final = to_samples(LOUD_MS)


class SoundWatch:
    """One channel's ear for what is not speech. Feed every frame; it gives windows ``(begin, end)`` that are worth a look."""

    def __init__(self, frame_samples: int, levels: Levels) -> None:
        self._frame, self._levels = frame_samples, levels
        self.begin = 0
        """Of the window that is filling; audio from here on may still be asked for."""
        self._fruitless = 0
        self._skip = 0

    def push(self, position: int, speaking_from: int | None) -> tuple[int, int] | None:
        """The next frame ends at ``position``; ``speaking_from`` is the begin of the open segment."""
        window = None
        if speaking_from is None:
            if position - self.begin < WINDOW:
                return None
            window = self._window(position, position)
        elif position - self.begin > self._frame:  # this frame is the first of speech
            window = self._window(min(speaking_from, position), position - self._frame, SHORTEST)
        self.begin = position
        return window

    def learn(self, *, fruitful: bool) -> None:
        """Whether the last window held a sound: steady noise is looked at less and less often."""
        self._fruitless = 0 if fruitful else self._fruitless + 1
        self._skip = min(self._fruitless, MAX_SKIPPED)

    def _window(self, end: int, heard: int, shortest: int = 0) -> tuple[int, int] | None:
        """Up to ``end``, if it is worth a look by what was heard up to ``heard``, which may be a little more."""
        if end - self.begin < shortest:
            return None
        loud = sum(level >= LOUD_DB for level in self._levels(self.begin, heard))
        if loud * self._frame < LOUD:
            return None
        if self._skip:
            self._skip -= 1
            return None
        return self.begin, end
