"""Jitsi's wire: whose message it is, what of it is new, and what jigasi reads back."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.events import (
    Audio,
    AudioFormat,
    Closed,
    Configure,
    Emotion,
    ErrorSent,
    Event,
    Input,
    Language,
    Rejected,
    Settings,
    SpeechStarted,
    Start,
    Stop,
)
from streamer.wires import Handshake, Spoken
from streamer.wires.jigasi_buffer import KEPT, Buffers
from streamer.wires.routes import route_to
from streamer.wires.skynet import ROUTE, Participant, Skynet
from tests.driving import Driver, speech
from tests.wires.test_funasr import FINAL, PARTIAL

AT_MS = 1_800_000_000_000
HANDSHAKE = Handshake(session_id="abc", at="2027-01-15T08:00:00Z", unix_ms=AT_MS, path="/streaming-whisper/ws/m")


def message(participant, audio, language="en", fill=b"\0"):
    return f"{participant}|{language}".encode().ljust(60, fill) + audio


def said(spoken, *messages):
    return [json.loads(text) for one in messages for text in spoken.encode(one)]


def jigasi(new, before=bytes(46_720)):
    """jigasi's buffer with something new at its beginning."""
    return (new + before[len(new) :]).ljust(48_000, b"\0")


def frames(*values):
    """20 ms of a constant for each value."""
    return b"".join(bytes([value]) * 640 for value in values)


@pytest.mark.parametrize("fill", [b"\0", b" "])
def test_a_message_is_its_participants(fill):
    data = message("1a2b3c4d", b"\1\2" * 8, fill=fill)
    assert Skynet().split(data) == Spoken("1a2b3c4d", data)


@pytest.mark.parametrize("data", [b"\0", b""])
def test_a_zero_byte_ends_the_meeting_and_so_does_what_is_left_of_jigasis_only_one(data):
    assert Skynet().split(data) == Stop()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("text", "a text message came, expected binary ones; see docs/wires.md"),
        (b"\0\0", "the message has 2 bytes, expected a header of 60 and audio; see docs/wires.md"),
        (bytes(100), r"the header is b'\x00\x00"),
        (b"abc".ljust(60, b"-"), f"the header is b'abc{57 * '-'}', expected participant|language, and NULs; see docs/wires.md"),
        (b"|en".ljust(60, b"-"), f"the header is b'|en{57 * '-'}', expected participant|language, and NULs; see docs/wires.md"),
        (b"\xff".ljust(60, b"-"), rf"the header is b'\xff{59 * '-'}', expected UTF-8; see docs/wires.md"),
    ],
)
def test_what_belongs_to_nobody_is_rejected(data, sentence):
    rejected = Skynet().split(data)
    assert isinstance(rejected, Rejected)
    assert str(rejected.error).startswith(sentence)


def test_a_header_alone_is_nothing():
    assert Skynet().split(message("a", b"")) is None


def test_the_end_of_jigasis_buffer_that_was_never_written_is_not_heard():
    spoken = frames(*range(1, 74))
    assert Buffers().fresh("a", spoken + bytes(1_280)) == spoken


def test_what_jigasi_sends_again_when_somebody_mutes_is_not_heard_again():
    meeting, before = Skynet(), frames(*range(1, 74))
    meeting.split(message("a", jigasi(before)))
    assert meeting.split(message("b", jigasi(frames(9, 8, 7)))) == Spoken("b", message("b", jigasi(frames(9, 8, 7))[:46_720]))
    muted = jigasi(frames(101, 102), before)
    assert meeting.split(message("a", muted)) == Spoken("a", message("a", frames(101, 102)))
    assert meeting.split(message("a", muted)) is None  # muted and raising a hand


def test_digital_silence_is_heard_however_often_it_comes():
    buffers = Buffers()
    assert [len(buffers.fresh("a", bytes(48_000))) for _ in range(3)] == [46_720] * 3


