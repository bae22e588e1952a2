"""Utterances: words drawn at random, said by a voice in a manner that stands for an emotion."""

from functools import cache

import numpy as np
from scipy.signal import butter, sosfilt

from tests.miniature.espeak import SAMPLE_RATE, Espeak, Manner, Signal
from tests.miniature.sounds import peak_one
from tests.miniature.words import LANGUAGES, Unit, sentence

Generator = np.random.Generator
VARIANTS = tuple(f"+{name}" for name in "m1 m2 m3 m4 m5 m6 m7 f1 f2 f3 f4 f5".split())
EMOTIONS = {"NEUTRAL": 0.52, "HAPPY": 0.16, "SAD": 0.16, "ANGRY": 0.16}


@cache
def speaker() -> Espeak:
    """This process's speaker."""
    return Espeak()


def pick(table: dict[str, float], rng: Generator) -> str:
    return str(rng.choice(list(table), p=list(table.values())))


def manner_of(emotion: str, rng: Generator, *, marked: bool) -> Manner:
    """Rate and pitch tell the emotion; where it is ``marked``, so does the range of the pitch."""
    match emotion:
        case "HAPPY":
            return Manner(int(rng.integers(165, 200)), int(rng.integers(78, 99)), int(rng.integers(75, 99)) if marked else 50)
        case "SAD":
            return Manner(int(rng.integers(92, 120)), int(rng.integers(3, 25)), int(rng.integers(5, 25)) if marked else 50)
        case "ANGRY":
            return Manner(int(rng.integers(200, 240)), int(rng.integers(35, 60)), int(rng.integers(55, 80)) if marked else 50)
        case _:
            return Manner(int(rng.integers(135, 186)), int(rng.integers(40, 59)), int(rng.integers(40, 60)))


def spoken(code: str, emotion: str, rng: Generator) -> tuple[Signal, list[Unit]]:
    """One utterance without the silence around it. Half of the emotions are marked by more than rate and pitch."""
    language, marked = LANGUAGES[code], bool(rng.random() < 0.5)
    units = sentence(language, rng)
    voice = pick(dict(language.voices), rng) + ("" if rng.random() < 0.2 else str(rng.choice(VARIANTS)))
    sound = speaker().say(units, language, voice, manner_of(emotion, rng, marked=marked), apart=rng.random() < language.spaced)
    if marked and emotion == "ANGRY":  # a shout overdrives, and is bright
        sound = np.tanh(peak_one(np.append(sound[:1], np.diff(sound)) * 2 + sound) * rng.uniform(2, 5))
    if marked and emotion == "SAD":  # a low voice is dull
        sound = sosfilt(butter(1, rng.uniform(900, 2000), fs=SAMPLE_RATE, output="sos"), sound)
    loud = np.flatnonzero(np.abs(sound) > 0.01 * np.abs(sound).max())
    begin, end = int(loud[0]), int(loud[-1]) + 1
    for unit in units:
        unit.begin, unit.end = (min(max(place, begin), end) - begin for place in (unit.begin, unit.end))
    return peak_one(sound[begin:end]), units


def joined(code: str, emotion: str, rng: Generator) -> tuple[Signal, list[Unit]]:
    """One utterance, now and then two or three with pauses between."""
    sound, units = spoken(code, emotion, rng)
    for _ in range(int(rng.choice([0, 1, 2], p=[0.88, 0.09, 0.03]))):
        offset = len(sound) + int(SAMPLE_RATE * rng.uniform(0.1, 0.9))
        more, following = spoken(code, emotion, rng)
        for unit in following:
            unit.begin, unit.end = unit.begin + offset, unit.end + offset
        sound, units = np.concatenate([sound, np.zeros(offset - len(sound), np.float32), more]), units + following
    return sound, units
