"""Features: upstream's, number for number, whatever else is in the batch."""

import numpy as np
import pytest
import torch

from streamer.core.events import SAMPLE_RATE
from streamer.engine.frontend import MIN_SAMPLES, Frontend, Layout, frame_count, mel_filters, row_count
from tests.engine import checkpoints

TOLERANCE = 2e-4
"""Of features whose deviation is about one: two float32 Fourier transforms of the same window differ by this at most."""


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    from funasr.frontends.wav_frontend import WavFrontend

    path = tmp_path_factory.mktemp("cmvn") / "am.mvn"
    path.write_text(checkpoints.normalisation(seed=1))
    return WavFrontend(cmvn_file=str(path), dither=0.0, lfr_m=7, lfr_n=6)


@pytest.fixture(scope="module")
def ours(theirs):
    return Frontend(theirs.cmvn, Layout(), torch.device("cpu"))


def expected(theirs, samples):
    features, _ = theirs(torch.from_numpy(samples.astype(np.float32) / 32768)[None], torch.tensor([len(samples)]))
    return features[0].numpy()


def sounds(speech):
    generator = np.random.default_rng(0)
    clock = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    return {
        "speech of 12 s": speech[: 12 * SAMPLE_RATE],
        "speech of 0.3 s": speech[20_000:24_800],
        "loud noise": generator.integers(-32_768, 32_767, 20_000, np.int16),
        "noise of one bit": generator.integers(-1, 2, 20_000, np.int16),
        "a tone": (30_000 * np.sin(2 * np.pi * 1000 * clock)).astype(np.int16),
        "a clipped square wave": np.where(np.sin(2 * np.pi * 440 * clock) > 0, 32_767, -32_768).astype(np.int16),
        "silence": np.zeros(8_000, np.int16),
        "a constant": np.full(8_000, 12_345, np.int16),
        "one click": np.eye(1, 5_000, 2_500, dtype=np.int16)[0] * 20_000,
    }


def test_features_of_a_mixed_batch_equal_those_of_upstream_for_each_sound_alone(ours, theirs, speech):
    found, rows = ours(list(sounds(speech).values()))
    for (name, samples), features, count in zip(sounds(speech).items(), found.numpy(), rows.tolist(), strict=True):
        wanted = expected(theirs, samples)
        assert wanted.shape == (count, 560), name
        assert np.abs(features[:count] - wanted).max() < TOLERANCE, name
        assert not features[count:].any(), name


def test_every_length_from_one_window_to_several_rows_equals_upstream(ours, theirs, speech):
    audio = [speech[30_000 : 30_000 + length] for length in [*range(400, 3_400, 53), 559, 560, 1_359, 1_360, 1_361]]
    found, rows = ours(audio)
    for samples, features, count in zip(audio, found.numpy(), rows.tolist(), strict=True):
        wanted = expected(theirs, samples)
        assert len(wanted) == count == row_count(len(samples), Layout())
        assert np.abs(features[:count] - wanted).max() < TOLERANCE


@pytest.mark.parametrize("length", [0, 1, 399])
def test_audio_shorter_than_a_window_is_followed_by_silence(ours, speech, length):
    short = speech[30_000 : 30_000 + length]
    found, rows = ours([short])
    padded, _ = ours([np.pad(short, (0, MIN_SAMPLES - length))])
    assert rows.tolist() == [1]
    assert torch.equal(found, padded)


def test_windows_and_rows_are_counted_within_the_edges():
    assert [frame_count(n) for n in (0, 400, 559, 560, 16_000)] == [1, 1, 1, 2, 98]
    assert [row_count(n, Layout()) for n in (0, 400, 1_359, 1_360, 16_000)] == [1, 1, 1, 2, 17]


def test_every_mel_filter_has_weight_and_none_reaches_the_ends():
    filters = mel_filters(80)
    assert filters.shape == (257, 80)
    assert (filters.sum(0) > 0).all()
    assert not filters[0].any()
    assert not filters[256].any()
