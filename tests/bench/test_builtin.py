"""The set that is made on the spot."""

import shutil

import numpy as np
import pytest

from streamer.bench import builtin as module
from streamer.bench.builtin import QUICK, builtin
from streamer.bench.noises import NONSPEECH
from streamer.bench.voices import utterance


@pytest.fixture(scope="module")
def corpus():
    return builtin()


def level(samples):
    return 10 * np.log10((samples.astype(np.float64) ** 2).mean() / 32768**2 + 1e-12)


def test_it_holds_every_noise_at_every_strength_and_every_noise_alone(corpus):
    names = {item.name for item in corpus.items}

    assert len(names) == len(corpus.items) == 2 + 4 * 6 + len(NONSPEECH)
    assert {name.split("/")[0] for name in names} == {"clean", "20dB", "10dB", "5dB", "0dB", "nonspeech"}
    assert set(QUICK) <= names
    assert 180 <= sum(item.load().samples.shape[1] for item in corpus.items) / 16_000 <= 310


def test_speech_lies_where_it_is_marked_and_noise_is_as_strong_as_its_folder_says(corpus):
    for item in corpus.items:
        folder, noise = item.name.split("/")
        if folder not in ("clean", "20dB", "0dB") or noise not in ("white", "pink", "reading", "music"):
            continue
        samples = item.load().samples[0]
        marked = np.zeros(len(samples), bool)
        for begin, end in item.labels.speech:
            marked[begin * 16 : end * 16] = True
        quiet = level(samples[: 16 * 900])  # the second before the first word
        snr = level(samples[marked]) - quiet
        wanted = {"clean": 49.0, "20dB": 20.0, "0dB": 3.0}[folder]  # at 0 dB speech and noise together are 3 dB above the noise
        assert abs(snr - wanted) < 2.5, item.name


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed, so the set has its reading alone")
def test_labels_say_what_is_in_it(corpus):
    by_name = {item.name: item.labels for item in corpus.items}

    assert by_name["clean/reading"].text == "It was the best of times, it was the worst of times, it was the age of wisdom,"
    assert by_name["clean/voices"].text == "please call the office tomorrow morning please call the office tomorrow morning"
    assert {item.labels.language for item in corpus.items} == {"en", "zh", "yue", "ja", "ko", None}
    assert by_name["nonspeech/hum"].speech == ()
    assert by_name["nonspeech/music"].events == {"bgm"}
    assert all(labels.nonspeech == name.startswith("nonspeech") for name, labels in by_name.items())
    assert all(labels.language and labels.speech for labels in by_name.values() if not labels.nonspeech)


def test_the_same_seed_gives_the_same_samples_and_another_one_others():
    def samples(seed):
        return {item.name: item.load().samples for item in builtin(seed=seed, quick=True).items}

    first, again, other = samples(0), samples(0), samples(1)
    assert list(first) == [name for name in first if name in QUICK]
    assert all((first[name] == again[name]).all() for name in first)
    assert not (first["10dB/hum"] == other["10dB/hum"]).all()


def test_what_is_missing_on_a_machine_is_told_and_the_rest_is_made(monkeypatch):
    monkeypatch.setattr(module, "synthesizer", lambda: None)
    without_voices = builtin()
    assert list(without_voices.skipped) == ["synthetic voices"]
    assert {item.labels.language for item in without_voices.items} == {"en", None}

    monkeypatch.setattr(module, "bundled_assets", lambda: None)
    nothing = builtin()
    assert list(nothing.skipped) == ["reading", "synthetic voices"]
    assert [item.name.split("/")[0] for item in nothing.items] == ["nonspeech"] * len(NONSPEECH)


def test_an_utterance_is_trimmed_to_its_sound_and_marked_by_its_level():
    tone = 0.3 * np.sin(np.arange(16_000) * 0.3)
    silence = np.zeros(16_000)
    made = utterance(np.concatenate([silence, tone, silence[:4800], tone, silence]).astype(np.float32), "en", "beep beep")

    assert len(made.samples) == 16_000 * 2 + 4800
    assert made.speech == ((0, 1000), (1300, 2300))