def test_audio_of_another_length_is_all_new():
    buffers = Buffers()
    same = frames(1) + bytes(1_280)
    assert [buffers.fresh("a", same), buffers.fresh("a", same)] == [same, same]


def test_the_participants_whose_buffers_are_remembered_are_so_many():
    buffers, before = Buffers(), jigasi(frames(*range(1, 74)))
    for n in range(KEPT + 1):
        buffers.fresh(str(n), before)
    assert buffers.fresh("1", before) == b""
    assert len(buffers.fresh("0", before)) == 46_720


def test_a_participant_is_a_session_of_16_khz_in_its_own_language():
    spoken = Participant("1a2b3c4d", HANDSHAKE)
    assert spoken.open() == ()
    start = Start(AudioFormat(channel_names=("1a2b3c4d",)), Settings(language="en", sounds=False))
    assert spoken.decode(message("1a2b3c4d", b"\1\2", "en-US")) == (start, Audio(b"\1\2"))
    assert spoken.decode(message("1a2b3c4d", b"\3\4\5", "en")) == (Audio(b"\3\4"),)
    assert spoken.decode(message("1a2b3c4d", b"\6\7", "zh-CN   ")) == (Configure({"language": "zh"}), Audio(b"\6\7"))
    assert spoken.decode(b"") == (Stop(),)


@pytest.mark.parametrize(("tag", "language"), [("null", "auto"), ("", "auto"), ("de", "auto"), ("zh-HK", "yue"), ("ja|x", "ja")])
def test_a_language_that_the_model_has_none_of_is_for_it_to_find_out(tag, language):
    (start, _) = Participant("a", HANDSHAKE).decode(message("a", b"\0\0", tag))
    assert start.settings.language == language


def test_results_are_what_jigasi_takes_out_of_them():
    spoken = Participant("1a2b3c4d", HANDSHAKE)
    spoken.decode(message("1a2b3c4d", bytes(46_720)))  # 1,460 ms, which had been said when they came
    heard = {
        "language": Language(code="zh", p=0.8),
        "emotion": Emotion(label="happy", p=0.6, scores={"happy": 0.6, "sad": 0.4}),
        "events": (Event(label="speech", p=0.7),),
    }
    interim, final = said(spoken, PARTIAL, replace(FINAL, confidence=1.0, **heard))
    assert interim == {
        "id": "4765d62a-e07c-579d-be4a-c07bba9e2e15",
        "participant_id": "1a2b3c4d",
        "ts": AT_MS - 1_460 + 80,
        "text": "今天",
        "audio": "",
        "type": "interim",
        "variance": 0.0,
        "sensevoice": {"language": None, "emotion": None, "events": []},
    }
    assert final == interim | {
        "text": "今天好。",
        "type": "final",
        "variance": 1.0,
        "sensevoice": {
            "language": {"code": "zh", "p": 0.8},
            "emotion": {"label": "happy", "p": 0.6, "scores": {"happy": 0.6, "sad": 0.4}, "trend": None},
            "events": [{"label": "speech", "p": 0.7}],
            "raw_text": "<|zh|><|NEUTRAL|><|Speech|><|withitn|>今天好。",
            "itn": None,
            "withheld": None,
        },
    }


@pytest.mark.parametrize("confidence", [None, 0.0, 1, 1e-9, 0.123456])
def test_variance_has_a_decimal_point_and_no_exponent_whatever_the_confidence(confidence):
    (text,) = Participant("a", HANDSHAKE).encode(replace(FINAL, confidence=confidence))
    (value,) = [part.partition(":")[2] for part in text.split(",") if part.startswith('"variance"')]
    assert value in ("0.0", "1.0", "0.1235")


