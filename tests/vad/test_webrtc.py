"""The WebRTC gate: shapes, independence of cutting, silence, and how well it finds marked speech."""

import csv
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from streamer.core.events import Samples
from streamer.errors import ConfigurationError
from streamer.vad import Judge
from streamer.vad.webrtc import FRAME_SAMPLES, WebRtc

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def noise(frames: int, *, rms: float, seed: int = 1) -> Samples:
    """White noise, ``[1, frames * 320]``."""
    return (np.random.default_rng(seed).standard_normal((1, frames * FRAME_SAMPLES)) * rms).astype(np.int16)


def buzz(frames: int) -> Samples:
    """A voice of sorts: a 130 Hz pulse train through two resonances, swelling four times a second."""
    n = np.arange(frames * FRAME_SAMPLES)
    voice = sum(np.sin(2 * np.pi * 130 * k * n / 16000) / (1 + abs(130 * k - 600) / 200) for k in range(1, 25))
    return (voice * (1 + np.sin(2 * np.pi * 4 * n / 16000)) * 3000)[None].clip(-32768, 32767).astype(np.int16)


def test_it_is_a_judge_of_20_ms_frames() -> None:
    judge: Judge = WebRtc()
    assert judge.frame_samples == 320


def test_answers_come_as_frames_of_channels() -> None:
    stream = WebRtc().open(3)
    audio = np.concatenate([buzz(50), np.zeros((1, 50 * 320), np.int16), buzz(50)])
    answer = stream.judge(audio)
    assert len(answer) == 50
    assert {len(frame) for frame in answer} == {3}
    assert all(first == third and silent == 0.0 for first, silent, third in answer)


def test_no_frames_give_no_answers() -> None:
    assert WebRtc().open(2).judge(np.zeros((2, 0), np.int16)) == ()


def test_a_voice_gets_every_vote_and_one_of_two_is_doubtful() -> None:
    answer = [p for (p,) in WebRtc().open(1).judge(np.concatenate([buzz(100), noise(100, rms=300)], axis=1))]
    assert answer[50] == 1.0
    assert set(answer) <= {0.0, 2 / 3, 1.0}


@pytest.mark.parametrize("level", [0, 15])
def test_silence_and_hiss_below_the_floor_are_never_speech(level: float) -> None:
    assert WebRtc().open(1).judge(noise(200, rms=level)) == ((0.0,),) * 200


def test_the_cutting_into_calls_changes_nothing() -> None:
    audio = np.concatenate([noise(40, rms=200), buzz(60), noise(37, rms=500, seed=2)], axis=1)
    whole = WebRtc().open(1).judge(audio)
    for size in (1, 7, 50):
        stream = WebRtc().open(1)
        cuts = range(0, audio.shape[1], size * FRAME_SAMPLES)
        assert sum((stream.judge(audio[:, at : at + size * FRAME_SAMPLES]) for at in cuts), ()) == whole


def test_streams_share_nothing() -> None:
    judge = WebRtc()
    first, second = judge.open(1), judge.open(1)
    first.judge(buzz(200))
    assert second.judge(noise(60, rms=300)) == WebRtc().open(1).judge(noise(60, rms=300))


def test_a_view_into_a_larger_array_is_read_right() -> None:
    wide = np.concatenate([buzz(40), noise(40, rms=300)])
    assert WebRtc().open(1).judge(wide[1:, 320:-320]) == WebRtc().open(1).judge(np.ascontiguousarray(wide[1:, 320:-320]))


@pytest.mark.parametrize(
    "samples", [np.zeros((1, 321), np.int16), np.zeros((2, 320), np.int16), np.zeros(320, np.int16), np.zeros((1, 320), np.float32)]
)
def test_another_shape_is_refused_with_the_shape_it_wants(samples: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected int16 \[1, frames \* 320\]"):
        WebRtc().open(1).judge(samples)


def test_a_mode_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"aggressiveness is \(1, 4\), expected one or more of 0, 1, 2, 3"):
        WebRtc(aggressiveness=(1, 4))


def test_a_missing_package_is_said_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "webrtcvad", None)
    with pytest.raises(ConfigurationError, match="pip install webrtcvad-wheels"):
        WebRtc()


def test_marked_speech_is_found_with_an_f1_of_088() -> None:
    """Fifteen clean and noisy recordings with marked speech; calling every frame speech would give 0.857."""
    if not (DATA / "manifest.csv").exists():
        pytest.skip("the marked recordings are not here")
    hits = judged = marked = 0
    with (DATA / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["file"].startswith("vad/")]
    for row in rows:
        with wave.open(str(DATA / row["file"])) as recording:
            audio = np.frombuffer(recording.readframes(recording.getnframes()), np.int16)
        audio = audio[None, : len(audio) // FRAME_SAMPLES * FRAME_SAMPLES]
        said = np.array(WebRtc().open(1).judge(audio))[:, 0] >= 0.5
        middles = (np.arange(len(said)) + 0.5) * 0.02
        marks = row["label"].split(",")[1:]
        spans = [(float(marks[at]), float(marks[at + 1])) for at in range(0, len(marks), 3) if marks[at + 2] == "1"]
        truth = np.any([(begin <= middles) & (middles < end) for begin, end in spans], axis=0)
        hits, judged, marked = hits + (said & truth).sum(), judged + said.sum(), marked + truth.sum()
    assert 2 * hits / (judged + marked) >= 0.88
