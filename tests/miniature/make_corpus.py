"""Make a labelled corpus: python -m tests.miniature.make_corpus COUNT SEED FOLDER

espeak-ng speaks; rate, pitch and its range stand for emotion; rooms, telephones, noise and music get in the way; clips are cut at their
edges, and inside words as a live server does. Writes pcm.raw (int16, 16 kHz, all clips end to end) and rows.json: where each clip lies, its
language, emotion and event, and its units with spans in samples. One seed makes one corpus.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass, field
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np

from tests.miniature.espeak import SAMPLE_RATE, Signal
from tests.miniature.rooms import by_telephone, in_a_room
from tests.miniature.sounds import EVENTS, NOISES, music, peak_one
from tests.miniature.talk import EMOTIONS, joined, pick, spoken
from tests.miniature.words import SHARES, Unit

Generator = np.random.Generator
HEARD = 0.1  # A word counts as wholly heard when less than this share of it was cut away.


@dataclass(slots=True)
class Clip:
    """Audio with its labels; ``speech`` says whether a voice is in it at all."""

    sound: Signal
    language: str = "nospeech"
    emotion: str = "EMO_UNKNOWN"
    event: str = "Event_UNK"
    units: list[Unit] = field(default_factory=list)


def babble(n: int, rng: Generator) -> Signal:
    """Six to ten voices at once, backwards: the sound of a crowd without its words."""
    sound = np.zeros(n, np.float32)
    for _ in range(int(rng.integers(6, 11))):
        voice = spoken(pick(SHARES, rng), "NEUTRAL", rng)[0][::-1]
        sound += np.roll(np.resize(voice, n), int(rng.integers(n))) * rng.uniform(0.4, 1)
    return peak_one(sound)


def with_noise(sound: Signal, power: float, rng: Generator) -> Signal:
    """Noise at 5 to 40 dB below ``power``, a mean square; a quarter stays clean."""
    if rng.random() < 0.25:
        return sound
    made = babble(len(sound), rng) if rng.random() < 0.1 else NOISES[rng.integers(len(NOISES))](len(sound), rng)
    below = rng.uniform(5, 20) if rng.random() < 0.6 else rng.uniform(20, 40)
    return np.asarray(sound + made * np.sqrt(power / max(float(np.mean(made**2)), 1e-9) * 10 ** (-below / 10)), np.float32)


def with_event(sound: Signal, rng: Generator) -> tuple[Signal, str]:
    """Music under the words, laughter or applause after them; mostly nothing."""
    chance = rng.random()
    if chance < 0.10:
        return sound + music(len(sound), rng) * np.float32(rng.uniform(0.15, 0.4)), "BGM"
    if chance < 0.14:
        event = "Laughter" if rng.random() < 0.5 else "Applause"
        after = EVENTS[event][0](int(SAMPLE_RATE * rng.uniform(1.0, 2.0)), rng) * np.float32(rng.uniform(0.4, 1))
        return np.concatenate([sound, after]), event
    return sound, "Speech"


def cut(clip: Clip, first: int, last: int, rng: Generator) -> Clip:
    """The clip's edges as a live server makes them: roomy, tight, or inside the speech that lies between ``first`` and ``last``."""
    before, after = (int(SAMPLE_RATE * (rng.uniform(0, 0.06) if rng.random() < 0.3 else rng.uniform(0, 1))) for _ in range(2))
    begin, end = max(first - before, 0), min(last + after, len(clip.sound)) if clip.event in ("Speech", "BGM") else len(clip.sound)
    chance, length = rng.random(), last - first
    if chance < 0.28 and clip.event in ("Speech", "BGM"):
        end = first + int(length * rng.uniform(0.05, 1))
    if 0.22 < chance < 0.36:
        begin = min(first + int(length * rng.uniform(0, 0.8)), end - 1600)
    begin = max(begin, 0)
    units = []
    for unit in clip.units:
        slack = HEARD * (unit.end - unit.begin)
        if unit.begin >= begin - slack and unit.end <= end + slack:
            units.append(Unit(unit.text, unit.word_begins, unit.mark, max(unit.begin - begin, 0), min(unit.end, end) - begin))
    if units and units[-1].mark in (",", "，", "、"):
        units[-1].mark = ""
    voice = min(last, end) - max(first, begin) > SAMPLE_RATE * 0.08
    return Clip(
        clip.sound[begin:end],
        clip.language if voice else "nospeech",
        clip.emotion if units else "EMO_UNKNOWN",
        clip.event if voice or clip.event != "Speech" else "Event_UNK",
        units,
    )


def speech(rng: Generator) -> Clip:
    language, emotion = pick(SHARES, rng), pick(EMOTIONS, rng)
    sound, units = joined(language, emotion, rng)
    first, last = SAMPLE_RATE, SAMPLE_RATE + len(sound)
    for unit in units:
        unit.begin, unit.end = unit.begin + first, unit.end + first
    power = float(np.mean(sound**2))
    sound = np.pad(sound, SAMPLE_RATE)
    sound, event = with_event(sound, rng) if rng.random() < 0.5 else (sound, "Speech")
    if rng.random() < 0.3:
        sound = in_a_room(sound, rng)
    if rng.random() < 0.2:
        sound = by_telephone(sound, rng)
    return cut(Clip(with_noise(sound, power, rng), language, emotion, event, units), first, last, rng)


def sound_only(rng: Generator) -> Clip:
    event = str(rng.choice([*EVENTS, "Event_UNK", "Event_UNK", "Event_UNK", "BGM"]))
    n = int(SAMPLE_RATE * rng.uniform(0.3, 4.5))
    if event == "Event_UNK" and rng.random() < 0.15:
        return Clip(babble(n, rng))
    makers = EVENTS[event]
    sound = makers[rng.integers(len(makers))](n, rng)
    if makers[-1] is not EVENTS["Event_UNK"][-1]:
        sound = in_a_room(sound, rng) if rng.random() < 0.4 else sound
        sound = with_noise(sound, float(np.mean(sound**2)), rng) if rng.random() < 0.6 else sound
    elif rng.random() < 0.3:
        sound = sound + NOISES[rng.integers(len(NOISES))](n, rng) * np.float32(rng.uniform(0, 0.5))
    return Clip(by_telephone(sound, rng) if rng.random() < 0.15 else sound, event=event)


def clip(seed: tuple[int, int]) -> tuple[np.ndarray, dict[str, Any]]:
    rng = np.random.default_rng(seed)
    made = sound_only(rng) if rng.random() < 0.2 else speech(rng)
    peak = max(float(np.abs(made.sound).max()), 1e-3)
    samples = made.sound / peak * 10 ** (rng.uniform(-30, 0) / 20) if peak > 2e-3 else made.sound
    row = {"language": made.language, "emotion": made.emotion, "event": made.event, "units": [asdict(unit) for unit in made.units]}
    return (np.clip(samples, -1, 1) * 32767).astype(np.int16), row


def main(count: int, seed: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows, offset, began = [], 0, time.monotonic()
    # espeak-ng's voices waver with a state that lives as long as its process, so each 32 clips get a fresh one.
    with Pool(2, maxtasksperchild=1) as pool, (folder / "pcm.raw").open("wb") as file:
        for samples, row in pool.imap(clip, ((seed, i) for i in range(count)), chunksize=32):
            rows.append(row | {"offset": offset, "length": len(samples)})
            file.write(samples.tobytes())
            offset += len(samples)
    (folder / "rows.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    sys.stdout.write(f"{count} clips, {offset / SAMPLE_RATE / 3600:.2f} h, in {time.monotonic() - began:.0f} s\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
