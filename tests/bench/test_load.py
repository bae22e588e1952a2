"""Clients that speak to a real server over loopback: what they say, that they keep time, and what is made of it."""

import asyncio
import json
from itertools import pairwise
from random import Random

import numpy as np
import pytest

from streamer.bench.load.article import article
from streamer.bench.load.client import speak
from streamer.bench.load.crowd import Crowd, run_crowd
from streamer.bench.load.figures import measure, segments_of
from streamer.bench.load.speech import clip, compose, phrases_at_hand, phrases_of
from streamer.bench.load.usage import Watch, metrics_of, usage_of
from streamer.errors import ConfigurationError
from tests.serving import serving


@pytest.fixture(scope="module")
def phrases():
    return phrases_at_hand()


@pytest.fixture(scope="module")
def server():
    with serving() as running:
        yield running


def test_a_programme_is_speech_and_pauses_whose_places_are_known(phrases):
    programme = compose(phrases, 30.0, Random(1))
    everything = np.frombuffer(b"".join(programme.chunks(1600)), "<i2")

    assert len(everything) == programme.samples == 480_000
    assert len(programme.speech) >= 3
    for begin, end in programme.speech:
        assert np.abs(everything[begin : begin + 1600].astype(int)).max() > 50
        assert np.abs(everything[end - 1600 : end].astype(int)).max() > 50
        assert not everything[end : end + 16_000].any()
    assert all(later - end >= 16_000 for (_, end), (later, _) in pairwise(programme.speech))


def test_the_same_seed_says_the_same_and_another_something_else(phrases):
    one, same, other = (b"".join(compose(phrases, 10.0, Random(seed)).chunks(320)) for seed in (1, 1, 2))

    assert one == same
    assert one != other


def test_chunks_are_whole_whatever_the_pieces(phrases):
    sizes = [len(chunk) for chunk in compose(phrases, 10.0, Random(3)).chunks(320)]

    assert set(sizes[:-1]) == {640}
    assert sum(sizes) == 320_000


def test_a_clip_is_exactly_as_long_as_asked(phrases):
    assert clip(phrases, 30).samples == 480_000


def test_a_recording_is_divided_where_it_is_silent(two_cities, tmp_path):
    found = phrases_of(two_cities)

    assert 5 <= len(found) <= 20
    assert all(8_000 <= len(phrase) <= 12 * 16_000 for phrase in found)
    assert sum(map(len, found)) > 35 * 16_000
    with pytest.raises(ConfigurationError, match="holds no speech"):
        silence = tmp_path / "silence.wav"
        _write_silence(silence)
        phrases_of(silence)


def _write_silence(path):
    import wave

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(32_000))


def test_a_client_speaks_in_real_time_and_hears_every_segment_to_its_final(server, phrases):
    programme = compose(phrases, 5.0, Random(0))
    trace = asyncio.run(speak(server.socket, programme, 100, {}))

    assert trace.failure is None
    assert len(trace.late_ms) == 50
    segments = segments_of(trace).values()
    assert segments
    assert all(segment.final and segment.ended for segment in segments)
    assert all(heard.at > trace.sent(heard.audio_ms * 16 - 1) for segment in segments for heard in segment.partials)


def test_a_server_that_is_not_there_is_a_failure_and_no_exception(phrases):
    trace = asyncio.run(speak("ws://127.0.0.1:9", compose(phrases, 1.0, Random(0)), 100, {}))

    assert "no server is running" in trace.failure
    assert measure([trace])["errors"] == 1


def test_a_crowd_speaks_from_processes_of_its_own(server, phrases):
    crowd = Crowd(url=server.socket, clients=3, seconds=4.0, ramp_s=0.5, chunk_ms=20, processes=2)
    assert crowd.spread == [[0, 2], [1]]
    with Watch(server.url) as watch:
        traces = run_crowd(crowd, phrases)
        decoded = watch.decoded()
    figures = measure(traces, decoded=decoded)

    assert figures["clients"] == 3
    assert figures["errors"] == 0
    assert figures["partials"] > 0
    assert 0.5 < figures["partial_rate"] < 1.5
    assert len({trace.begin for trace in traces}) == 3
    json.dumps(figures)


def test_usage_is_read_of_a_process_and_of_a_servers_metrics(server):
    import os

    mine = usage_of(os.getpid())
    assert mine.rss_mb > 10
    assert mine.cpu_s > 0
    assert usage_of(2**22 + 1) is None
    assert metrics_of(server.url)["process_resident_memory_bytes"] > 1e6
    assert metrics_of("http://127.0.0.1:9") == {}
    with Watch(server.url) as watch:
        assert watch.memory_mb() == pytest.approx(mine.rss_mb, rel=0.5)


def test_the_articles_row_is_one_call(server, phrases, monkeypatch):
    monkeypatch.setattr("streamer.bench.load.article.SPOKEN_S", 4.0)
    monkeypatch.setattr("streamer.bench.load.article.ROUNDS", 1)
    figures = article(server.socket, None, phrases)

    assert figures["row"]["model"] == "scripted on cpu"
    assert figures["row"]["times real time"] > 1
    assert figures["same_text"]
    assert len(figures["together_ms"][0]) == 3
