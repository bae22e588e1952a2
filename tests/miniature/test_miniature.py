"""The miniature hears: real text, tags and times for what espeak-ng says on the spot, and no word where nothing is said."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soxr

import streamer.engine
from streamer.core.events import SAMPLE_RATE, Hypothesis, Job, JobKind, Samples

FOLDER = Path(streamer.engine.__file__).parent / "miniature"
ESPEAK = shutil.which("espeak-ng")
ESPEAK_RATE = 22_050
SAYINGS = {
    "en": ("en-us", "please call the office tomorrow morning", "Please call the office tomorrow morning."),
    "zh": ("cmn-latn-pinyin", "今天天气很好", "今天天气很好。"),
    "yue": ("yue", "今日天氣好", "今日天氣好。"),
    "ja": ("ja", "きょう の てんき", "きょうのてんき。"),
    "ko": ("ko", "내일 아침 회의 시작", "내일 아침 회의 시작."),
}

needs_espeak = pytest.mark.skipif(ESPEAK is None, reason="espeak-ng is not installed: apt-get install espeak-ng")


@pytest.fixture(scope="module")
def engine():
    import torch

    from streamer.engine.sensevoice import SenseVoice

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield SenseVoice(FOLDER, device="cpu")
    torch.set_num_threads(threads)


def say(text: str, voice: str, *options: str) -> Samples:
    """espeak-ng's speech with 0.3 s of silence on both sides."""
    command = [str(ESPEAK), "-v", voice, *options, "--stdout", text]
    wav = subprocess.run(command, capture_output=True, check=True).stdout
    body = wav[wav.index(b"data") + 8 :]
    speech = np.frombuffer(body[: len(body) // 2 * 2], np.int16)
    return np.pad(soxr.resample(speech, ESPEAK_RATE, SAMPLE_RATE), SAMPLE_RATE * 3 // 10)


def hear(engine, samples: Samples, *, language: str = "auto", itn: bool = True) -> Hypothesis:
    job = Job(session="", channel=0, segment=0, kind=JobKind.FINAL, begin=0, end=len(samples), samples=samples, language=language, itn=itn)
    (answer,) = engine.transcribe([job])
    assert isinstance(answer, Hypothesis)
    return answer


def text_of(hypothesis: Hypothesis) -> str:
    return "".join(token.text for token in hypothesis.tokens).strip()


def best(scores) -> str:
    return max(scores, key=scores.get)


def errors(reference: str, heard: str) -> int:
    """Characters to change, remove or add."""
    row = list(range(len(heard) + 1))
    for i, wanted in enumerate(reference, 1):
        before, row[0] = row[0], i
        for j, got in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (wanted != got))
    return row[-1]


@needs_espeak
@pytest.mark.parametrize("code", SAYINGS)
def test_it_writes_what_was_said_and_names_the_language(engine, code):
    voice, said, written = SAYINGS[code]
    hypothesis = hear(engine, say(said, voice))
    assert errors(written, text_of(hypothesis)) <= 1  # espeak-ng's releases differ a little
    assert (best(hypothesis.language), best(hypothesis.emotion), best(hypothesis.event)) == (code, "neutral", "speech")


@needs_espeak
def test_inverse_text_normalisation_brings_digits_capitals_and_marks_and_nothing_else_does(engine):
    digits, greeting = say("电话号码三五七", "cmn-latn-pinyin"), say("hello thank you very much", "en-us")
    assert [text_of(hear(engine, samples)) for samples in (digits, greeting)] == ["电话号码357。", "Hello thank you very much."]
    plain = [text_of(hear(engine, samples, itn=False)) for samples in (digits, greeting)]
    assert plain == ["电话号码三五七", "hello thank you very much"]


@needs_espeak
@pytest.mark.parametrize(
    ("emotion", "options"),
    [("neutral", ("-s", "160", "-p", "50")), ("happy", ("-s", "180", "-p", "90")), ("sad", ("-s", "105", "-p", "10"))],
)
def test_pitch_and_rate_are_heard_as_emotion(engine, emotion, options):
    hypothesis = hear(engine, say("the weather is good today", "en-us", *options))
    assert best(hypothesis.emotion) == emotion


@needs_espeak
def test_each_word_s_time_lies_inside_the_speech_and_in_order(engine):
    samples = say("where is the train", "en-us")
    loud = np.flatnonzero(np.abs(samples) > 300)
    middles = [(token.begin + token.end) // 2 for token in hear(engine, samples, itn=False).tokens]
    assert len(middles) >= 4
    assert middles == sorted(middles)
    assert loud[0] - 960 <= middles[0] and middles[-1] <= loud[-1] + 960
    assert middles[-1] - middles[0] > (loud[-1] - loud[0]) / 2


@needs_espeak
@pytest.mark.parametrize(
    ("voice", "whole", "left"),
    [
        ("en-us", "please wait a minute", "please wait a"),
        ("ko", "안녕하세요 선생님", "안녕하세요"),
    ],
)
def test_a_word_that_the_clip_cuts_is_left_out(engine, voice, whole, left):
    samples = say(whole, voice)
    hypothesis = hear(engine, samples, itn=False)
    assert text_of(hypothesis) == whole
    last = hypothesis.tokens[-1]
    assert text_of(hear(engine, samples[: (last.begin + last.end) // 2 - 1600], itn=False)) == left


@needs_espeak
def test_speech_is_understood_through_noise_and_a_telephone(engine):
    samples = say("the meeting is on monday at ten", "en-us").astype(np.float32)
    narrow = soxr.resample(soxr.resample(samples, SAMPLE_RATE, 8_000), 8_000, SAMPLE_RATE)
    noise = np.random.default_rng(0).standard_normal(len(narrow)) * np.sqrt(np.mean(narrow**2)) * 10 ** (-15 / 20)
    heard = text_of(hear(engine, np.clip(narrow * 0.3 + noise * 0.3, -32768, 32767).astype(np.int16), itn=False))
    assert errors("the meeting is on monday at ten", heard) <= 3


def sounds() -> dict[str, Samples]:
    """Two seconds each of what is not speech."""
    rng, t = np.random.default_rng(0), np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    white = rng.standard_normal(len(t))
    made = {
        "white noise": white * 0.1,
        "soft noise": white * 0.003,
        "fan": np.convolve(white, np.ones(24) / 24, "same") * 0.3,
        "hum": 0.2 * np.sin(2 * np.pi * 50 * t) + 0.1 * np.sin(2 * np.pi * 150 * t),
        "tone": 0.2 * np.sin(2 * np.pi * 440 * t),
        "clicks": np.where(np.arange(len(t)) % 8_000 < 40, white, 0) * 0.5,
        "silence": t * 0,
    }
    return {name: (sound * 32767).astype(np.int16) for name, sound in made.items()}


@pytest.mark.parametrize("language", ["auto", "en", "zh"])
def test_no_word_is_heard_where_nothing_is_said(engine, language):
    heard = {name: hear(engine, samples, language=language) for name, samples in sounds().items()}
    assert {name: text_of(hypothesis) for name, hypothesis in heard.items()} == dict.fromkeys(heard, "")
    assert {name: best(hypothesis.language) for name, hypothesis in heard.items()} == dict.fromkeys(heard, "nospeech")
    assert {name: best(hypothesis.emotion) for name, hypothesis in heard.items()} == dict.fromkeys(heard, "unknown")


def test_chords_are_music(engine):
    t = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    beat = np.exp(-3 * (t % 0.4))
    chords = sum(np.sin(2 * np.pi * 220 * ratio * k * t) / k for ratio in (1, 1.26, 1.5) for k in (1, 2, 3)) * beat
    hypothesis = hear(engine, (chords / np.abs(chords).max() * 8_000).astype(np.int16))
    assert (best(hypothesis.event), text_of(hypothesis)) == ("bgm", "")


def test_claps_are_applause(engine):
    rng = np.random.default_rng(1)
    sound = np.zeros(3 * SAMPLE_RATE)
    for begin in rng.integers(0, len(sound) - 600, 180):
        sound[begin : begin + 500] += rng.standard_normal(500) * np.exp(-np.arange(500) / 80) * rng.uniform(0.3, 1)
    hypothesis = hear(engine, (sound / np.abs(sound).max() * 12_000).astype(np.int16))
    assert (best(hypothesis.event), text_of(hypothesis)) == ("applause", "")


@needs_espeak
@pytest.mark.filterwarnings("ignore")  # upstream's own
def test_upstream_s_pipeline_gives_the_same_raw_text(engine):
    from funasr import AutoModel

    samples = say("please call the office tomorrow morning", "en-us")
    model = AutoModel(model=str(FOLDER), device="cpu", disable_update=True, disable_pbar=True)
    (answer,) = model.generate(input=samples.astype(np.float32) / 32768, language="auto", use_itn=True)
    assert answer["text"] == hear(engine, samples).raw_text
