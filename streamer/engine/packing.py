"""Utterances of any lengths, one after the other without padding: where each row of a packed batch comes from. Pure numpy.

A batch of so many rows is laid out for a *capacity*, one of a few, so that a recorded run of the device fits it whatever is in it:

- the audio, each utterance at a multiple of 10 ms, so that the frames of all of them are the frames of the whole;
- for each row the rows of its utterance, the frames of its utterance, and its prompt (only an utterance's first rows have one);
- the blocks of rows that attention answers, and the prompt rows, whose tags are wanted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamer.core.events import Samples
from streamer.engine.ctc import PROMPT_ROWS
from streamer.engine.frontend import MIN_SAMPLES, SHIFT, WINDOW, Layout

Int = npt.NDArray[np.int32]

COLUMNS: Final = ("begin", "end", "first_frame", "last_frame", "prompt")
"""Of the table of rows."""
LEAST_ROWS: Final = PROMPT_ROWS + 1
"""Of any utterance."""


QUERIES: Final = ((2048, 16), (1 << 62, 32))
"""Rows in one block of attention, in a layout for less than so many rows. Small blocks make more programs, of which a small batch has too
few; large ones listen to an utterance less often."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """The sizes of a layout for at most ``rows`` rows."""

    rows: int
    layout: Layout

    @property
    def queries(self) -> int:
        return next(queries for below, queries in QUERIES if self.rows < below)

    @property
    def items(self) -> int:
        return max(1, self.rows // LEAST_ROWS)

    @property
    def blocks(self) -> int:
        return -(-self.rows // self.queries) + self.items

    @property
    def samples(self) -> int:
        """An utterance's audio is cut after its last frame, and begins at a multiple of the shift."""
        return self.rows * self.layout.stride * SHIFT + self.items * (WINDOW + SHIFT)

    @property
    def numbers(self) -> int:
        """Elements of the tables together."""
        return len(COLUMNS) * self.rows + 3 * self.blocks + PROMPT_ROWS * self.items

    def tables(self, numbers: Any) -> tuple[Any, Any, Any]:
        """Views of one array, or tensor, of this many: rows ``[5, rows]``, blocks ``[blocks, 3]``, prompt rows ``[items * 4]``."""
        first, second = len(COLUMNS) * self.rows, len(COLUMNS) * self.rows + 3 * self.blocks
        rows = numbers[:first].reshape(len(COLUMNS), self.rows)
        return rows, numbers[first:second].reshape(self.blocks, 3), numbers[second : self.numbers]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows of each utterance, prompt rows included, and how many samples were laid out."""

    lengths: npt.NDArray[np.int64]
    samples: int


def rows_of(audio: Sequence[Samples], layout: Layout) -> npt.NDArray[np.int64]:
    """Rows that each utterance takes, prompt rows included."""
    return PROMPT_ROWS + -(-_frames_of(audio) // layout.stride)


def _frames_of(audio: Sequence[Samples]) -> npt.NDArray[np.int64]:
    """As ``frontend.frame_count``."""
    lengths = np.fromiter(map(len, audio), np.int64, len(audio))
    return 1 + (np.maximum(lengths, MIN_SAMPLES) - WINDOW) // SHIFT


def lay_out(audio: Sequence[Samples], prompts: npt.NDArray[np.int64], capacity: Capacity, wave: Samples, numbers: Int) -> Batch:
    """Fill ``wave [capacity.samples]`` and ``numbers [capacity.numbers]`` with a batch that fits.

    ``prompts`` is ``[batch, PROMPT_ROWS]``. Rows and blocks that nothing is in are empty: their begin is their end.
    """
    frames = _frames_of(audio)
    lengths = rows_of(audio, capacity.layout)
    ends = np.cumsum(lengths)
    begins = ends - lengths
    shifts = frames + -(-(WINDOW - SHIFT) // SHIFT)  # multiples of the shift that its frames cover
    first_frames = np.cumsum(shifts) - shifts
    for samples, at, count in zip(audio, first_frames * SHIFT, shifts * SHIFT, strict=True):
        used = samples[:count]
        wave[at : at + len(used)] = used
        wave[at + len(used) : at + count] = 0  # also of audio shorter than a window
    rows, blocks, prompt_rows = capacity.tables(numbers)
    numbers[:] = 0
    total = int(ends[-1])
    rows[:4, :total] = np.repeat((begins, ends, first_frames, first_frames + frames - 1), lengths, axis=1)
    numbers_of_prompts = (begins[:, None] + np.arange(PROMPT_ROWS)).ravel()
    rows[4, numbers_of_prompts] = prompts.ravel()
    prompt_rows[: len(numbers_of_prompts)] = numbers_of_prompts
    counts = -(-lengths // capacity.queries)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    used_blocks = blocks[: len(within)]
    used_blocks[:, 1:] = np.repeat(np.stack((begins, ends), axis=1), counts, axis=0)
    used_blocks[:, 0] = used_blocks[:, 1] + within * capacity.queries
    return Batch(lengths, int(shifts.sum()) * SHIFT)
