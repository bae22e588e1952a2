"""Engines by turns: what is counted, what is compared, and that upstream is asked as its documentation says."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import streamer.engine
from streamer.bench.peers.engines import Ours, Upstream, agreement, compare, load_upstream, segments_of
from streamer.bench.peers.limit import ceilings, gflop, peaks
from streamer.engine.folder import describe
from streamer.engine.onnx import OnnxSenseVoice

MINIATURE = Path(streamer.engine.__file__).parent / "miniature"


class Clockwork:
    """A contender that takes so much processor time, and half of it on the wall; it says one thing in earnest and another otherwise."""

    now = 0.0

    def __init__(self, seconds, text):
        self.seconds, self.text, self.exact = seconds, text, []

    def __call__(self, segments, *, exact=False):
        Clockwork.now += self.seconds
        self.exact.append(exact)
        return [self.text] * len(segments)


def test_a_row_tells_the_rate_the_ratio_to_the_first_and_the_share_of_its_text():
    contenders = {"ours": Clockwork(2.0, "abcd"), "theirs": Clockwork(6.0, "abcx")}
    segments = [np.zeros(16_000, np.int16)] * 4
    rows = compare(contenders, segments, 2, (lambda: Clockwork.now, lambda: Clockwork.now / 2))
    assert [tuple(row.values()) for row in rows] == [("ours", 4.0, 2.0, 1.0, 1.0, 1.0), ("theirs", 1.3, 0.7, 3.0, 3.0, 0.75)]
    assert contenders["theirs"].exact == [True, False, False], "the text is compared in a run that is not timed"


def test_segments_are_of_the_lengths_that_are_asked_for_and_none_is_like_another():
    speech = np.arange(16_000 * 8).astype(np.int16)
    found = segments_of(speech, 6, (1.0, 2.0))
    assert {len(one) for one in found} == {16_000, 32_000}
    assert len({int(one[0]) for one in found}) == 6


def test_nothing_said_by_both_is_agreement():
    assert agreement(["", ""], ["", ""]) == 1.0


def test_upstream_alone_upstream_batched_and_ours_say_the_same_of_mixed_lengths(two_cities_16k):
    segments = segments_of(two_cities_16k, 5, (0.5, 1.0, 2.0))
    upstream = load_upstream(MINIATURE, "cpu", 1)
    upstream.kwargs["frontend"].dither = dither = 0.5
    wanted = Upstream(upstream, 1)(segments, exact=True)
    assert Upstream(upstream, 4)(segments, exact=True) == wanted
    assert Ours(OnnxSenseVoice(MINIATURE, threads=1))(segments, exact=True) == wanted
    assert upstream.kwargs["frontend"].dither == dither, "it is timed as it comes"


def test_the_full_size_needs_what_the_arithmetic_says():
    config = {"encoder_conf": {"output_size": 512, "linear_units": 2048, "num_blocks": 50, "tp_blocks": 20}}
    layout, vocabulary = SimpleNamespace(stack=7, mels=80, stride=6), SimpleNamespace(size=25_055)
    found = SimpleNamespace(config=config, layout=layout, vocabulary=vocabulary)
    assert gflop(found, [5.0]) == pytest.approx(41.9, rel=0.01)
    assert gflop(found, [30.0]) == pytest.approx(271.8, rel=0.01)
    (row,) = ceilings(found, [5.0, 5.0], {"fp32": 838.0})
    assert row["audio_s_per_s"] == pytest.approx(100, rel=0.01)


def test_a_peak_is_measured_for_each_number_of_threads(monkeypatch):
    monkeypatch.setattr("streamer.bench.peers.limit.CPU_SIZE", 64)
    found = peaks("cpu", [1, 2])
    assert list(found) == ["fp32, 1 thread", "fp32, 2 threads"]
    assert all(rate > 0 for rate in found.values())
    assert gflop(describe(MINIATURE), [1.0]) < 1
