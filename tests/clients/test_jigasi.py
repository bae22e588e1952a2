"""Jitsi's jigasi, rebuilt: a meeting in which three people speak at once, one of whom mutes in mid-sentence."""

import asyncio

import numpy as np
import pytest

from tests.clients.conftest import ENVIRONMENTS, RATE
from tests.clients.jigasi.meeting import Meeting
from tests.clients.test_deepgram import plain

# It needs no environment, but as long as people take to speak, which `make test` has no use for.
pytestmark = pytest.mark.skipif(not ENVIRONMENTS.is_dir(), reason="`make test-clients` runs the clients of others")

PATH = "/streaming-whisper/ws"


@pytest.fixture(scope="module")
def meeting(server, two_cities_16k):
    def stretch(begin_s, end_s, silence_s=0):
        part = two_cities_16k[int(begin_s * RATE) : int(end_s * RATE)]
        return np.concatenate([part, np.zeros(silence_s * RATE, np.int16)]).tobytes()

    speakers = {
        "a1b2c3d4": ("en", stretch(0, 8.5, silence_s=2), 0.0),
        "b2c3d4e5": ("null", stretch(8.5, 12.5), 0.7),
        "c3d4e5f6": ("en-US", stretch(17, 21.4, silence_s=2), 1.1),
    }
    held = Meeting(server + PATH, speakers)
    asyncio.run(held.hold(quiet_s=6, most_s=90, gestures=2))
    return held


def finals(meeting, name):
    return [result for result in meeting.results if result.participant == name and not result.interim]


def words(meeting, name):
    return plain(" ".join(result.text for result in finals(meeting, name)))


def test_each_participant_is_heard_alone_and_once(meeting):
    assert words(meeting, "a1b2c3d4").startswith("it was the best of times it was the worst of times")
    assert [words(meeting, "b2c3d4e5").count(word) for word in ("epoch of belief", "incredul")] == [1, 1]
    assert [words(meeting, name).count("best of times") for name in ("a1b2c3d4", "b2c3d4e5", "c3d4e5f6")] == [1, 0, 0]
    assert [words(meeting, name).count("spring of hope") for name in ("a1b2c3d4", "b2c3d4e5", "c3d4e5f6")] == [0, 0, 1]


def test_captions_come_while_people_speak_and_each_ends_in_a_final(meeting):
    assert any(result.interim for result in meeting.results)
    for name in ("a1b2c3d4", "b2c3d4e5", "c3d4e5f6"):
        own = [result for result in meeting.results if result.participant == name]
        assert not own[-1].interim
        assert {result.id for result in own} == {result.id for result in finals(meeting, name)}


def test_ts_says_when_it_was_said(meeting):
    for name, began in meeting.began.items():
        ts = [result.ts - began * 1000 for result in finals(meeting, name)]
        assert -10 <= ts[0] <= 2_000  # at most half a second of silence, and what a busy machine takes to deliver a message
        assert ts == sorted(ts)
        assert ts[-1] <= 12_000


def test_what_the_model_knows_beyond_words_rides_along(meeting):
    assert all({"language", "emotion", "events"} <= message["sensevoice"].keys() for message in meeting.messages)
