"""The SenseVoice path from socket to socket, on the miniature: words, languages, emotions, events and times of synthetic speech."""

import shutil

import numpy as np
import pytest

from streamer.engine.models import Models, ModelSettings, known
from tests.miniature.sounds import applause, music
from tests.miniature.test_miniature import errors, say
from tests.serving import serving
from tests.test_real_speech import cut, finals, stream

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
SILENCE = np.zeros(16_000, np.int16)


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    import torch

    from streamer.engine.sensevoice import SenseVoice

    models = Models(ModelSettings(cache=tmp_path_factory.mktemp("cache"), offline=True), say=print)
    found = known("miniature").find(models, False)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with serving(lambda: SenseVoice(found.path, device="cpu", notice=found.notice)) as running:
        yield running
    torch.set_num_threads(threads)


@needs_espeak
def test_five_languages_and_an_emotion_come_back_with_their_probabilities_and_times(miniature):
    sayings = [
        ("en", "Please call the office tomorrow morning.", say("please call the office tomorrow morning", "en-us")),
        ("zh", "今天天气很好。", say("今天天气很好", "cmn-latn-pinyin")),
        ("yue", "今日天氣好。", say("今日天氣好", "yue")),
        ("ja", "きょうのてんき。", say("きょう の てんき", "ja")),
        ("ko", "내일 아침 회의 시작.", say("내일 아침 회의 시작", "ko")),
    ]
    audio = np.concatenate([part for _, _, samples in sayings for part in (samples, SILENCE)])
    messages = stream(miniature.socket, cut(audio.tobytes(), 3_200), pace=0.02)

    heard = finals(messages)
    assert [final["language"]["code"] for final in heard] == [code for code, _, _ in sayings]
    for final, (_, text, _) in zip(heard, sayings, strict=True):
        assert errors(text, final["text"]) <= 2
        assert final["language"]["p"] > 0.5
        assert final["events"][0]["label"] == "speech"
        assert final["emotion"]["label"] == "neutral"
        assert sum(final["emotion"]["scores"].values()) == pytest.approx(1.0, abs=0.01)
        assert final["itn"] == {"applied": True, "p": pytest.approx(1.0, abs=0.2)}
        assert final["raw_text"].startswith(f"<|{final['language']['code']}|><|NEUTRAL|><|Speech|><|withitn|>")
        assert 0 < final["confidence"] <= 1
        words = final["words"]
        assert [word["begin_ms"] for word in words] == sorted(word["begin_ms"] for word in words)
        assert final["begin_ms"] <= words[0]["begin_ms"] < words[-1]["end_ms"] <= final["end_ms"] + 60
    assert any(message["type"] == "partial" and message["stable"] for message in messages)


@needs_espeak
def test_itn_and_language_are_the_clients_choice(miniature):
    audio = np.concatenate([say("please call the office tomorrow morning", "en-us"), SILENCE])
    (plain,) = finals(stream(miniature.socket, [audio.tobytes()], itn=False, language="en"))

    assert errors("please call the office tomorrow morning", plain["text"]) <= 2
    assert plain["itn"]["applied"] is False
    assert "<|woitn|>" in plain["raw_text"]


@pytest.mark.parametrize(("label", "make"), [("applause", applause), ("bgm", music)])
def test_what_is_not_speech_is_told_as_a_sound_and_gives_no_words(miniature, label, make):
    loud = (make(16_000 * 7, np.random.default_rng(5)) * 6_000).astype(np.int16)
    messages = stream(miniature.socket, cut(np.concatenate([SILENCE, loud, SILENCE]).tobytes(), 3_200), pace=0.02)

    assert " ".join(final["text"] for final in finals(messages)).strip() == ""
    sounds = [message for message in messages if message["type"] == "sound"]
    assert {sound["event"] for sound in sounds} == {label}
    assert all(sound["p"] >= 0.5 and 0 <= sound["begin_ms"] < sound["end_ms"] <= 9_000 for sound in sounds)
