"""sherpa-onnx's streaming wire: one result after the other, until both sides are done."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.events import (
    Audio,
    AudioFormat,
    Closed,
    Emotion,
    Encoding,
    ErrorSent,
    Event,
    Final,
    Heartbeat,
    Input,
    Language,
    Partial,
    Rejected,
    Settings,
    SpeechStarted,
    Start,
    Stop,
    Word,
)
from streamer.wires import Handshake
from streamer.wires.routes import route_to
from streamer.wires.sherpa_online import ROUTE, Online
from tests.driving import Driver, speech

LANGUAGE = Language(code="en", p=0.97)
EMOTION = Emotion(label="happy", p=0.8, scores={"happy": 0.8, "sad": 0.2})
EVENTS = (Event(label="speech", p=0.9),)
STARTED = SpeechStarted(segment=0, channel=0, begin_ms=1_080)
PARTIAL = Partial(
    segment=0,
    revision=0,
    channel=0,
    stable="hello",
    unstable=" wor",
    begin_ms=1_080,
    end_ms=1_700,
    words=(
        Word(text="hello", begin_ms=1_200, end_ms=1_400, confidence=0.5),
        Word(text="wor", begin_ms=1_450, end_ms=1_600, confidence=1.0),
    ),
    confidence=0.7,
    language=LANGUAGE,
    emotion=EMOTION,
    events=EVENTS,
    audio_end_ms=1_700,
    queue_ms=0.0,
    decode_ms=0.0,
)
FINAL = Final(
    segment=0,
    revision=1,
    channel=0,
    text="Hello, world.",
    raw_text="<|en|><|HAPPY|><|Speech|><|withitn|>Hello, world.",
    words=(
        Word(text="Hello,", begin_ms=1_200, end_ms=1_400, confidence=None),
        Word(text="world.", begin_ms=1_450, end_ms=1_800, confidence=None),
    ),
    begin_ms=1_080,
    end_ms=1_900,
    language=LANGUAGE,
    emotion=EMOTION,
    events=EVENTS,
    itn=None,
    confidence=None,
    end_reason="endpoint",
    audio_end_ms=1_900,
    queue_ms=0.0,
    decode_ms=0.0,
)
FAILED = ErrorSent(code="transcription_failed", message="no", fatal=False, segment=0, channel=0)
CLOSED = Closed(reason="stop", totals={})
NOTHING = {
    "text": "",
    "tokens": [],
    "timestamps": [],
    "ys_probs": [],
    "lm_probs": [],
    "context_scores": [],
    "segment": 0,
    "words": [],
    "start_time": 0.0,
    "is_final": False,
    "is_eof": False,
}
RICH = {
    "language": {"code": "en", "p": 0.97},
    "emotion": {"label": "happy", "p": 0.8, "scores": {"happy": 0.8, "sad": 0.2}, "trend": None},
    "events": [{"label": "speech", "p": 0.9}],
}


def wire(**query):
    return Online(Handshake(session_id="s", at="", path="/", query={name: [value] for name, value in query.items()}))


def said(spoken, *messages):
    found = [payload for message in messages for payload in spoken.encode(message)]
    return [one if one == "Done!" else json.loads(one) for one in found]


def brief(results):
    return [one if one == "Done!" else (one["segment"], one["text"], one["is_final"], one["is_eof"]) for one in results]


def test_audio_is_float32_at_16_khz_until_the_client_is_done():
    spoken = wire()
    settings = Settings(sounds=False, partial_words=True)
    assert spoken.open() == (Start(AudioFormat(encoding=Encoding.PCM_F32LE, sample_rate=16_000), settings),)
    assert spoken.decode(b"\1\2\3") == (Audio(b"\1\2\3"),)
    assert spoken.decode("Done") == (Stop(),)
    assert spoken.decode(b"\1\2") == spoken.decode("Done") == ()


@pytest.mark.parametrize(("tag", "language"), [("zh-CN", "zh"), ("yue", "yue"), ("fr", "auto"), ("", "auto")])
def test_the_address_may_say_the_language(tag, language):
    (start,) = wire(language=tag).open()
    assert start.settings.language == language


def test_results_have_the_fields_of_both_servers_and_what_our_model_knows():
    spoken = wire()
    partial, final = said(spoken, STARTED, PARTIAL, FINAL)
    assert partial == NOTHING | {
        "text": "hello wor",
        "tokens": ["hello", " wor"],
        "timestamps": [0.12, 0.37],
        "ys_probs": [-0.693147, 0.0],
        "start_time": 1.08,
        "sensevoice": RICH,
    }
    assert final == NOTHING | {
        "text": "Hello, world.",
        "tokens": ["Hello,", " world."],
        "timestamps": [0.12, 0.37],
        "start_time": 1.08,
        "is_final": True,
        "sensevoice": RICH | {"raw_text": FINAL.raw_text, "itn": None, "withheld": None},
    }


def test_the_number_grows_when_a_segment_is_final_and_only_then():
    spoken = wire()
    second = replace(STARTED, segment=1), replace(PARTIAL, segment=1), replace(FINAL, segment=1)
    assert brief(said(spoken, STARTED, PARTIAL, PARTIAL, FINAL, *second)) == [
        (0, "hello wor", False, False),
        (0, "hello wor", False, False),
        (0, "Hello, world.", True, False),
        (1, "hello wor", False, False),
        (1, "Hello, world.", True, False),
    ]


def test_a_segment_waits_until_the_one_before_it_is_final():
    spoken = wire()
    second = replace(PARTIAL, segment=1)
    results = said(spoken, STARTED, PARTIAL, replace(STARTED, segment=1), second, FINAL, second)
    assert brief(results) == [(0, "hello wor", False, False), (0, "Hello, world.", True, False), (1, "hello wor", False, False)]


def test_of_what_was_never_told_nothing_is_told_and_no_number_is_left_out():
    spoken = wire()
    withheld = replace(FINAL, text="", words=(), withheld="noise")
    results = said(spoken, STARTED, withheld, replace(STARTED, segment=1), replace(PARTIAL, segment=1))
    assert brief(results) == [(0, "hello wor", False, False)]


def test_what_was_told_and_is_withheld_in_the_end_is_taken_back():
    spoken = wire()
    withheld = replace(FINAL, text="", words=(), withheld="noise")
    results = said(spoken, STARTED, PARTIAL, withheld, replace(STARTED, segment=1), replace(PARTIAL, segment=1))
    assert brief(results)[1:] == [(0, "", True, False), (1, "hello wor", False, False)]
    assert results[1]["sensevoice"]["withheld"] == "noise"


@pytest.mark.parametrize("before", [(), (PARTIAL,)])
def test_a_segment_that_failed_is_told_and_has_its_number(before):
    spoken = wire()
    *_, lost, following = said(spoken, STARTED, *before, FAILED, replace(STARTED, segment=1), replace(PARTIAL, segment=1))
    assert lost == NOTHING | {"is_final": True, "error": "no"}
    assert following["segment"] == 1


def test_done_is_answered_by_all_that_is_owed_and_then_in_kind():
    spoken = wire()
    spoken.decode("Done")
    results = said(spoken, STARTED, PARTIAL, replace(FINAL, end_reason="stop"), CLOSED)
    assert brief(results) == [(0, "hello wor", False, False), (0, "Hello, world.", True, True), "Done!"]


def test_where_nothing_was_open_a_last_result_says_that_it_is_the_end():
    spoken = wire()
    assert brief(said(spoken, STARTED, FINAL, CLOSED)) == [(0, "Hello, world.", True, False), (1, "", True, True), "Done!"]
    assert said(wire(), CLOSED) == [NOTHING | {"is_final": True, "is_eof": True}, "Done!"]


@pytest.mark.parametrize("reason", ["idle_timeout", "going_away", "invalid_audio"])
def test_a_session_that_ends_in_another_way_is_not_done(reason):
    assert said(wire(), STARTED, PARTIAL, Closed(reason=reason, totals={}))[1:] == []


def test_other_text_is_told_in_the_shape_of_a_result_and_changes_nothing():
    spoken = wire()
    (rejected,) = spoken.decode('{"eof": 1}')
    assert isinstance(rejected, Rejected)
    error = ErrorSent(code="invalid_message", message=str(rejected.error), fatal=False)
    assert str(rejected.error).startswith("a text message is '{\"eof\": 1}', expected Done")
    results = said(spoken, error, STARTED, PARTIAL, error, FINAL)
    assert brief(results) == [
        (0, "", False, False),
        (0, "hello wor", False, False),
        (0, "hello wor", False, False),
        (0, "Hello, world.", True, False),
    ]
    assert results[0]["error"] == str(rejected.error)


def test_nobody_hears_of_heartbeats():
    assert said(wire(), Heartbeat(received_ms=0, processed_ms=0, queue_ms=0)) == []


@pytest.mark.parametrize("lag", [0, 3])
def test_a_whole_session_says_every_segment_once_in_order(lag):
    driver, spoken = Driver(lag=lag), wire()
    samples = speech("." * 20 + "#" * 60 + "." * 60 + "#" * 60 + "." * 10)
    audio = (samples / 32_768).astype("<f4").tobytes()
    sent = [audio[at : at + 6_401] for at in range(0, len(audio), 6_401)]
    for event in (*spoken.open(), *(event for data in (*sent, "Done") for event in spoken.decode(data))):
        driver.receive(event)
    driver.drain()
    *results, last = said(spoken, *driver.sent)
    assert last == "Done!"
    assert len(driver.finals) == 2
    assert [one["text"] for one in results if one["is_final"]] == [final.text for final in driver.finals]
    numbers = [one["segment"] for one in results]
    assert numbers == sorted(numbers)
    assert set(numbers) == {0, 1}
    assert [one["is_eof"] for one in results] == [False] * (len(results) - 1) + [True]
    assert all("".join(one["tokens"]) == one["text"] for one in results)
    assert driver.closed == (1000, "stop")


def test_it_has_a_path_of_its_own():
    assert route_to("/sherpa-onnx/online", []) is ROUTE


@given(st.lists(st.text() | st.binary() | st.just("Done")))
def test_nothing_that_a_client_sends_raises(sent):
    spoken = wire()
    for data in sent:
        for event in spoken.decode(data):
            assert isinstance(event, Input)


@given(st.lists(st.tuples(st.sampled_from([STARTED, PARTIAL, FINAL, replace(FINAL, text=""), FAILED, CLOSED]), st.integers(0, 3))))
def test_every_message_is_one_that_clients_can_read(messages):
    spoken, numbers = wire(), [-1]
    told = [message if isinstance(message, Closed) else replace(message, segment=segment) for message, segment in messages]
    for one in said(spoken, *told):
        if one != "Done!":
            assert isinstance(one["text"], str)
            assert one["segment"] - numbers[-1] in (0, 1)
            numbers.append(one["segment"])
