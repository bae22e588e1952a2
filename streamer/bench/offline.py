"""The same recording decoded as a whole by the same weights: what streaming is compared with.

Up to ``WINDOW_S`` it is one job, as the model was trained. Longer ones are split, each window at its quietest ``QUIET_MS`` in the last
third, so that no word is cut that need not be.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from streamer.core.events import SAMPLE_RATE, Hypothesis, Job, JobKind, Samples, to_samples
from streamer.core.richtext import text_of
from streamer.engine import Engine

WINDOW_S: Final = 30
QUIET_MS: Final = 200
SPLIT_WITHIN: Final = 1 / 3


def windows(samples: Samples) -> Iterator[tuple[int, int]]:
    """Begin and end of each window of int16 ``[n]``; together they are all of it."""
    longest, quiet = WINDOW_S * SAMPLE_RATE, to_samples(QUIET_MS)
    begin = 0
    while len(samples) - begin > longest:
        first = begin + int(longest * (1 - SPLIT_WITHIN))
        late = samples[first : begin + longest].astype(np.float64) ** 2
        power = np.convolve(late, np.ones(quiet), "valid")
        end = first + int(np.argmin(power)) + quiet // 2
        yield begin, end
        begin = end
    yield begin, len(samples)


def decode_whole(engine: Engine, samples: Samples) -> str:
    """The text of int16 ``[n]``; what could not be decoded is missing in it."""
    parts = []
    for begin, end in windows(samples):
        job = Job(session="bench", channel=0, segment=0, kind=JobKind.FINAL, begin=begin, end=end, samples=samples[begin:end])
        [answer] = engine.transcribe([job])
        if isinstance(answer, Hypothesis):
            parts.append(text_of(answer.tokens))
    return " ".join(parts)
