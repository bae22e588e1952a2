"""What a client may send, what it then hears, and that nothing it sends can do harm."""

import json

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.events import (
    Audio,
    AudioFormat,
    Configure,
    Emotion,
    Encoding,
    ErrorSent,
    Event,
    Final,
    Flush,
    Itn,
    Keepalive,
    Language,
    Quiet,
    Rejected,
    Settings,
    Start,
    Stop,
    Word,
)
from streamer.wires.native import MESSAGE_TYPES, Native


def read(message):
    (event,) = Native().decode(message if isinstance(message, str | bytes) else json.dumps(message))
    return event


def test_binary_is_audio():
    assert read(b"\x01\x02\x03") == Audio(b"\x01\x02\x03")


def test_an_empty_start_has_the_documented_defaults():
    assert read({"type": "start"}) == Start(AudioFormat(), Settings())


def test_every_setting_of_start_is_read():
    message = {
        "type": "start", "format": "mulaw", "sample_rate": 8000, "channels": 2, "mix": True, "language": "yue", "itn": False,
        "partials": False, "hotwords": ["Kaldi"], "endpoint_silence_ms": 300, "max_segment_ms": 9000,
        "endpoints": False, "quiet_ms": 1000, "something_new": 1,
    }  # fmt: skip

    assert read(message) == Start(
        AudioFormat(encoding=Encoding.MULAW, sample_rate=8000, channels=2, mix=True),
        Settings(
            language="yue", itn=False, partials=False, hotwords=("Kaldi",), endpoint_silence_ms=300, max_segment_ms=9000,
            endpoints=False, quiet_ms=1000,
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("message", "event"),
    [
        ({"type": "configure", "itn": False}, Configure({"itn": False})),
        ({"type": "flush"}, Flush(None)),
        ({"type": "flush", "id": 7}, Flush(7)),
        ({"type": "flush", "id": "a"}, Flush("a")),
        ({"type": "keepalive"}, Keepalive()),
        ({"type": "stop"}, Stop()),
    ],
)
def test_control_messages_are_read(message, event):
    assert read(message) == event


@pytest.mark.parametrize(
    ("message", "code", "sentence"),
    [
        ("{", "invalid_message", "a text message is not JSON"),
        ("[" * 100_000, "invalid_message", "a text message is not JSON"),
        ([], "invalid_message", "a text message is [], expected an object with a type"),
        ({}, "invalid_message", "type is null, expected one of start, configure, flush, sync, keepalive, stop"),
        ({"type": {}}, "invalid_message", "type is {}, expected one of start"),
        ({"type": "hello"}, "invalid_message", 'type is "hello", expected one of start'),
        ({"type": "start", "sample_rate": "16k"}, "invalid_message", 'start.sample_rate is "16k", expected an integer'),
        ({"type": "start", "sample_rate": True}, "invalid_message", "start.sample_rate is true, expected an integer"),
        ({"type": "start", "sample_rate": 1e99}, "invalid_message", "start.sample_rate is 1e+99, expected an integer"),
        ({"type": "start", "hotwords": "a"}, "invalid_message", 'start.hotwords is "a", expected a list of strings'),
        ({"type": "configure", "itn": 1}, "invalid_message", "configure.itn is 1, expected true or false"),
        ({"type": "flush", "id": []}, "invalid_message", "flush.id is [], expected a string, an integer or null"),
        ({"type": "start", "sample_rate": 10**9}, "invalid_setting", "sample_rate is 1000000000, expected a multiple of 25"),
        ({"type": "start", "format": "mp3"}, "invalid_setting", "format is 'mp3', expected one of pcm_s16le, pcm_f32le, mulaw, alaw"),
        ({"type": "start", "language": "fr"}, "invalid_setting", "language is 'fr', expected one of auto, zh, en, yue, ja, ko"),
        ({"type": "start", "channels": 0}, "invalid_setting", "channels is 0, expected 1 to 8"),
        ({"type": "start", "quiet_ms": 499}, "invalid_setting", "quiet_ms is 499, expected 0 for none, or 500 to 10000"),
        ({"type": "start", "quiet_ms": -1}, "invalid_setting", "quiet_ms is -1, expected 0 for none"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_rejected_with_the_value_and_what_was_expected(message, code, sentence):
    event = read(message)

    assert isinstance(event, Rejected)
    assert event.error.code == code
    assert sentence in str(event.error)


JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
FIELDS = ["format", "sample_rate", "channels", "language", "itn", "hotwords", "max_segment_ms", "id"]
VALUES = st.none() | st.integers() | st.text() | st.lists(st.text()) | st.booleans()


@given(st.text() | st.binary() | JSON.map(json.dumps))
def test_no_message_raises(message):
    Native().decode(message)


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES), st.sampled_from(["start", "configure", "flush", "stop"]))
def test_no_control_message_raises(fields, kind):
    assert len(Native().decode(json.dumps({**fields, "type": kind}))) == 1


FINAL = Final(
    segment=3, revision=2, channel=1, text="早 hi", raw_text="<|zh|>早 hi", words=(Word(text="早", begin_ms=1, end_ms=2, confidence=0.5),),
    begin_ms=0, end_ms=10, language=Language(code="zh", p=0.9), emotion=Emotion(label="happy", p=0.8, scores={"happy": 0.8, "sad": 0.2}),
    events=(Event(label="speech", p=1.0),), itn=Itn(applied=True, p=0.9), confidence=None, withheld=None,
    end_reason="endpoint", audio_end_ms=10, queue_ms=0.5, decode_ms=2.0,
)  # fmt: skip
WIRE_FINAL = {
    "type": "final", "seq": 1, "segment": 3, "revision": 2, "channel": 1, "text": "早 hi", "raw_text": "<|zh|>早 hi",
    "words": [{"text": "早", "begin_ms": 1, "end_ms": 2, "confidence": 0.5}], "begin_ms": 0, "end_ms": 10,
    "language": {"code": "zh", "p": 0.9}, "emotion": {"label": "happy", "p": 0.8, "scores": {"happy": 0.8, "sad": 0.2}, "trend": None},
    "events": [{"label": "speech", "p": 1.0}], "itn": {"applied": True, "p": 0.9}, "confidence": None, "withheld": None,
    "end_reason": "endpoint", "audio_end_ms": 10, "queue_ms": 0.5,
    "decode_ms": 2.0,
}  # fmt: skip


def test_results_are_json_text():
    assert json.loads(*Native().encode(FINAL)) == WIRE_FINAL
    assert json.loads(*Native("json").encode(ErrorSent(code="x", message="y", fatal=True))) == {
        "type": "error", "seq": 1, "code": "x", "message": "y", "fatal": True, "segment": None, "channel": None,
    }  # fmt: skip
    assert json.loads(*Native().encode(Quiet(channel=1, end_ms=2, quiet_ms=500))) == {
        "type": "quiet", "seq": 1, "channel": 1, "end_ms": 2, "quiet_ms": 500,
    }  # fmt: skip


def test_with_msgpack_results_are_the_same_objects_packed():
    (packed,) = Native("msgpack").encode(FINAL)

    assert isinstance(packed, bytes)
    assert msgpack.unpackb(packed) == WIRE_FINAL


def test_every_message_has_a_name_of_its_own():
    assert len(set(MESSAGE_TYPES.values())) == len(MESSAGE_TYPES) == 16


def test_half_a_character_is_refused_where_it_comes_in_and_breaks_nothing_where_it_would_go_out():
    (event,) = Native().decode('{"type": "flush", "id": "\\ud800"}')
    assert isinstance(event, Rejected)
    (event,) = Native().decode('{"type": "flush", "id": "\\ud83d\\ude00"}')
    assert event == Flush("\U0001f600")
