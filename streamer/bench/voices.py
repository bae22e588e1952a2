"""Speech at hand: a real reading that comes with the bundled model's package, and espeak-ng where it is installed.

Where an utterance begins and ends is taken from the clean voice, by its level, before anything is mixed with it.
"""

import shutil
import subprocess
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from streamer.bench.spans import Spans, joined
from streamer.core.events import SAMPLE_RATE

Signal = npt.NDArray[np.float32]

READING: Final = "two_cities.wav"
READ: Final = (
    (1.10, 2.90, "It was the best of times,"),
    (2.90, 4.80, "it was the worst of times,"),
    (4.88, 6.55, "it was the age of wisdom,"),
    (6.55, 8.45, "it was the age of foolishness,"),
    (8.70, 10.45, "it was the epoch of belief,"),
    (10.65, 12.95, "it was the epoch of incredulity,"),
    (13.35, 14.92, "it was the season of Light,"),
    (15.00, 16.90, "it was the season of Darkness,"),
    (17.40, 18.88, "it was the spring of hope,"),
    (18.88, 20.90, "it was the winter of despair,"),
    (21.10, 22.67, "we had everything before us,"),
    (22.67, 24.20, "we had nothing before us,"),
    (24.50, 26.20, "we were all going direct to Heaven,"),
    (26.40, 28.50, "we were all going direct the other way"),
    (28.92, 32.45, "in short, the period was so far like the present period,"),
    (32.65, 36.70, "that some of its noisiest authorities insisted on its being received,"),
    (36.80, 41.80, "for good or for evil, in the superlative degree of comparison only."),
)
"""Where in the reading, in seconds, what is said."""
SAID: Final = (
    ("en-us", "en", "please call the office tomorrow morning"),
    ("en", "en", "the customer has a question and the price is a problem"),
    ("en-us+f3", "en", "my account number is two three five nine"),
    ("en+m3", "en", "can you open the door and close the window"),
    ("cmn-latn-pinyin", "zh", "今天天气很好，会议现在开始。"),
    ("yue", "yue", "聽日朝早開會，多謝你。"),
    ("ja", "ja", "おはようございます、コーヒーください。"),
    ("ko", "ko", "오늘 날씨 좋아요, 내일 아침 회의 시작."),
)
"""espeak-ng's voice, the language and the sentence."""
BELOW_PEAK_DB: Final = 35.0
FRAME: Final = SAMPLE_RATE // 100
CLOSURE_MS: Final = 150  # the stop in "p" or "t" is part of the word


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """Clean speech, float ``[n]`` at 16 kHz, trimmed to where it is heard, and where in it that is."""

    samples: Signal
    speech: Spans
    language: str
    text: str


def utterance(samples: Signal, language: str, text: str) -> Utterance:
    """Trim, and mark where the level lies within ``BELOW_PEAK_DB`` of the loudest 10 ms."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    level = 10 * np.log10((frames**2).mean(axis=1) + 1e-12)
    loud = np.flatnonzero(level > level.max() - BELOW_PEAK_DB)
    first, last = int(loud[0]), int(loud[-1]) + 1
    speech = joined([(10 * (at - first), 10 * (at - first + 1)) for at in map(int, loud)], CLOSURE_MS)
    return Utterance(samples[first * FRAME : last * FRAME], speech, language, text)


def reading(path: Path) -> Iterator[Utterance]:
    """The clauses of the reading."""
    samples = _wave(path.read_bytes())
    for begin, end, text in READ:
        yield utterance(samples[int(begin * SAMPLE_RATE) : int(end * SAMPLE_RATE)], "en", text)


def synthesizer() -> str | None:
    return shutil.which("espeak-ng")


@cache
def said(program: str, voice: str, language: str, text: str) -> Utterance:
    """One sentence by espeak-ng, which says the same every time."""
    done = subprocess.run([program, "-v", voice, "-s", "150", "--stdout", text], capture_output=True, check=True, timeout=60)
    return utterance(_wave(done.stdout), language, text)


def _wave(data: bytes) -> Signal:
    """The first channel of a 16 bit wav, at 16 kHz. espeak-ng does not know the length when it writes the header."""
    import soxr

    with wave.open(BytesIO(data)) as file:
        rate, channels = file.getframerate(), file.getnchannels()
        frames = np.frombuffer(file.readframes(len(data)), "<i2").reshape(-1, channels)[:, 0]
    return np.asarray(soxr.resample(frames.astype(np.float32) / 32768, rate, SAMPLE_RATE), np.float32)
