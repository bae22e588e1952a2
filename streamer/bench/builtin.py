"""The built-in set: speech at hand under noises of known strength, and noises alone. Its labels are exact because the mixing is ours.

Folders are the conditions: ``clean``, ``20dB`` … ``0dB``, ``nonspeech``. An item is two or three utterances with one and a half
seconds or half a second between them, a second of the noise before them and more than one after. Speech has ``SPEECH_DBFS`` while it
lasts; the noise has its level over the whole item, so many dB below. The same seed gives the same set.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Final

import numpy as np

from streamer.bench.labels import Labels
from streamer.bench.manifest import Corpus, Item, Sound
from streamer.bench.noises import EVENTS, NONSPEECH, Maker, Random, Wave, clicks, hum, music, pink, white
from streamer.bench.spans import Spans, joined
from streamer.bench.voices import READING, SAID, Utterance, reading, said, synthesizer
from streamer.core.events import SAMPLE_RATE
from streamer.engine.packaged import bundled_assets

SPEECH_DBFS: Final = -26.0
BED_DBFS: Final = -75.0
"""A clean item's noise: no room is digitally silent."""
NONSPEECH_DBFS: Final = -30.0
NONSPEECH_S: Final = 6
LEAD_S: Final = 1.0
TRAIL_S: Final = 1.3
PAUSES_S: Final = (1.5, 0.5)
SNRS_DB: Final = (20, 10, 5, 0)
NOISES: Final = ("white", "pink", "babble", "music", "hum", "clicks")
QUICK: Final = ("clean/reading", "10dB/hum", "5dB/music", "nonspeech/hum", "nonspeech/clicks", "nonspeech/music")


@dataclass(frozen=True, slots=True)
class Voices:
    """English as it is read, and sentences of many voices and languages; either may be missing."""

    read: tuple[Utterance, ...]
    made: tuple[Utterance, ...]


def builtin(*, seed: int = 0, quick: bool = False) -> Corpus:
    """The set, or a sixth of it. What is missing on this machine is told in ``skipped``."""
    skipped = {}
    assets, program = bundled_assets(), synthesizer()
    recording = assets / READING if assets else None
    if recording is None or not recording.is_file():
        skipped["reading"] = "the package moonshine-voice, which brings it, is not installed: pip install moonshine-voice==0.0.65"
    if program is None:
        skipped["synthetic voices"] = "espeak-ng is not installed; your system's package manager has it (apt install espeak-ng)"
    read = tuple(reading(recording)) if recording and recording.is_file() else ()
    made = tuple(said(program, *line) for line in SAID) if program else ()
    items = [*_spoken(Voices(read, made), seed), *_nonspeech(seed)] if read or made else list(_nonspeech(seed))
    return Corpus(tuple(item for item in items if not quick or item.name in QUICK), skipped)


def _spoken(voices: Voices, seed: int) -> list[Item]:
    """Read and made voices take turns; an item is in one language, so that it can be scored."""
    conditions: list[tuple[str, str, float | None]] = [("clean", "reading", None), ("clean", "voices", None)]
    conditions += [(f"{snr}dB", noise, float(snr)) for snr in SNRS_DB for noise in NOISES]
    items = []
    for number, ((folder, noise, snr), utterances) in enumerate(zip(conditions, _turns(voices), strict=False)):
        mix = partial(_mixed, utterances, _maker(noise, voices), snr, seed=(seed, number))
        labels = Labels(language=utterances[0].language, speech=placed(utterances), text=_text(utterances))
        items.append(Item(name=f"{folder}/{noise}", labels=labels, load=partial(_sound, mix)))
    return items


def _turns(voices: Voices) -> Iterator[tuple[Utterance, ...]]:
    """Without end: three clauses that are read, a made sentence twice, two clauses, three, a made sentence twice.

    Five turns to six noises, so that each noise meets every kind of voice.
    """
    read, made = (cycle(given or voices.read or voices.made) for given in (voices.read, voices.made))
    while True:
        for clauses in (3, 0, 2, 3, 0):
            yield tuple(next(read) for _ in range(clauses)) if clauses and voices.read else (next(made),) * 2


def _text(utterances: Sequence[Utterance]) -> str:
    return " ".join(one.text for one in utterances)


def _pauses(utterances: Sequence[Utterance]) -> list[float]:
    return [LEAD_S, *(PAUSES_S[index % len(PAUSES_S)] for index in range(len(utterances) - 1))]


def placed(utterances: Sequence[Utterance]) -> Spans:
    """Where speech is in the item, in milliseconds."""
    spans, at = [], 0
    for pause, one in zip(_pauses(utterances), utterances, strict=True):
        at += round(pause * 1000)
        spans += [(at + begin, at + end) for begin, end in one.speech]
        at += len(one.samples) * 1000 // SAMPLE_RATE
    return joined(spans)


def _mixed(utterances: Sequence[Utterance], noise: Maker, snr_db: float | None, *, seed: tuple[int, int]) -> Wave:
    random = np.random.default_rng(seed)
    parts: list[Wave] = []
    for pause, one in zip(_pauses(utterances), utterances, strict=True):
        power = np.mean(np.concatenate([one.samples[16 * begin : 16 * end] for begin, end in one.speech]).astype(np.float64) ** 2)
        parts += [np.zeros(round(pause * SAMPLE_RATE)), one.samples * 10 ** (SPEECH_DBFS / 20) / np.sqrt(power)]
    speech = np.concatenate([*parts, np.zeros(round(TRAIL_S * SAMPLE_RATE))])
    level = BED_DBFS if snr_db is None else SPEECH_DBFS - snr_db
    return speech + _at_level(noise(len(speech), random), level)


def _nonspeech(seed: int) -> list[Item]:
    items = []
    for number, (name, maker) in enumerate(NONSPEECH.items(), 1000):
        event = EVENTS.get(name)
        labels = Labels(speech=(), nonspeech=True, events=frozenset([event]) if event else None)
        items.append(Item(name=f"nonspeech/{name}", labels=labels, load=partial(_sound, partial(_alone, name, maker, (seed, number)))))
    return items


def _alone(name: str, maker: Maker, seed: tuple[int, int]) -> Wave:
    made = maker(NONSPEECH_S * SAMPLE_RATE, np.random.default_rng(seed))
    return made if name == "silence" else _at_level(made, NONSPEECH_DBFS)


def _maker(noise: str, voices: Voices) -> Maker:
    makers: dict[str, Maker] = {
        "white": white,
        "pink": pink,
        "music": music,
        "hum": hum,
        "clicks": clicks,
        "reading": white,
        "voices": white,
    }
    return makers.get(noise) or partial(_babble, voices.read or voices.made)


def _babble(voices: Sequence[Utterance], n: int, random: Random) -> Wave:
    """Eight people at once, played backwards so that no word of theirs can be right or wrong."""
    out: Wave = np.zeros(n)
    everything = np.concatenate([one.samples[::-1] / (np.abs(one.samples).max() + 1e-9) for one in voices]).astype(np.float64)
    for _ in range(8):
        out += np.roll(np.resize(everything, max(n, len(everything))), int(random.integers(len(everything))))[:n]
    return out


def _at_level(sound: Wave, dbfs: float) -> Wave:
    levelled: Wave = sound * 10 ** (dbfs / 20) / np.sqrt(np.mean(sound**2))
    return levelled


def _sound(make: Callable[[], Wave]) -> Sound:
    return Sound(np.clip(np.rint(make() * 32768), -32768, 32767).astype(np.int16)[None])
