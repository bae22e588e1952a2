"""mod_audio_fork: metadata in whatever form an operator writes it, and results that FreeSWITCH makes events of."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.events import Audio, AudioFormat, Closed, ErrorSent, Rejected, Settings, Start, Stop
from streamer.errors import InvalidAudio
from streamer.wires import Handshake
from streamer.wires.audio_fork import ROUTE, AudioFork
from streamer.wires.routes import route_to
from tests.wires.test_deepgram import CREATED, FINAL, PARTIAL


def wire(**query):
    return AudioFork(Handshake(session_id="a", at="", path="/audio-fork", query=query))


def said(spoken, *messages):
    return [json.loads(text) for message in messages for text in spoken.encode(message)]


@pytest.mark.parametrize(
    ("metadata", "rate", "names"),
    [
        ({}, 8_000, ("customer",)),
        ({"sampleRate": 16_000, "mixType": "stereo"}, 16_000, ("customer", "agent")),
        ({"sample_rate": "16k", "mix_type": "Mixed"}, 16_000, ("mixed",)),
        ({"sampling": "8k", "mixType": "mono", "channels": 2}, 8_000, ("customer",)),
        ({"rate": 24_000, "channels": 2}, 24_000, ("customer", "agent")),
        ({"mixType": "quadraphonic", "channels": "2"}, 8_000, ("customer", "agent")),
        ("just text", 8_000, ("customer",)),
        (["a", "list"], 8_000, ("customer",)),
    ],
)
def test_metadata_says_what_the_audio_is_as_far_as_its_operator_wrote_it(metadata, rate, names):
    (start,) = wire().decode(json.dumps(metadata))
    assert start.format == AudioFormat(sample_rate=rate, channels=len(names), channel_names=names)


def test_the_address_has_the_last_word():
    spoken = wire(rate=["16000"], channels=["2"], call=["7"], language=["en-US"], interim=["true"])
    inputs = spoken.decode('{"sampleRate":8000,"mixType":"mono","callSid":"8","language":"zh"}')
    audio = AudioFormat(sample_rate=16_000, channels=2, channel_names=("customer", "agent"))
    assert inputs == (Start(audio, Settings(language="en", partials=True, sounds=False)),)
    assert spoken.call == "7"
    (start,) = wire(channel=["agent", "customer"]).decode("{}")
    assert start.format.channel_names == ("agent", "customer")
    (start,) = wire(channel=["agent"]).decode('{"mixType":"stereo"}')
    assert start.format.channel_names == ("agent",)


@pytest.mark.parametrize("name", ["callSid", "call_sid", "callid", "call_id", "uuid", "call"])
def test_the_metadata_may_name_the_call(name):
    spoken = wire()
    spoken.decode(json.dumps({name: "f9a7"}))
    assert (spoken.call, spoken.finishes) == ("f9a7", True)


def test_without_metadata_the_audio_begins_at_once():
    spoken = wire(rate=["16k"])
    start, audio = spoken.decode(b"\1\0")
    assert (start.format.sample_rate, audio) == (16_000, Audio(b"\1\0"))
    assert spoken.decode(b"\2\0") == (Audio(b"\2\0"),)


def test_text_that_is_no_json_is_metadata_too():
    (start,) = wire().decode("caller=6173333456")
    assert start == Start(AudioFormat(sample_rate=8_000, channel_names=("customer",)), Settings(partials=False, sounds=False))


def test_text_in_mid_call_is_not_for_us_and_an_empty_message_ends_it():
    spoken = wire()
    spoken.decode("{}")
    assert spoken.decode('{"dtmf":"5"}') == ()
    assert spoken.decode("bye") == ()
    assert spoken.decode(b"") == (Stop(),)


@pytest.mark.parametrize("rate", ["fast", 1, True, 8_001])
def test_a_rate_that_cannot_be_is_told(rate):
    (rejected,) = wire().decode(json.dumps({"sampleRate": rate}))
    assert isinstance(rejected.error, InvalidAudio)
    told = said(wire(), ErrorSent(code="invalid_audio", message="the rate is 1", fatal=True))
    assert told == [{"type": "error", "data": {"code": "invalid_audio", "message": "the rate is 1"}}]


def test_results_become_the_body_of_an_event():
    spoken = wire(interim=["1"])
    spoken.decode('{"mixType":"stereo"}')
    early, last = said(spoken, PARTIAL, FINAL)
    assert (early["type"], early["data"]["is_final"], early["data"]["transcript"], early["data"]["channel_name"]) == (
        "transcription", False, "Hello, wor", "customer",
    )  # fmt: skip
    assert last == {
        "type": "transcription",
        "data": {
            "is_final": True,
            "transcript": "Hello, world.",
            "channel": 1,
            "channel_name": "agent",
            "segment": 3,
            "begin_ms": 1_000,
            "end_ms": 2_000,
            "language": {"code": "en", "p": 0.98},
            "emotion": {"label": "happy", "p": 0.7, "scores": {"happy": 0.7, "neutral": 0.3}, "trend": None},
            "events": [{"label": "speech", "p": 0.99}],
            "confidence": 0.93,
            "itn": {"applied": True, "p": 0.95},
            "raw_text": "<|en|><|HAPPY|><|Speech|><|withitn|>Hello, world.",
            "withheld": None,
            "words": [
                {"text": " Hello,", "begin_ms": 1_040, "end_ms": 1_400, "confidence": 0.9},
                {"text": " world.", "begin_ms": 1_400, "end_ms": 1_900, "confidence": None},
            ],
        },
    }


def test_silence_and_what_ends_nothing_is_not_told():
    spoken = wire()
    spoken.decode("{}")
    quiet = (CREATED, replace(FINAL, text=""), ErrorSent(code="x", message="y", fatal=False), Closed(reason="stop", totals={}))
    assert said(spoken, *quiet) == []


def test_the_one_subprotocol_that_a_module_offers_is_agreed_on():
    for name in ("audio.drachtio.org", "audiostream.drachtio.org", "audio.jambonz.org", "my.own"):
        assert ROUTE.subprotocol([name]) == name
        assert route_to("/audio-fork", [name]) is ROUTE
    assert ROUTE.subprotocol([]) is None


KEYS = ["sampleRate", "mixType", "channels", "callSid", "language"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["stereo", "16k"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner),
)


@given(st.lists(st.text() | st.binary() | JSON.map(json.dumps), max_size=5), st.sampled_from([{}, {"channel": ["a", "b"]}]))
def test_nothing_that_a_client_sends_raises(messages, query):
    spoken = wire(**query)
    for message in messages:
        for event in spoken.decode(message):
            assert isinstance(event, Start | Audio | Stop | Rejected)
            assert not isinstance(event, Rejected) or isinstance(event.error, InvalidAudio)
