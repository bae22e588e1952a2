"""Twilio's Media Streams, and what all carriers' wires have in common."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.events import Audio, AudioFormat, Closed, Encoding, Rejected, Settings, Start, Stop
from streamer.wires import Handshake, Refused
from streamer.wires.exotel import Exotel
from streamer.wires.plivo import Plivo
from streamer.wires.routes import route_to
from streamer.wires.telnyx import Telnyx
from streamer.wires.twilio import Twilio
from tests.carriers import CALLS, text, twilio
from tests.wires.carriers import heard, opened

CARRIERS = {"/twilio": Twilio, "/telnyx": Telnyx, "/plivo": Plivo, "/exotel": Exotel}
BOTH = {"inbound": b"\1" * 1_600, "outbound": b"\2" * 1_600}
MULAW = AudioFormat(encoding=Encoding.MULAW, sample_rate=8_000)
STEREO = AudioFormat(encoding=Encoding.MULAW, sample_rate=8_000, channels=2, channel_names=("customer", "agent"))


@pytest.mark.parametrize(("path", "kind"), CARRIERS.items())
def test_each_carrier_has_a_path_of_its_own_and_may_have_a_port(path, kind):
    route = route_to(path, [])
    wire = route.open(Handshake(session_id="s", at="2026-01-31T12:00:00Z", path=path))
    assert isinstance(wire, kind)
    assert (route.name, route.subprotocol(["any"])) == (path[1:], None)


def test_both_tracks_are_channels_named_after_who_speaks_and_the_call_gets_its_id():
    wire = opened(Twilio)
    events = heard(wire, twilio(BOTH))
    assert events[0] == Start(STEREO, Settings())
    assert b"".join(event.data for event in events if isinstance(event, Audio)) == b"\1\2" * 1_600
    assert events[-1] == Stop("stop")
    assert wire.call == CALLS["twilio"]


def test_a_single_track_is_one_channel():
    (start, *_) = heard(opened(Twilio), twilio({"inbound": b"\1" * 800}))
    assert start.format.channel_names == ("customer",)
    (start, *_) = heard(opened(Twilio), twilio({"outbound": b"\1" * 800}))
    assert start.format.channel_names == ("agent",)


def test_who_called_whom_is_said_by_a_parameter_as_twilio_takes_no_query():
    parameters = {"inbound": "agent", "language": "en-GB", "itn": "false", "hotwords": "Acme, Zürich", "endpoint_silence_ms": "800"}
    wire = opened(Twilio)
    start, *_ = heard(wire, twilio(BOTH, parameters=parameters | {"partials": "0", "call": "ours-7", "CallerName": "unknown to us"}))
    assert start.format.channel_names == ("agent", "customer")
    assert start.settings == Settings(language="en", itn=False, partials=False, hotwords=("Acme", "Zürich"), endpoint_silence_ms=800)
    assert wire.call == "ours-7"


def test_an_id_that_the_address_gave_stays():
    wire = opened(Twilio)
    wire.call = "given"
    heard(wire, twilio(BOTH, parameters={"call": "ours-7"}))
    assert wire.call == "given"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("language", "klingon", "language is 'klingon', expected one of yue, zh, en, ja, ko with or without a region, or auto"),
        ("itn", "maybe", "itn is 'maybe', expected true or false"),
        ("endpoint_silence_ms", "50", "endpoint_silence_ms is 50, expected 100 to 5000"),
        ("endpoint_silence_ms", "²", "endpoint_silence_ms is '²', expected whole milliseconds"),
        ("inbound", "caller", "inbound is 'caller', expected customer or agent"),
        ("track", "left", "track is 'left', expected one of inbound, inbound_track, outbound, outbound_track, both, both_tracks"),
    ],
)
def test_an_option_that_cannot_be_followed_is_told_and_refuses_a_handshake(name, value, sentence):
    start, told, *_ = heard(opened(Twilio), twilio(BOTH, parameters={name: value}))
    assert start == Start(STEREO, Settings())
    assert isinstance(told, Rejected)
    assert (str(told.error), told.error.close_code) == (sentence, None)
    with pytest.raises(Refused) as refused:
        opened(Twilio, **{name: value})
    assert (refused.value.status, str(refused.value)) == (400, sentence)


def test_options_of_the_query_are_followed_and_parameters_go_before_them():
    wire = opened(Twilio, language="ja", sounds="off", emotion_trend="on", utm_source="unknown")
    start, *_ = heard(wire, twilio(BOTH, parameters={"language": "auto"}))
    assert start.settings == Settings(language="auto", sounds=False, emotion_trend=True)


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        ({"encoding": "audio/G722"}, "the encoding is 'audio/G722', expected PCMU, PCMA or L16 (mulaw, alaw, linear PCM)"),
        ({"encoding": None}, "the encoding is '', expected PCMU, PCMA or L16 (mulaw, alaw, linear PCM)"),
        ({"encoding": "audio/x-mulaw", "channels": 2}, "channels is '2', expected 1, with one track for each speaker"),
        ({"encoding": "audio/x-mulaw", "sampleRate": "fast"}, "sample_rate is 'fast', expected a number of at most 48000"),
        ({"encoding": "audio/x-mulaw", "sampleRate": 8001}, "sample_rate is 8001, expected a multiple of 25 from 4000 to 192000"),
    ],
)
def test_audio_that_cannot_be_read_ends_the_stream_with_a_sentence(start, sentence):
    wire = opened(Twilio)
    (stop,) = heard(wire, twilio(BOTH, mediaFormat=start))
    assert (stop.reason, str(stop.error), stop.error.close_code) == ("invalid_audio", sentence, 1007)
    assert wire.close(1007, "invalid_audio") == (1007, sentence[:123])
    assert wire.call == CALLS["twilio"]


def test_what_is_no_audio_is_ignored_and_what_cannot_be_read_is_told():
    wire = opened(Twilio)
    messages = twilio(BOTH)
    assert [type(event) for event in heard(wire, [messages[2], *messages[:2]])] == [Rejected, Start]
    for kind in ("dtmf", "mark", "connected", "start", "tomorrow's"):
        assert wire.decode(json.dumps({"event": kind, kind: {"digit": "1"}})) == ()
    for unreadable in ("{", "[]", '{"media": {}}', '{"event": 7}', b"\1\2", '"\\ud800"'):
        (told,) = wire.decode(unreadable)
        assert str(told.error) == "a message is not a JSON object with an event, such as start, media or stop"
    for payload, shown in (("no base64!", "'no base64!'"), ("YQ", "'YQ'"), (None, "'None'"), ("ÿ", "'ÿ'")):
        (told,) = wire.decode(json.dumps({"event": "media", "media": {"track": "inbound", "payload": payload}}))
        assert str(told.error) == f"media.payload is {shown}, expected audio in base64"


def test_what_was_left_out_is_told_at_the_end():
    wire = opened(Twilio)
    messages = twilio({"inbound": b"\1" * 8_000})
    stray = json.dumps({"event": "media", "media": {"track": "outbound", "chunk": "1", "timestamp": "5", "payload": text(b"\2" * 160)}})
    events = heard(wire, [*messages[:5], *messages[6:40], messages[5], stray, messages[-1]])
    assert isinstance(events[-3], Audio)
    assert str(events[-2].error) == (
        "1 packets came more than 200 ms too late, 1 packets were on another track than inbound; they were not heard"
    )
    assert events[-1] == Stop("stop")


def test_a_carrier_that_hangs_up_has_what_it_said_finished():
    wire = opened(Twilio)
    heard(wire, twilio(BOTH, stop=False))
    assert wire.finishes
    assert b"".join(event.data for event in wire.rest()) == b"\1\2" * 1_600
    assert wire.rest() == ()
    assert wire.decode(twilio(BOTH)[2]) == ()


def test_results_have_no_place_here():
    assert opened(Twilio).encode(Closed(reason="stop", totals={})) == ()


NAMES = (
    "event start media stop mediaFormat media_format encoding sampleRate sample_rate channels tracks callSid call_control_id "
    "callId customParameters custom_parameters extra_headers track chunk timestamp payload language"
).split()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["inbound", "audio/x-l16", "AAAA"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=6,
)
EVENTS = st.sampled_from(["start", "media", "stop", "dtmf", "mark"])
MESSAGES = st.builds(lambda event, rest: json.dumps({**rest, "event": event}), EVENTS, st.dictionaries(st.sampled_from(NAMES), JSON))


@pytest.mark.parametrize("kind", CARRIERS.values())
@given(st.lists(MESSAGES | st.text(max_size=40) | st.binary(max_size=20) | JSON.map(json.dumps), max_size=8))
def test_no_message_is_too_strange(kind, messages):
    wire = opened(kind)
    for event in [*heard(wire, messages), *wire.rest()]:
        assert isinstance(event, Start | Audio | Rejected | Stop)
    assert wire.call is None or 0 < len(wire.call) <= 256
    wire.close(1000, "stop")
