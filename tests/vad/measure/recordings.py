"""Labelled sound, in groups: the bench's built-in mixtures, and the real recordings beside the checkout where they are there."""

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from streamer.bench.builtin import builtin
from streamer.bench.manifest import Item, read_manifest
from streamer.bench.noises import pink
from streamer.bench.replay import Pace, encode, received
from streamer.bench.spans import Spans, joined
from streamer.core.events import SAMPLE_RATE, Samples

SHARED = Path(__file__).parents[4] / "shared" / "data"
CHAPTER = "en/librispeech_8629-261140-"  # one chapter, read without a break, with the times of its words
ALIGNMENT = "en/librispeech_8629-261140.alignment.txt"
SHORTEST_PAUSE_MS = 100  # between words; what is shorter belongs to speech
SPOKEN = ("en/", "zh/", "emotion/", "sensevoice_examples/")


@dataclass(frozen=True, slots=True)
class Recording:
    """Int16 ``[n]`` at 16 kHz, and where speech is in it, in milliseconds."""

    group: str
    name: str
    samples: Samples
    speech: Spans


def everything() -> list[Recording]:
    found = [*mixtures(), *real()]
    return found + conversations(found)


def mixtures() -> list[Recording]:
    return [Recording(item.name.split("/")[0], item.name, item.load().samples[0], item.labels.speech or ()) for item in builtin().items]


def real() -> list[Recording]:
    if not SHARED.is_dir():
        return []
    found = []
    for item in read_manifest(SHARED).items:
        if not (group := _group(item)):
            continue
        samples = item.load().samples[0]
        speech = joined(item.labels.speech or (), SHORTEST_PAUSE_MS if group == "read" else 0)
        found.append(Recording(group, item.name, samples, speech))
        if group == "read":
            line = received(*encode(samples[None], Pace(telephone=True)))[0]
            found.append(Recording("telephone", item.name, line, speech))
    return [*found, chapter()] if found else []


def chapter() -> Recording:
    """The whole chapter as one recording; its spans are words, one by one."""
    sounds, words, at = [], [], 0
    lines = dict(re.findall(r'(\S+) (".*")', (SHARED / ALIGNMENT).read_text()))
    for item in sorted((item for item in read_manifest(SHARED).items if item.name.startswith(CHAPTER)), key=lambda item: item.name):
        name = Path(item.name).stem.partition("_")[2]
        spoken, ends = (field.split(",") for field in re.findall(r'"([^"]*)"', lines[name]))
        times = [at, *(at + round(float(end) * 1000) for end in ends)]
        words += [span for word, span in zip(spoken, pairwise(times), strict=True) if word]
        sounds.append(item.load().samples[0])
        at += len(sounds[-1]) * 1000 // SAMPLE_RATE
    return Recording("chapter", "chapter", np.concatenate(sounds), tuple(words))


def _group(item: Item) -> str | None:
    folder = item.name.split("/")[0]
    if item.labels.speech:
        return {"vad": "marked", "meeting": "meeting", "zh": "mandarin", "en": "read"}.get(folder)
    return "nonspeech" if item.labels.nonspeech and folder in ("events", "noise") else None


def conversations(found: list[Recording], minutes: int = 5) -> list[Recording]:
    """Recordings one after the other with half a second to two and a half between them; an utterance is a recording."""
    if not SHARED.is_dir():
        return []
    sentences = [item for item in read_manifest(SHARED).items if item.name.startswith(SPOKEN) and _group(item) != "mandarin"]
    spoken = [item.load().samples[0] for item in sentences]
    office = next(one.samples for one in found if "office" in one.name)
    made = []
    for seed, snr_db in ((1, 40), (2, 10), (3, 5)):
        random = np.random.default_rng(seed)
        parts, spans, at = [], [], 0
        while at < minutes * 60 * SAMPLE_RATE:
            voice = _trimmed(spoken[random.integers(len(spoken))])
            pause = int(random.uniform(0.5, 2.5) * SAMPLE_RATE)
            parts += [np.zeros(pause), voice]
            spans.append(((at + pause) // 16, (at + pause + len(voice)) // 16))
            at += pause + len(voice)
        speech = np.concatenate([*parts, np.zeros(SAMPLE_RATE)])
        noise = pink(len(speech), random) if snr_db == 40 else np.resize(office, len(speech)).astype(np.float64)
        mixed = speech + noise / _rms(noise) * LOUDNESS * 10 ** (-snr_db / 20)
        made.append(Recording("conversation", f"{snr_db} dB", np.clip(mixed, -32768, 32767).astype(np.int16), tuple(spans)))
    return made


LOUDNESS = 32768 * 10 ** (-26 / 20)


def _trimmed(samples: Samples) -> np.ndarray:
    """From where it is first to where it is last within 34 dB of its loudest 30 ms, at -26 dBFS."""
    frames = samples[: len(samples) // 480 * 480].reshape(-1, 480).astype(np.float64)
    loud = np.flatnonzero(frames.std(axis=1) > frames.std(axis=1).max() / 50)
    voice = frames[loud[0] : loud[-1] + 1].reshape(-1)
    return voice / _rms(voice) * LOUDNESS


def _rms(sound: np.ndarray) -> float:
    return float(np.sqrt(np.mean(sound**2)))
