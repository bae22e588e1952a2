"""Sounds that are not speech, made from tones and noise: music, people's noises, machines, rooms. All peak at 1 and none carries a word."""

from collections.abc import Callable

import numpy as np
from scipy.signal import butter, lfilter, sosfilt

from tests.miniature.espeak import SAMPLE_RATE, Signal

Generator = np.random.Generator
Maker = Callable[[int, Generator], Signal]


def peak_one(sound: np.ndarray) -> Signal:
    return (sound / max(float(np.abs(sound).max()), 1e-9)).astype(np.float32)


def band(sound: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.asarray(sosfilt(butter(2, [low, min(high, 7900)], "bandpass", fs=SAMPLE_RATE, output="sos"), sound))


def coloured(n: int, rng: Generator, slope: float) -> np.ndarray:
    """Noise whose power falls with frequency to the power of ``slope``: 0 white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum *= np.maximum(np.arange(len(spectrum)) * SAMPLE_RATE / n, 20) ** (-slope / 2)
    return np.fft.irfft(spectrum, n)


def voiced(pitch: np.ndarray, rng: Generator) -> np.ndarray:
    """A throat: a buzz at ``pitch`` Hz (one value a sample) through four formants drawn at random."""
    phase = np.cumsum(pitch / SAMPLE_RATE) % 1
    sound = (1 - 2 * phase) + 0.05 * rng.standard_normal(len(pitch))
    for low, high in ((500, 1000), (1100, 1800), (2300, 3000), (3300, 4000)):
        turn, radius = 2 * np.pi * rng.uniform(low, high) / SAMPLE_RATE, np.exp(-np.pi * rng.uniform(80, 220) / SAMPLE_RATE)
        sound = lfilter([1 - radius], [1, -2 * radius * np.cos(turn), radius**2], sound) + 0.15 * sound
    return np.asarray(sound)


def music(n: int, rng: Generator) -> Signal:
    """Chords, arpeggios or a tune of a plucked or bowed instrument, at times with a beat."""
    sound, root = np.zeros(n), rng.uniform(90, 330)
    step, style = int(SAMPLE_RATE * rng.uniform(0.12, 0.6)), rng.integers(3)
    decay, partials, vibrato = rng.uniform(0.5, 8), int(rng.integers(1, 9)), rng.uniform(0, 0.006)
    for begin in range(0, n, step):
        t = np.arange(min(int(step * rng.uniform(1, 2)), n - begin)) / SAMPLE_RATE
        base = root * 2 ** (rng.choice([0, 2, 4, 5, 7, 9, 11, 12]) / 12)
        chord = [1, 2 ** (rng.choice([3, 4]) / 12), 2 ** (7 / 12)] if style == 0 else [1.0]
        for ratio in chord if style else [c * (2.0 ** rng.integers(0, 2)) for c in chord]:
            swing = 2 * np.pi * base * ratio * (t + vibrato * np.sin(2 * np.pi * 5 * t) / 30)
            tone = sum(np.sin(k * swing) / k for k in range(1, partials + 1))
            sound[begin : begin + len(t)] += tone * np.exp(-decay * t) * np.minimum(t * 80, 1)
    if rng.random() < 0.4:
        for begin in range(0, n, 2 * step):
            t = np.arange(min(2500, n - begin)) / SAMPLE_RATE
            sound[begin : begin + len(t)] += rng.uniform(0.5, 1.5) * np.exp(-30 * t) * np.where(t < 1, np.sin(400 * np.exp(-8 * t)), 0)
            sound[begin : begin + len(t)] += 0.3 * np.exp(-60 * t) * rng.standard_normal(len(t))
    return peak_one(sound)


def applause(n: int, rng: Generator) -> Signal:
    """Many hands: short filtered bursts, so dense that they run together."""
    sound = np.zeros(n + 1600)
    for _ in range(max(4, int(n / SAMPLE_RATE * np.exp(rng.uniform(np.log(15), np.log(150)))))):
        length, begin = int(rng.integers(120, 800)), int(rng.integers(0, n))
        sound[begin : begin + length] += rng.standard_normal(length) * np.exp(-np.arange(length) / length * 6) * rng.uniform(0.2, 1)
    return peak_one(band(sound[:n], rng.uniform(200, 700), rng.uniform(3000, 7500)))


def _bursts(n: int, rng: Generator, length_s: tuple[float, float], gap_s: tuple[float, float], maker: Maker) -> Signal:
    sound, begin = np.zeros(n), int(SAMPLE_RATE * rng.uniform(0, 0.15))
    while begin < n - 800:
        burst = maker(int(SAMPLE_RATE * rng.uniform(*length_s)), rng)[: n - begin]
        sound[begin : begin + len(burst)] += burst * rng.uniform(0.5, 1)
        begin += len(burst) + int(SAMPLE_RATE * rng.uniform(*gap_s))
    return peak_one(sound)


def laughter(n: int, rng: Generator) -> Signal:
    """Short voiced bursts at four to six a second, each half breath, falling in pitch."""
    pitch, fall = rng.uniform(150, 420), rng.uniform(0.93, 1.0)

    def ha(size: int, rng: Generator) -> Signal:
        nonlocal pitch
        pitch = pitch * fall if pitch > 110 else rng.uniform(200, 420)
        voice = peak_one(voiced(pitch * np.linspace(1.08, 0.92, size), rng)) * np.hanning(size)
        return peak_one(voice + rng.uniform(0.05, 0.4) * band(rng.standard_normal(size), 800, 5000) * np.hanning(size))

    return _bursts(n, rng, (0.07, 0.13), (0.04, 0.12), ha)


def cry(n: int, rng: Generator) -> Signal:
    """Long wails that rise and fall, with tremor, and a breath between them."""
    base = rng.uniform(280, 600)

    def wail(size: int, rng: Generator) -> Signal:
        t = np.linspace(0, 1, size)
        tremor = 1 + 0.03 * np.sin(2 * np.pi * rng.uniform(5, 9) * t * size / SAMPLE_RATE)
        return peak_one(voiced(base * (0.8 + 0.4 * np.sin(np.pi * t) ** 0.7) * tremor, rng) * np.sin(np.pi * t) ** 0.4)

    return _bursts(n, rng, (0.5, 1.4), (0.1, 0.4), wail)


def cough(n: int, rng: Generator) -> Signal:
    """An explosion of breath and a rough voiced tail, one to three in a row."""

    def burst(size: int, rng: Generator) -> Signal:
        t = np.arange(size) / SAMPLE_RATE
        blast = band(rng.standard_normal(size), 300, 4000) * np.exp(-t * rng.uniform(12, 25)) * np.minimum(t * 300, 1)
        tail = voiced(rng.uniform(90, 220) * np.exp(-2 * t), rng) * np.exp(-t * 12) * np.minimum(t * 15, 1)
        return peak_one(peak_one(blast) + rng.uniform(0, 0.5) * peak_one(tail))

    return _bursts(n, rng, (0.2, 0.4), (0.05, 0.7), burst)


def sneeze(n: int, rng: Generator) -> Signal:
    """A rising gasp, a stop, and a hiss that bursts out."""

    def burst(size: int, rng: Generator) -> Signal:
        gasp, hiss = size // 2, size - size // 2
        t = np.arange(hiss) / SAMPLE_RATE
        inward = band(rng.standard_normal(gasp), 600, 3500) * np.linspace(0, 0.3, gasp) ** 1.5
        outward = band(rng.standard_normal(hiss), 1800, 7500) * np.exp(-t * rng.uniform(5, 10)) * np.minimum(t * 200, 1)
        return peak_one(np.concatenate([inward, np.zeros(int(rng.integers(300, 1500))), outward]))

    return _bursts(n, rng, (0.6, 1.1), (0.5, 1.5), burst)


def breath(n: int, rng: Generator) -> Signal:
    """In and out, softly."""

    def draw(size: int, rng: Generator) -> Signal:
        return peak_one(band(rng.standard_normal(size), rng.uniform(200, 700), rng.uniform(1500, 5000)) * np.hanning(size) ** 1.5)

    return _bursts(n, rng, (0.5, 1.4), (0.05, 0.5), draw)


def hiss(n: int, rng: Generator) -> Signal:
    """White, pink or brown noise, a fan, wind: steady or slowly swelling."""
    sound = coloured(n, rng, float(rng.choice([0, 1, 2, rng.uniform(0, 2)])))
    if rng.random() < 0.3:
        sound = band(sound, rng.uniform(60, 600), rng.uniform(900, 7500))
    if rng.random() < 0.3:
        sound *= 1 + rng.uniform(0, 0.9) * np.sin(2 * np.pi * rng.uniform(0.1, 6) * np.arange(n) / SAMPLE_RATE + rng.uniform(0, 6))
    return peak_one(sound)


def hum(n: int, rng: Generator) -> Signal:
    """Mains, motors and dial tones: a few steady partials."""
    t, base = np.arange(n) / SAMPLE_RATE, float(rng.choice([50, 60, 100, 120, rng.uniform(40, 400), rng.uniform(300, 2500)]))
    sound = sum(np.sin(2 * np.pi * base * k * t + rng.uniform(0, 6)) * rng.uniform(0, 1) / k for k in range(1, int(rng.integers(2, 12))))
    return peak_one(np.asarray(sound) + 0.02 * rng.standard_normal(n))


def clicks(n: int, rng: Generator) -> Signal:
    """Keys, knocks, a mouse, beeps."""
    sound = np.zeros(n + 3200)
    for begin in rng.integers(0, n, max(1, int(n / SAMPLE_RATE * rng.uniform(0.7, 9)))):
        t = np.arange(int(rng.integers(30, 1600))) / SAMPLE_RATE
        tone, fall = np.sin(2 * np.pi * rng.uniform(80, 4000) * t), np.exp(-t * rng.uniform(40, 900))
        sound[begin : begin + len(t)] += fall * (tone if rng.random() < 0.5 else rng.standard_normal(len(t))) * rng.uniform(0.2, 1)
    return peak_one(sound[:n])


def silence(n: int, rng: Generator) -> Signal:
    """Nothing at all, or the last bit of a converter flickering."""
    return (rng.integers(-1, 2, n) * (rng.random() < 0.5) * rng.uniform(1, 8) / 32768).astype(np.float32)


NOISES: tuple[Maker, ...] = (hiss, hiss, hum, clicks)
EVENTS: dict[str, tuple[Maker, ...]] = {
    "BGM": (music,),
    "Applause": (applause,),
    "Laughter": (laughter,),
    "Cry": (cry,),
    "Cough": (cough,),
    "Sneeze": (sneeze,),
    "Breath": (breath,),
    "Event_UNK": (*NOISES, silence),
}
