"""What lies between a mouth and a microphone: a room, a telephone line."""

import numpy as np
import soxr
from scipy.signal import butter, fftconvolve, sosfilt

from tests.miniature.espeak import SAMPLE_RATE, Signal
from tests.miniature.sounds import peak_one

Generator = np.random.Generator


def in_a_room(sound: Signal, rng: Generator) -> Signal:
    """Reverberation of 0.15 to 0.6 s."""
    length = int(SAMPLE_RATE * rng.uniform(0.15, 0.6))
    tail = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length) * rng.uniform(0.02, 0.12)
    tail[0] = 1
    return peak_one(fftconvolve(sound, tail)[: len(sound)])


def by_telephone(sound: Signal, rng: Generator) -> Signal:
    """300 to 3400 Hz, through 8 kHz, half of the time in mu-law steps."""
    narrow = soxr.resample(sosfilt(butter(3, [300, 3400], "bandpass", fs=SAMPLE_RATE, output="sos"), sound), SAMPLE_RATE, 8000)
    if rng.random() < 0.5:
        curve = np.sign(narrow) * np.log1p(255 * np.minimum(np.abs(narrow), 1)) / np.log(256)
        curve = np.round(curve * 127) / 127
        narrow = np.sign(curve) * np.expm1(np.abs(curve) * np.log(256)) / 255
    return np.asarray(soxr.resample(narrow, 8000, SAMPLE_RATE), np.float32)
