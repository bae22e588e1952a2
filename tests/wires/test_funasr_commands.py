"""The command dialect of FunASR's realtime server."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.events import (
    Audio,
    AudioFormat,
    Configure,
    ErrorSent,
    Flush,
    Flushed,
    Input,
    Rejected,
    SessionConfigured,
    Settings,
    Start,
)
from streamer.wires.funasr_commands import ROUTE, SENTENCES, Commands
from streamer.wires.routes import route_to
from tests.driving import Driver, speech
from tests.wires.test_funasr import FINAL, PARTIAL, said

CONFIGURED = SessionConfigured(format=AudioFormat(), settings=Settings())


def test_settings_may_come_first_and_audio_is_heard_between_start_and_stop():
    spoken = Commands()
    assert spoken.open() == (Start(AudioFormat(), Settings(sounds=False)),)
    assert said(spoken, CONFIGURED) == []
    assert spoken.decode(b"\1\2") == ()
    assert spoken.decode(" start \n") == (Flush("started"),)
    assert spoken.decode(b"\1\2") == (Audio(b"\1\2"),)
    assert spoken.decode("COMMIT") == (Flush("committed"),)
    assert spoken.decode("STOP") == (Flush("stopped"),)
    assert spoken.decode(b"\1\2") == ()


def test_results_are_sentences_and_what_is_being_said():
    spoken = Commands()
    spoken.decode("START")
    assert said(spoken, Flushed(id="started")) == [{"event": "started"}]
    spoken.decode(bytes(32_000))
    partial, final = said(spoken, PARTIAL, FINAL)
    assert partial == {
        "sentences": [],
        "first_sentence": 0,
        "partial": "今天",
        "partial_start_ms": 80,
        "duration_ms": 1000,
        "is_final": False,
    }
    assert final == partial | {"sentences": [{"text": "今天好。", "start": 80, "end": 900}], "partial": "", "partial_start_ms": 0}
    spoken.decode("STOP")
    assert said(spoken, Flushed(id="stopped")) == [final | {"is_final": True}, {"event": "stopped"}]


def test_a_commit_is_answered_each_time_and_ends_nothing():
    spoken = Commands()
    spoken.decode("START")
    said(spoken, Flushed(id="started"))
    spoken.decode("COMMIT")
    result, answer = said(spoken, replace(FINAL, end_reason="flush"), Flushed(id="committed"))
    assert (result["is_final"], answer["is_final"]) == (False, True)
    assert answer["sentences"] == result["sentences"]


def test_messages_do_not_grow_with_the_meeting():
    spoken = Commands()
    spoken.decode("START")
    *_, last = said(spoken, Flushed(id="started"), *(replace(FINAL, segment=n, text=str(n)) for n in range(100)))
    assert [one["text"] for one in last["sentences"]] == [str(n) for n in range(100 - SENTENCES, 100)]
    assert last["first_sentence"] == 100 - SENTENCES


def test_a_new_start_begins_anew_and_loses_nothing_that_came_early():
    spoken = Commands()
    spoken.decode("START")
    said(spoken, Flushed(id="started"))
    spoken.decode(bytes(32_000))
    spoken.decode("STOP")
    spoken.decode("START")
    spoken.decode(bytes(32_000))
    later = replace(FINAL, segment=1, begin_ms=1_100, end_ms=1_900, text="later")
    assert said(spoken, later, replace(PARTIAL, segment=2)) == []
    results = said(spoken, FINAL, Flushed(id="stopped"), Flushed(id="started"))
    assert [one.get("event") for one in results] == [None, None, "stopped", "started", None]
    assert results[0]["sentences"] == [{"text": "今天好。", "start": 80, "end": 900}]
    assert results[-1]["sentences"] == [{"text": "later", "start": 100, "end": 900}]


@pytest.mark.parametrize(
    ("command", "change", "answer"),
    [
        ("HOTWORDS:阿里巴巴, 通义 实验室,", {"hotwords": ("阿里巴巴", "通义 实验室")},
         {"event": "hotwords_set", "hotwords": ["阿里巴巴", "通义 实验室"]}),
        ("hotwords:", {"hotwords": ()}, {"event": "hotwords_set", "hotwords": []}),
        ("LANGUAGE:中文", {"language": "zh"}, {"event": "language_set", "language": "中文"}),
        ("LANGUAGE:英文", {"language": "en"}, {"event": "language_set", "language": "英文"}),
        ("LANGUAGE:粤语", {"language": "yue"}, {"event": "language_set", "language": "粤语"}),
        ("LANGUAGE:日文", {"language": "ja"}, {"event": "language_set", "language": "日文"}),
        ("LANGUAGE:韩文", {"language": "ko"}, {"event": "language_set", "language": "韩文"}),
        ("LANGUAGE: EN", {"language": "en"}, {"event": "language_set", "language": "EN"}),
        ("LANGUAGE:", {"language": "auto"}, {"event": "language_set", "language": ""}),
    ],
)  # fmt: skip
def test_settings_are_changed_and_confirmed(command, change, answer):
    spoken = Commands()
    assert spoken.decode(command) == (Configure(change),)
    assert said(spoken, CONFIGURED, CONFIGURED) == [answer]


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("COMMIT", "Session is not active; send START first"),
        ("LANGUAGE:Klingon", "language is 'Klingon', expected one of auto, "),
        ("POSTPROCESS_HOTWORDS:a=>b", "the command is 'POSTPROCESS_HOTWORDS:a=>b', expected START, STOP, "),
        ("START:", "the command is 'START:', expected"),
        ('{"type":"start"}', "the command is "),
        ("", "the command is ''"),
    ],
)
def test_what_cannot_be_done_is_told_and_nothing_more(command, sentence):
    spoken = Commands()
    (rejected,) = spoken.decode(command)
    assert isinstance(rejected, Rejected)
    (error,) = said(spoken, ErrorSent(code=rejected.error.code, message=str(rejected.error), fatal=False))
    assert error["event"] == "error"
    assert error["message"].startswith(sentence)
    assert error["error"] == error["message"]  # as their server names it


def test_what_is_withheld_is_no_longer_being_said():
    spoken = Commands()
    *_, last = said(spoken, PARTIAL, replace(FINAL, text="", words=(), withheld="noise"))
    assert (last["partial"], last["sentences"]) == ("", [])


def test_a_segment_that_failed_is_no_longer_being_said():
    spoken = Commands()
    failed = ErrorSent(code="transcription_failed", message="no", fatal=False, segment=0, channel=0)
    *_, last = said(spoken, PARTIAL, failed, Flushed(id="stopped"))[:-1]
    assert last["partial"] == ""


def test_a_whole_session_says_every_sentence_once():
    driver, spoken, results = Driver(), Commands(), []
    sent = ["START", speech("." * 20 + "#" * 60 + "." * 60 + "#" * 60).tobytes(), "STOP"]
    for event in (*spoken.open(), *(event for data in sent for event in spoken.decode(data))):
        driver.receive(event)
    results = said(spoken, *driver.sent)
    assert [one["event"] for one in results if "event" in one] == ["started", "stopped"]
    assert [one["text"] for one in results[-2]["sentences"]] == [final.text for final in driver.finals]
    assert results[-2]["is_final"]


def test_it_has_a_path_of_its_own():
    assert route_to("/funasr/realtime", []) is ROUTE
    assert ROUTE.subprotocol(["binary"]) == "binary"


WORDS = st.sampled_from(["START", "STOP", "COMMIT", "HOTWORDS:", "LANGUAGE:", ":"])


@given(st.lists(st.text() | st.binary() | st.lists(WORDS | st.text()).map("".join)))
def test_nothing_that_a_client_sends_raises(sent):
    spoken = Commands()
    for data in sent:
        for event in spoken.decode(data):
            assert isinstance(event, Input)
