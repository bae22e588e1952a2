"""From the rows that a CTC model gives to tokens with times and probabilities, and from its prompt rows to label scores. Pure numpy.

SenseVoice's first four rows answer its four prompts (language, emotion, event, ITN); the rows after them are 60 ms of audio each.
Upstream finds token times by aligning the decoded ids with the rows once more. Where the ids are those that each row's best score
gives, as here, no path scores higher than the best scores themselves, so the runs of equal ids are that alignment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from streamer.core.events import Scores

PROMPT_ROWS: Final = 4
BLANK: Final = 0
ROW_SAMPLES: Final = 960
"""60 ms: six frames of 10 ms."""
HALF_ROW_SAMPLES: Final = 480
"""Upstream takes a row to stand for the 60 ms around its beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One id over consecutive rows ``[begin, end)``; ``p`` is that of its surest row."""

    id: int
    begin: int
    end: int
    p: float


def collapse(ids: npt.NDArray[np.integer], p: npt.NDArray[np.floating]) -> list[Run]:
    """Best ids ``[rows]`` and their probabilities ``[rows]`` to runs, blanks left out: CTC's reading of the rows.

    All rows are read, prompt rows too, as upstream does: an id that a prompt row shares with the first row of text is one run.
    """
    if not len(ids):
        return []
    begins = np.flatnonzero(np.concatenate(([True], ids[1:] != ids[:-1])))
    ends = np.append(begins[1:], len(ids))
    peaks = np.maximum.reduceat(p, begins)
    return [
        Run(id=int(ids[begin]), begin=int(begin), end=int(end), p=float(peak))
        for begin, end, peak in zip(begins, ends, peaks, strict=True)
        if ids[begin] != BLANK
    ]


def text_of(runs: Sequence[Run]) -> list[Run]:
    """The runs that begin after the prompt rows: what was said."""
    return [run for run in runs if run.begin >= PROMPT_ROWS]


def span(run: Run) -> tuple[int, int]:
    """Where a run of text lies: samples from the beginning of the audio. The end may lie up to 5 ms beyond the last sample."""
    begin = (run.begin - PROMPT_ROWS) * ROW_SAMPLES - HALF_ROW_SAMPLES
    return max(begin, 0), (run.end - PROMPT_ROWS) * ROW_SAMPLES - HALF_ROW_SAMPLES


def label_scores(logits: npt.NDArray[np.floating], labels: Sequence[str]) -> Scores:
    """Probabilities of the labels among themselves, from one row's logits of their ids ``[labels]``."""
    weights = np.exp(logits.astype(np.float64) - logits.max())
    return dict(zip(labels, (weights / weights.sum()).tolist(), strict=True))
