"""The figures of docs/quality.md may not get worse unnoticed: the quick built-in set, with the bundled model, on the audio's clock.

Bounds are the measured figures with a margin; nothing here depends on how fast this machine is.
"""

import json

import pytest

from streamer.__main__ import main


@pytest.fixture(scope="module")
def overall(tmp_path_factory):
    out = tmp_path_factory.mktemp("bench") / "quality.json"
    assert main(["bench", "quality", "--quick", "--model", "bundled", "--json", str(out)]) == 0
    return json.loads(out.read_text())["overall"]


def test_speech_is_found_and_noise_is_not(overall):
    assert overall["vad"]["f1"] >= 0.89
    assert overall["vad"]["precision"] >= 0.96
    assert overall["nonspeech"]["words_per_min"] == 0.0


def test_no_syllable_is_clipped_and_no_sentence_is_cut_or_joined(overall):
    assert overall["vad"]["onset_clipped_ms_p95"] <= 30
    assert overall["vad"]["tail_clipped_ms_p95"] <= 30
    assert overall["vad"]["cuts_per_min"] <= 1.5
    assert overall["vad"]["merges_per_min"] <= 1.5


def test_endpoints_come_in_time(overall):
    assert overall["endpoint_ms"]["p50"] <= 700
    assert overall["endpoint_ms"]["p95"] <= 900


def test_streaming_costs_no_words(overall):
    assert overall["text"]["words"] == 40
    assert overall["text"]["wer"] <= 0.10
    assert overall["text"]["wer"] <= overall["text"]["offline_wer"] + 0.05


def test_partials_come_early_and_settle(overall):
    assert overall["partials"]["first_ms_p50"] <= 700
    assert overall["partials"]["upwr"] <= 0.9
    assert overall["partials"]["erasure"] <= 1.4
