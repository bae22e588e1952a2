"""Vonage's legs: what its first message says, and that nothing is ever said back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.events import Audio, AudioFormat, Closed, ErrorSent, Rejected, Settings, Start
from streamer.errors import InvalidAudio, InvalidMessage
from streamer.wires import Handshake, Refused
from streamer.wires.routes import route_to
from streamer.wires.vonage import ROUTE, Vonage
from tests.wires.test_deepgram import CREATED, FINAL, PARTIAL


def wire(**query):
    return Vonage(Handshake(session_id="a", at="", path="/vonage", query={name: [value] for name, value in query.items()}))


def connected(spoken, kind="audio/l16;rate=16000", **headers):
    return spoken.decode(json.dumps({"event": "websocket:connected", "content-type": kind} | headers))


def test_the_first_message_says_how_the_audio_is_to_be_read_and_the_operators_headers_whose_it_is():
    spoken = wire()
    inputs = connected(spoken, "audio/l16;rate=8000", call_uuid="CON-1", language="en-GB", caller_id="447700900123")
    audio = AudioFormat(sample_rate=8_000, channel_names=("mixed",))
    assert inputs == (Start(audio, Settings(language="en", sounds=False)),)
    assert (spoken.call, spoken.finishes) == ("CON-1", True)
    assert spoken.decode(b"\1\0") == (Audio(b"\1\0"),)
    assert route_to("/vonage", []) is ROUTE


@pytest.mark.parametrize(
    ("kind", "rate"),
    [("audio/l16;rate=16000", 16_000), ("audio/L16; rate=24000", 24_000), ("audio/l16", 16_000), ("audio/l16;channels=1;rate=8000", 8_000)],
)
def test_the_content_type_has_the_rate(kind, rate):
    (start,) = connected(wire(), kind)
    assert start.format.sample_rate == rate


@pytest.mark.parametrize("kind", ["audio/pcmu;rate=8000", "audio/l16;rate=fast", "audio/l16;rate=", "", None, 7, "audio/l16;rate=8001"])
def test_audio_that_cannot_be_read_is_an_error(kind):
    (rejected,) = connected(wire(), kind)
    assert isinstance(rejected.error, InvalidAudio)


def test_the_address_names_the_call_and_who_is_heard():
    spoken = wire(call="7", channel="customer", language="zh-CN")
    (start,) = connected(spoken, uuid="8", language="en", channel="agent")
    assert (spoken.call, start.format.channel_names, start.settings.language) == ("7", ("customer",), "zh")
    (start,) = connected(wire(), channel="agent")
    assert start.format.channel_names == ("agent",)
    with pytest.raises(Refused):
        wire(rate="fast")


def test_two_names_for_what_is_always_one_channel_are_an_error():
    spoken = Vonage(Handshake(session_id="a", at="", path="/vonage", query={"channel": ["a", "b"]}))
    (rejected,) = connected(spoken)
    assert str(rejected.error).startswith("channel_names is ('a', 'b'), expected none, or one of")


def test_events_of_the_call_are_no_audio():
    spoken = wire()
    connected(spoken)
    for event in ("websocket:dtmf", "websocket:notify", "websocket:cleared", "websocket:connected"):
        assert spoken.decode(json.dumps({"event": event, "digit": "5"})) == ()


def test_nothing_is_said_back():
    messages = (CREATED, PARTIAL, FINAL, ErrorSent(code="x", message="y", fatal=True), Closed(reason="stop", totals={}))
    assert [payload for message in messages for payload in wire().encode(message)] == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["event", "content-type", "uuid", "language"]) | st.text(), inner),
)


@given(st.lists(st.text() | st.binary() | JSON.map(json.dumps), max_size=5), JSON, JSON)
def test_nothing_that_a_client_sends_raises(messages, kind, headers):
    spoken = wire()
    inputs = list(connected(spoken, kind, uuid=headers, language=headers, channel=headers))
    for message in messages:
        inputs += spoken.decode(message)
    for event in inputs:
        assert isinstance(event, Start | Audio | Rejected)
        assert not isinstance(event, Rejected) or isinstance(event.error, InvalidAudio | InvalidMessage)
