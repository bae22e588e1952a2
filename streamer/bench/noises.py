"""Sounds without words, made from tones and random numbers: float ``[n]`` at 16 kHz, each at a level of its own."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from streamer.core.events import SAMPLE_RATE

Wave = npt.NDArray[np.float64]
Random = np.random.Generator
Maker = Callable[[int, Random], Wave]


def white(n: int, random: Random) -> Wave:
    return random.standard_normal(n)


def coloured(n: int, random: Random, power: float) -> Wave:
    """Noise whose power falls with the frequency to ``power``."""
    spectrum = np.fft.rfft(random.standard_normal(n))
    shaped: Wave = np.fft.irfft(spectrum * np.maximum(np.fft.rfftfreq(n, 1 / SAMPLE_RATE), 20.0) ** (-power / 2), n)
    return shaped


def pink(n: int, random: Random) -> Wave:
    return coloured(n, random, 1.0)


def fan(n: int, random: Random) -> Wave:
    """Air, and the blades turning in it."""
    turning = 1 + 0.3 * np.sin(2 * np.pi * 11 * _time(n))
    blown: Wave = coloured(n, random, 2.0) * turning
    return blown


def hum(n: int, random: Random) -> Wave:
    """Mains and its harmonics."""
    harmonics = [np.sin(2 * np.pi * 50 * k * _time(n) + random.uniform(0, 6.28)) / k for k in (1, 2, 3, 5, 7, 9)]
    humming: Wave = np.sum(harmonics, axis=0) + 0.01 * random.standard_normal(n)
    return humming


def clicks(n: int, random: Random) -> Wave:
    """A keyboard: some five keys a second, each a knock of 10 to 30 ms."""
    out = 1e-4 * random.standard_normal(n)
    for at in random.integers(0, n, max(1, 5 * n // SAMPLE_RATE)):
        length = int(min(random.integers(160, 480), n - at))
        out[at : at + length] += random.standard_normal(length) * np.exp(-np.arange(length) / 60) * random.uniform(0.4, 1)
    return out


def music(n: int, random: Random) -> Wave:
    """Chords on the beat with a bass, and a tune over them."""
    out = np.zeros(n)
    beat = SAMPLE_RATE * 2 // 5
    roots = (220.0, 174.61, 130.81, 196.0)
    for number, at in enumerate(range(0, n, beat)):
        root = roots[number // 4 % 4]
        scale = root * 2 ** (random.choice([12, 14, 16, 19, 21]) / 12)
        for pitch, loud in ((root / 2, 0.8), (root, 0.5), (root * 1.26, 0.4), (root * 1.5, 0.4), (scale, 0.6)):
            length = min(beat + beat // 2, n - at)
            seconds = _time(length)
            tone = sum(np.sin(2 * np.pi * pitch * k * seconds) / k**1.5 for k in (1, 2, 3, 4))
            out[at : at + length] += loud * tone * np.exp(-3 * seconds) * np.minimum(1, seconds * 200)
    return out


def applause(n: int, random: Random) -> Wave:
    """Many hands, some sixty claps a second."""
    out = np.zeros(n)
    for at in random.integers(0, n, max(1, 60 * n // SAMPLE_RATE)):
        length = int(min(480, n - at))
        out[at : at + length] += np.diff(random.standard_normal(length + 1)) * np.exp(-np.arange(length) / 80) * random.uniform(0.1, 1)
    return out


def siren(n: int, random: Random) -> Wave:
    """A tone that rises and falls between 600 and 1,500 Hz."""
    pitch = 1050 + 450 * np.sin(2 * np.pi * 0.5 * _time(n) + random.uniform(0, 6.28))
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    return np.sin(phase) + 0.3 * np.sin(2 * phase)


def silence(n: int, random: Random) -> Wave:
    """The last bit of a converter."""
    return random.integers(-1, 2, n) / 32768


def _time(n: int) -> Wave:
    """Seconds of each sample."""
    return np.arange(n) / SAMPLE_RATE


NONSPEECH: Final[Mapping[str, Maker]] = {
    "silence": silence,
    "white": white,
    "pink": pink,
    "fan": fan,
    "hum": hum,
    "clicks": clicks,
    "music": music,
    "applause": applause,
    "siren": siren,
}
EVENTS: Final = {"music": "bgm", "applause": "applause"}
"""Those that the model has a class for."""
