"""What a model that answers with bare text leaves to us: is there anything to hear, when was each word said, did it run away."""

import re
from typing import Final

import numpy as np
import numpy.typing as npt

from streamer.core.events import SAMPLE_RATE, Samples, Token

FRAME: Final = 320
"""20 ms, the grain of levels."""
QUIETEST_DBFS: Final = -60.0
"""A recording that is never louder than this holds no speech."""
STEADIEST_DB: Final = 3.0
"""Speech of a second and more swings by more than this, even under noise: 3.7 dB is the least on marked recordings, 1 dB is hiss."""
LOOPS: Final = {1: 6, 2: 4}
"""Repeats that make a loop of phrases of one and two words; people do say "no, no, no, no". Longer ones: three."""
LONGEST_LOOP_WORDS: Final = 12


def levels(samples: Samples) -> npt.NDArray[np.float64]:
    """Level of each 20 ms, in dBFS; the last one may be short. Empty for no audio."""
    squares = np.square(samples.astype(np.float64) / 32768)
    starts = np.arange(0, len(samples), FRAME)
    power = np.add.reduceat(squares, starts) / np.diff(np.append(starts, len(samples))) if len(samples) else squares
    decibels: npt.NDArray[np.float64] = 10 * np.log10(power + 1e-10)
    return decibels


def is_speechless(samples: Samples) -> bool:
    """Too quiet, or as steady as hiss: a model trained on speech alone would invent words for it."""
    level = levels(samples)
    if not len(level) or level.max() < QUIETEST_DBFS:
        return True
    low, high = np.percentile(level, (10, 95))
    return bool(len(samples) >= SAMPLE_RATE and high - low < STEADIEST_DB)


def without_loop(text: str) -> str:
    """The text, without the repeats of a phrase that goes on to its end: a decoder that lost the audio says it again and again.

    A phrase of one word must come six times, of two words four times, of three to twelve words three times; the last time may be
    cut off. The first time stays.
    """
    words = [(match.group(1).lower(), match.end()) for match in re.finditer(r"([\w']+)[.!?]*", text)]
    for size in range(1, LONGEST_LOOP_WORDS + 1):
        same = 0
        while same + size < len(words) and words[-1 - same][0] == words[-1 - same - size][0]:
            same += 1
        if same >= size * (LOOPS.get(size, 3) - 1):
            return text[: words[len(words) - same - 1][1]]
    return text


def spread(text: str, samples: Samples) -> tuple[Token, ...]:
    """Words over the audible part of the audio, each as long as it has letters. Joined texts are ``text``; times are estimates."""
    words = re.findall(r"\s*\S+", text)
    if not words:
        return ()
    level = levels(samples)
    low, high = np.percentile(level, (10, 95))
    audible = np.flatnonzero(level >= max(QUIETEST_DBFS, min(low + 10, high - 15)))
    if not len(audible):
        audible = np.arange(len(level))
    letters = np.cumsum([0] + [1 + sum(map(str.isalnum, word)) for word in words])
    cuts = letters * len(audible) // letters[-1]
    tokens = []
    for word, first, after in zip(words, cuts[:-1], cuts[1:], strict=True):
        begin, end = audible[first], audible[max(first, after - 1)] + 1  # a word has at least one frame
        tokens.append(Token(id=-1, text=word, begin=int(begin) * FRAME, end=min(int(end) * FRAME, len(samples)), p=None))
    return tuple(tokens)
