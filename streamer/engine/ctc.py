"""From the rows that a CTC model gives to tokens with times and probabilities, and from its prompt rows to label scores. Pure numpy.

SenseVoice's first four rows answer its four prompts (language, emotion, event, ITN); the rows after them are 60 ms of audio each.
Upstream finds token times by aligning the decoded ids with the rows once more. Where the ids are those that each row's best score
gives, as here, no path scores higher than the best scores themselves, so the runs of equal ids are that alignment.
"""

from collections.abc import Sequence
from math import exp
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from streamer.core.events import Scores

PROMPT_ROWS: Final = 4
BLANK: Final = 0
ROW_SAMPLES: Final = 960
"""60 ms: six frames of 10 ms."""
HALF_ROW_SAMPLES: Final = 480
"""Upstream takes a row to stand for the 60 ms around its beginning."""


class Run(NamedTuple):
    """One id over consecutive rows ``[begin, end)``; ``p`` is that of its surest row. A tuple: there are thousands in a second."""

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
    said = ids[begins] != BLANK
    columns = (ids[begins], begins, ends, peaks)
    return list(map(Run._make, zip(*(column[said].tolist() for column in columns), strict=True)))


def text_of(runs: Sequence[Run]) -> list[Run]:
    """The runs that begin after the prompt rows: what was said."""
    return [run for run in runs if run.begin >= PROMPT_ROWS]


def span(run: Run) -> tuple[int, int]:
    """Where a run of text lies: samples from the beginning of the audio. The end may lie up to 5 ms beyond the last sample."""
    begin = (run.begin - PROMPT_ROWS) * ROW_SAMPLES - HALF_ROW_SAMPLES
    return max(begin, 0), (run.end - PROMPT_ROWS) * ROW_SAMPLES - HALF_ROW_SAMPLES


def label_scores(logits: Sequence[float], labels: Sequence[str]) -> Scores:
    """Probabilities of the labels among themselves, from one row's logits of their ids ``[labels]``."""
    most = max(logits)
    weights = [exp(logit - most) for logit in logits]  # a handful: an array would take longer to make
    total = sum(weights)
    return {label: weight / total for label, weight in zip(labels, weights, strict=True)}