def test_an_utterance_has_one_id_from_first_to_last_and_no_other_has_it():
    spoken, later = Participant("a", HANDSHAKE), Participant("a", replace(HANDSHAKE, session_id="def"))
    other = replace(FINAL, segment=1)
    ids = [one["id"] for one in said(spoken, PARTIAL, PARTIAL, FINAL, other)] + [said(later, FINAL)[0]["id"]]
    assert ids[0] == ids[1] == ids[2]
    assert len(set(ids)) == 3


def test_what_was_shown_is_ended_even_where_nothing_is_left_of_it():
    spoken = Participant("a", HANDSHAKE)
    nothing = replace(FINAL, text="", withheld="noise")
    failed = ErrorSent(code="transcription_failed", message="no", fatal=False, segment=0, channel=0)
    for last in (nothing, failed):
        assert said(spoken, last) == []
        *_, end = said(spoken, PARTIAL, last)
        assert (end["type"], end["text"], end["ts"], end["variance"]) == (
            "final",
            "",
            AT_MS + 80,
            FINAL.confidence if last is nothing else 0.0,
        )


def test_the_rest_of_what_a_session_says_has_no_place():
    spoken = Participant("a", HANDSHAKE)
    told = (
        SpeechStarted(segment=0, channel=0, begin_ms=0),
        replace(PARTIAL, stable="", unstable=" "),
        ErrorSent(code="invalid_message", message="no", fatal=False),
        Closed(reason="stop", totals={}),
    )
    assert said(spoken, *told) == []


def test_a_whole_session_says_every_utterance_once():
    driver, spoken = Driver(), Participant("a", HANDSHAKE)
    sent = [message("a", speech("." * 20 + "#" * 60 + "." * 60 + "#" * 60).tobytes()), b""]
    for event in (event for data in sent for event in spoken.decode(data)):
        driver.receive(event)
    finals = [one for one in said(spoken, *driver.sent) if one["type"] == "final"]
    assert [one["text"] for one in finals] == [final.text for final in driver.finals]
    assert finals[0]["ts"] < finals[1]["ts"]


def test_it_is_where_skynet_is():
    assert route_to("/streaming-whisper/ws/0b5b6a7e-0000-4000-8000-000000000000", []) is ROUTE
    assert ROUTE.subprotocol(["any"]) is None
    assert isinstance(ROUTE.open(HANDSHAKE), Skynet)


HEADERS = st.tuples(st.text(max_size=20), st.sampled_from(["|", "||", ""]), st.text(max_size=9)).map(lambda parts: "".join(parts).encode())
SENT = st.text() | st.binary(max_size=99) | st.builds(lambda head, audio: head[:60].ljust(60, b"\0") + audio, HEADERS, st.binary())
BUFFERED = st.lists(st.sampled_from([0, 1, 2]), max_size=73).map(lambda new: message("a", jigasi(frames(*new), frames(*range(73)))))


@given(st.lists(SENT | BUFFERED, max_size=6))
def test_nothing_that_a_client_sends_raises(sent):
    meeting = Skynet()
    for data in sent:
        spoken = meeting.split(data)
        if not isinstance(spoken, Spoken):
            assert spoken is None or isinstance(spoken, Stop | Rejected)
            continue
        for event in meeting.voice(spoken.voice, HANDSHAKE).decode(spoken.payload):
            assert isinstance(event, Input)
            assert not isinstance(event, Rejected)


@given(st.text() | st.binary())
def test_a_participant_takes_anything(data):
    assert all(isinstance(event, Input) for event in Participant("a", HANDSHAKE).decode(data))


@given(st.lists(st.lists(st.integers(1, 255), max_size=73), min_size=1, max_size=5))
def test_whatever_jigasi_writes_is_heard_once(written):
    buffers, before = Buffers(), bytes(46_720)
    for n, values in enumerate(written):
        new = b"".join(n.to_bytes(2, "little") * 160 + bytes([value, 1]) * 160 for value in values)  # like no other at its place
        audio = jigasi(new, before)
        before = audio[:46_720]
        assert buffers.fresh("a", audio).rstrip(b"\0") == new
