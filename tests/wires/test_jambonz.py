"""jambonz's custom recogniser: its start, what its applications read, and that a stop is answered by a close."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.events import Audio, AudioFormat, Closed, ErrorSent, Rejected, Settings, Start, Stop
from streamer.errors import InvalidAudio, InvalidMessage
from streamer.wires import Handshake
from streamer.wires.jambonz import ROUTE, Jambonz
from streamer.wires.routes import route_to
from tests.wires.test_deepgram import CREATED, FINAL, PARTIAL

START = {"type": "start", "language": "en-US", "format": "raw", "encoding": "LINEAR16", "interimResults": True, "sampleRateHz": 8000}


def wire(**query):
    return Jambonz(Handshake(session_id="a", at="", path="/jambonz", query=query))


def started(spoken, **more):
    return spoken.decode(json.dumps(START | more))


def said(spoken, *messages):
    return [json.loads(text) for message in messages for text in spoken.encode(message)]


def test_start_says_all_of_it():
    spoken = wire()
    inputs = started(spoken, options={"callSid": "f9a7", "hints": ["Alibaba", "Tongyi"], "hintsBoost": 5})
    audio = AudioFormat(sample_rate=8_000, channel_names=("customer",))
    settings = Settings(language="en", partials=True, sounds=False, hotwords=("Alibaba", "Tongyi"))
    assert inputs == (Start(audio, settings),)
    assert (spoken.call, spoken.finishes) == ("f9a7", True)
    assert spoken.decode(b"\1\0") == (Audio(b"\1\0"),)
    assert spoken.decode('{"type":"stop"}') == (Stop(),)
    assert route_to("/jambonz", []) is ROUTE


@pytest.mark.parametrize(
    ("hints", "words"),
    [
        ('[{"phrase": "Alibaba", "boost": 5}, {"phrase": "Tongyi"}]', ("Alibaba", "Tongyi")),
        ("[", ()),
        (7, ()),
        ([7, "a", None, {}], ("a",)),
    ],
)
def test_hints_come_as_words_or_as_json_in_a_string(hints, words):
    (start,) = started(wire(), options={"hints": hints})
    assert start.settings.hotwords == words


def test_an_older_module_says_less():
    (start,) = wire().decode('{"type":"start"}')
    assert (start.format.sample_rate, start.settings) == (8_000, Settings(partials=False, sounds=False))


def test_a_vendors_address_or_a_verbs_options_say_who_is_heard():
    (start,) = started(wire(channel=["agent"]))
    assert start.format.channel_names == ("agent",)
    (start,) = started(wire(), options={"channel": "agent"})
    assert start.format.channel_names == ("agent",)
    (start,) = started(wire(channel=["customer", "agent"], rate=["16000"], call=["7"]))
    assert start.format == AudioFormat(sample_rate=16_000, channels=2, channel_names=("customer", "agent"))
    (start,) = started(wire(channels=["2"]))
    assert (start.format.channels, start.format.channel_names) == (2, ())


@pytest.mark.parametrize("change", [{"encoding": "MULAW"}, {"sampleRateHz": "fast"}, {"sampleRateHz": 8_001}, {"encoding": None}])
def test_audio_that_cannot_be_read_is_an_error_that_the_application_sees(change):
    spoken = wire()
    (rejected,) = started(spoken, **change)
    assert isinstance(rejected.error, InvalidAudio)
    assert said(spoken, ErrorSent(code=rejected.error.code, message="the rate is wrong", fatal=True)) == [
        {"type": "error", "error": "the rate is wrong"}
    ]


def test_results_have_what_applications_read_and_what_the_model_knows_beyond():
    spoken = wire()
    started(spoken)
    early, last = said(spoken, PARTIAL, replace(FINAL, channel=0))
    assert (early["is_final"], early["alternatives"]) == (False, [{"transcript": "Hello, wor", "confidence": 0.8}])
    assert last == {
        "type": "transcription",
        "is_final": True,
        "alternatives": [{"transcript": "Hello, world.", "confidence": 0.93}],
        "channel": 1,
        "language": "en-US",
        "sensevoice": {
            "begin_ms": 1_000,
            "end_ms": 2_000,
            "language": {"code": "en", "p": 0.98},
            "emotion": {"label": "happy", "p": 0.7, "scores": {"happy": 0.7, "neutral": 0.3}, "trend": None},
            "events": [{"label": "speech", "p": 0.99}],
            "confidence": 0.93,
            "itn": {"applied": True, "p": 0.95},
            "raw_text": "<|en|><|HAPPY|><|Speech|><|withitn|>Hello, world.",
            "withheld": None,
        },
    }


def test_where_no_language_was_asked_for_the_one_that_was_heard_is_told():
    assert [one["language"] for one in said(wire(), FINAL, PARTIAL)] == ["en", ""]


def test_silence_and_what_ends_nothing_is_not_told():
    quiet = (CREATED, replace(FINAL, text=" "), ErrorSent(code="x", message="y", fatal=False), Closed(reason="stop", totals={}))
    assert said(wire(), *quiet) == []


def test_a_second_start_changes_nothing():
    spoken = wire()
    started(spoken)
    assert started(spoken, sampleRateHz=16_000) == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["type", "hints", "callSid", "phrase"]) | st.text(), inner),
)


@given(st.lists(st.text() | st.binary() | JSON.map(json.dumps), max_size=5), st.sampled_from([*START, "options"]), JSON)
def test_nothing_that_a_client_sends_raises(messages, name, value):
    spoken = wire()
    inputs = list(started(spoken, **{name: value}))
    for message in messages:
        inputs += spoken.decode(message)
    for event in inputs:
        assert isinstance(event, Start | Audio | Stop | Rejected)
        assert not isinstance(event, Rejected) or isinstance(event.error, InvalidAudio | InvalidMessage)
