"""OpenAI Realtime's wire: what its client events become, and what a session says in its words."""

import json
from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.events import (
    Audio,
    AudioFormat,
    Capabilities,
    Closed,
    Configure,
    Emotion,
    Encoding,
    ErrorSent,
    Event,
    Final,
    Flush,
    Flushed,
    Heartbeat,
    Itn,
    Language,
    Partial,
    Rejected,
    SessionConfigured,
    SessionCreated,
    Settings,
    SpeechEnded,
    SpeechStarted,
    Start,
    Stop,
    Warned,
    Word,
)
from streamer.wires import Handshake
from streamer.wires.openai_realtime import ROUTE, OpenAIRealtime

CREATED = SessionCreated(
    session_id="abc",
    protocol=1,
    server="streamer",
    model="SenseVoiceSmall",
    device="cpu",
    capabilities=Capabilities(
        languages=("zh", "en"), emotion=True, events=True, itn=True, hotwords=False, word_times="aligned", confidence=True
    ),
    notice=None,
    limits={},
)
PCM = AudioFormat(sample_rate=24_000)
DEFAULTS = Settings(sounds=False)
MANUAL = replace(DEFAULTS, endpoints=False)
COMMIT, CLEAR = '{"type":"input_audio_buffer.commit"}', '{"type":"input_audio_buffer.clear"}'
DELTA = "conversation.item.input_audio_transcription.delta"
COMPLETED = "conversation.item.input_audio_transcription.completed"
FAILED = "conversation.item.input_audio_transcription.failed"


def appended(audio):
    return json.dumps({"type": "input_audio_buffer.append", "audio": b64encode(audio).decode()})


def updating(session, kind="session.update"):
    return json.dumps({"type": kind, "session": session})


def wire():
    spoken = OpenAIRealtime(Handshake(session_id="abc", at="2026-11-27T12:00:00Z", path="/v1/realtime"))
    said(spoken, CREATED)
    return spoken


def talking(settings=DEFAULTS):
    """A session that has started."""
    spoken = wire()
    spoken.decode(updating({}))
    said(spoken, SessionConfigured(format=PCM, settings=settings))
    return spoken


def said(spoken, *messages):
    return [json.loads(text) for message in messages for text in spoken.encode(message)]


def kinds(events):
    return [event["type"].removeprefix("input_audio_buffer.").removeprefix("conversation.item.") for event in events]


def deltas(events):
    return [event["delta"] for event in events if event["type"] == DELTA]


def hear(spoken, seconds):
    spoken.decode(appended(bytes(int(48_000 * seconds))))


def began(segment, begin_ms=1_000):
    return SpeechStarted(segment=segment, channel=0, begin_ms=begin_ms)


def ended(segment, end_ms=2_000, reason="endpoint"):
    return SpeechEnded(segment=segment, channel=0, end_ms=end_ms, reason=reason)


def partial(segment, stable, unstable=""):
    return Partial(
        segment=segment,
        revision=0,
        channel=0,
        stable=stable,
        unstable=unstable,
        words=(),
        begin_ms=1_000,
        end_ms=1_500,
        language=None,
        emotion=None,
        events=(),
        confidence=None,
        audio_end_ms=1_500,
        queue_ms=0.0,
        decode_ms=0.0,
    )


def final(segment, text, **more):
    return replace(
        Final(
            segment=segment,
            revision=1,
            channel=0,
            text=text,
            raw_text=text,
            words=(),
            begin_ms=1_000,
            end_ms=2_000,
            language=None,
            emotion=None,
            events=(),
            itn=None,
            confidence=None,
            end_reason="endpoint",
            audio_end_ms=2_000,
            queue_ms=0.0,
            decode_ms=0.0,
        ),
        **more,
    )


def failed(segment):
    return ErrorSent(code="transcription_failed", message="it broke", fatal=False, segment=segment, channel=0)


def test_the_session_is_told_first_with_what_it_runs_on():
    spoken = OpenAIRealtime(Handshake(session_id="abc", at="", path="/v1/realtime"))
    (created,) = said(spoken, CREATED)
    about = created["session"].pop("sensevoice")
    assert (about["model"], about["capabilities"]["emotion"], about["notice"]) == ("SenseVoiceSmall", True, None)
    assert created == {
        "type": "session.created",
        "event_id": "event_abc_1",
        "session": {
            "id": "sess_abc",
            "type": "transcription",
            "object": "realtime.transcription_session",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24_000},
                    "transcription": {"model": "SenseVoiceSmall", "language": None, "prompt": ""},
                    "turn_detection": {"type": "server_vad", "silence_duration_ms": 600},
                    "noise_reduction": None,
                }
            },
            "include": [],
        },
    }


@pytest.mark.parametrize("first", [appended(b"ab"), COMMIT, CLEAR])
def test_whoever_asks_for_nothing_gets_the_defaults_and_no_answer_to_what_was_not_asked(first):
    spoken = wire()
    start, *_ = spoken.decode(first)
    assert start == Start(PCM, DEFAULTS)
    assert said(spoken, SessionConfigured(format=PCM, settings=DEFAULTS)) == []
    assert list(spoken.decode(appended(b"cd"))) == [Audio(b"cd")]


@pytest.mark.parametrize(
    ("asked", "format"),
    [
        ({}, PCM),
        ({"type": "audio/pcm"}, PCM),
        ({"type": "audio/pcm", "rate": 16_000}, AudioFormat()),
        ({"type": "audio/pcmu"}, AudioFormat(encoding=Encoding.MULAW, sample_rate=8_000)),
        ({"type": "audio/pcma"}, AudioFormat(encoding=Encoding.ALAW, sample_rate=8_000)),
    ],
)
def test_an_update_says_how_the_audio_is_to_be_read(asked, format):
    (start,) = wire().decode(updating({"audio": {"input": {"format": asked} if asked else {}}}))
    assert start.format == format


@pytest.mark.parametrize(
    ("name", "encoding", "rate"),
    [("pcm16", Encoding.PCM_S16LE, 24_000), ("g711_ulaw", Encoding.MULAW, 8_000), ("g711_alaw", Encoding.ALAW, 8_000)],
)
def test_the_flat_session_of_before_is_read_and_answered_in_its_own_shape(name, encoding, rate):
    spoken = wire()
    asked = {
        "input_audio_format": name,
        "input_audio_transcription": {"model": "gpt-4o-transcribe", "language": "en", "prompt": "Alibaba, Tongyi"},
        "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
    }
    (start,) = spoken.decode(updating(asked, "transcription_session.update"))
    assert start == Start(
        AudioFormat(encoding=encoding, sample_rate=rate),
        replace(DEFAULTS, language="en", hotwords=("Alibaba", "Tongyi"), endpoint_silence_ms=300),
    )
    (updated,) = said(spoken, SessionConfigured(format=start.format, settings=start.settings))
    assert updated["type"] == "transcription_session.updated"
    assert updated["session"]["input_audio_format"] == name
    assert updated["session"]["turn_detection"] == {"type": "server_vad", "silence_duration_ms": 300}
    assert "conversation.item.created" in [event["type"] for event in said(spoken, began(0), ended(0))]


@pytest.mark.parametrize(
    ("asked", "changes"),
    [
        ({}, {}),
        ({"turn_detection": None}, {"endpoints": False}),
        ({"turn_detection": {"type": "server_vad"}}, {"endpoints": True}),
        ({"turn_detection": {"type": "server_vad", "silence_duration_ms": 10}}, {"endpoints": True, "endpoint_silence_ms": 100}),
        ({"turn_detection": {"type": "server_vad", "silence_duration_ms": 9_000}}, {"endpoints": True, "endpoint_silence_ms": 5_000}),
        ({"turn_detection": {"type": "semantic_vad"}}, {"endpoints": True, "endpoint_silence_ms": 600}),
        ({"turn_detection": {"type": "semantic_vad", "eagerness": "high"}}, {"endpoints": True, "endpoint_silence_ms": 300}),
        ({"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}, {"endpoints": True, "endpoint_silence_ms": 1_200}),
        ({"transcription": {"model": "whisper-1", "language": "zh-HK"}}, {"language": "yue"}),
        ({"transcription": {"language": "de"}}, {"language": "auto"}),
        ({"transcription": {"languages": ["ko"]}}, {"language": "ko"}),
        ({"transcription": {"languages": ["ko", "en"]}}, {"language": "auto"}),
        ({"transcription": {"keywords": ["a", 1, ""], "prompt": "b, c"}}, {"hotwords": ("a", "b", "c")}),
        ({"noise_reduction": {"type": "near_field"}, "transcription": 7, "format": None}, {}),
    ],
)  # fmt: skip
def test_a_later_update_changes_settings_and_ignores_what_nobody_knows(asked, changes):
    assert list(talking().decode(updating({"type": "transcription", "audio": {"input": asked}}))) == [Configure(changes)]


def test_audio_that_has_begun_goes_on_as_it_was_and_the_answer_says_so():
    spoken = talking()
    assert list(spoken.decode(updating({"audio": {"input": {"format": {"type": "audio/pcmu"}}}}))) == [Configure({})]
    (updated,) = said(spoken, SessionConfigured(format=PCM, settings=MANUAL))
    assert updated["type"] == "session.updated"
    assert updated["session"]["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert updated["session"]["audio"]["input"]["turn_detection"] is None


@pytest.mark.parametrize(
    ("format", "sentence"),
    [
        ({"type": "audio/opus"}, "the audio format is 'audio/opus', expected one of audio/pcm, audio/pcmu, audio/pcma"),
        ({"type": "audio/pcm", "rate": "fast"}, "the audio cannot be read: sample_rate is 0, expected"),
        ({"type": "audio/pcm", "rate": 1}, "the audio cannot be read: sample_rate is 1, expected"),
    ],
)
def test_audio_that_nobody_can_decode_ends_the_session_with_an_error(format, sentence):
    spoken = wire()
    (stop,) = spoken.decode(updating({"audio": {"input": {"format": format}}}))
    assert isinstance(stop, Stop)
    assert str(stop.error).startswith(sentence)
    assert said(spoken, ErrorSent(code="invalid_audio", message="x", fatal=True)) == [
        {
            "type": "error",
            "event_id": "event_abc_2",
            "error": {"type": "invalid_request_error", "code": "invalid_audio", "message": "x", "param": None, "event_id": None},
        }
    ]


def test_audio_commits_and_clears_are_read():
    spoken = talking()
    assert [list(spoken.decode(data)) for data in (appended(b"\x01\x02"), COMMIT, CLEAR)] == [[Audio(b"\x01\x02")], [Flush()], [Flush()]]


@pytest.mark.parametrize("data", ["", "{", "[]", "1", b"\x00\xff", '{"type":"response.create"}', '{"type":"session.update"}',
                                  '{"type":"input_audio_buffer.append","audio":"?"}', '{"type":"input_audio_buffer.append"}'])  # fmt: skip
def test_what_cannot_be_read_is_counted_and_not_told_as_an_error_would_end_clients(data):
    spoken = talking()
    (rejected,) = spoken.decode(data)
    assert isinstance(rejected, Rejected)
    assert said(spoken, ErrorSent(code=rejected.error.code, message=str(rejected.error), fatal=False)) == []


def test_a_segment_is_an_item_from_its_beginning_to_its_transcript():
    events = said(talking(), began(0), partial(0, "Hello,", " wor"), ended(0), final(0, "Hello, world."))
    ids = {"item_id": "item_abc_1"}
    assert [event.pop("event_id") for event in events] == [f"event_abc_{n}" for n in range(3, 10)]
    assert events[-1].pop("sensevoice")
    assert events == [
        {"type": "input_audio_buffer.speech_started", **ids, "audio_start_ms": 1_000},
        {"type": DELTA, **ids, "content_index": 0, "delta": "Hello,"},
        {"type": "input_audio_buffer.speech_stopped", **ids, "audio_end_ms": 2_000},
        {"type": "input_audio_buffer.committed", **ids, "previous_item_id": None},
        {
            "type": "conversation.item.added",
            "previous_item_id": None,
            "item": {
                "id": "item_abc_1",
                "object": "realtime.item",
                "type": "message",
                "status": "completed",
                "role": "user",
                "content": [{"type": "input_audio", "transcript": None}],
            },
        },
        {"type": DELTA, **ids, "content_index": 0, "delta": " world."},
        {"type": COMPLETED, **ids, "content_index": 0, "transcript": "Hello, world.", "usage": {"type": "duration", "seconds": 1.0}},
    ]


def test_items_follow_one_another():
    spoken = talking()
    events = said(spoken, began(0), ended(0), began(1, 3_000), ended(1, 4_000), final(0, "a"), final(1, "b"))
    assert [event["previous_item_id"] for event in events if event["type"] == "input_audio_buffer.committed"] == [None, "item_abc_1"]
    assert [(event["item_id"], event["transcript"]) for event in events if event["type"] == COMPLETED] == [
        ("item_abc_1", "a"),
        ("item_abc_2", "b"),
    ]


def test_deltas_say_only_what_is_new_and_nothing_where_the_transcript_contradicts_them():
    events = said(
        talking(), began(0), partial(0, "", "It"), partial(0, "It was", " the"), partial(0, "It was"), ended(0), final(0, "It is over.")
    )
    assert deltas(events) == ["It was"]
    assert events[-1]["transcript"] == "It is over."


def test_a_transcript_has_what_the_model_knows_beside_it():
    spoken = talking()
    spoken.decode(updating({"include": ["item.input_audio_transcription.logprobs"]}))
    known = final(
        0,
        "Hi",
        words=(Word(text="Hi", begin_ms=1_000, end_ms=1_200, confidence=0.5), Word(text="x", begin_ms=0, end_ms=0, confidence=None)),
        language=Language(code="en", p=0.98),
        emotion=Emotion(label="happy", p=0.7, scores={"happy": 0.7}),
        events=(Event(label="speech", p=0.99),),
        itn=Itn(applied=True, p=0.95),
        confidence=0.93,
    )
    *_, completed = said(spoken, began(0), ended(0), known)
    assert completed["languages"] == [{"code": "en"}]
    assert completed["logprobs"] == [{"token": "Hi", "logprob": -0.6931, "bytes": [72, 105]}]
    assert completed["sensevoice"] == [
        {
            "begin_ms": 1_000,
            "end_ms": 2_000,
            "language": {"code": "en", "p": 0.98},
            "emotion": {"label": "happy", "p": 0.7, "scores": {"happy": 0.7}, "trend": None},
            "events": [{"label": "speech", "p": 0.99}],
            "itn": {"applied": True, "p": 0.95},
            "confidence": 0.93,
            "raw_text": "Hi",
            "withheld": None,
        }
    ]


def test_speech_that_is_none_has_no_language_that_a_client_would_choke_on():
    *_, completed = said(talking(), began(0), ended(0), final(0, "", language=Language(code="nospeech", p=0.9)))
    assert "languages" not in completed


def test_a_segment_that_failed_is_a_failed_item_and_no_error():
    *_, last = said(talking(), began(0), ended(0), failed(0))
    assert (last["type"], last["item_id"], last["error"]["message"]) == (FAILED, "item_abc_1", "it broke")


def test_without_turn_detection_a_commit_ends_the_turn_and_nobody_is_told_of_speech():
    spoken = talking(MANUAL)
    hear(spoken, 2)
    spoken.decode(COMMIT)
    events = said(spoken, began(0), partial(0, "a"), ended(0, reason="flush"), final(0, "a b"), Flushed(id=None))
    assert kinds(events) == ["input_audio_transcription.delta", "committed", "added", "input_audio_transcription.delta",
                             "input_audio_transcription.completed"]  # fmt: skip


@pytest.mark.parametrize("settings", [DEFAULTS, MANUAL])
def test_a_commit_of_silence_has_an_empty_transcript_each_time(settings):
    spoken = talking(settings)
    spoken.decode(COMMIT)
    spoken.decode(COMMIT)
    events = said(spoken, Flushed(id=None), Flushed(id=None))
    assert kinds(events) == ["committed", "added", "input_audio_transcription.completed"] * 2
    assert [(event["item_id"], event["transcript"], event["usage"]["seconds"]) for event in events if event["type"] == COMPLETED] == [
        ("item_abc_1", "", 0),
        ("item_abc_2", "", 0),
    ]


def test_a_turn_that_was_cut_because_it_was_long_stays_one_item():
    spoken = talking(MANUAL)
    hear(spoken, 22)
    spoken.decode(COMMIT)
    events = said(
        spoken,
        began(0),
        partial(0, "One"),
        ended(0, 20_000, "max_length"),
        began(1, 20_000),
        partial(1, "three"),
        final(0, "One two."),
        partial(1, "Three"),
        ended(1, 22_000, "flush"),
        final(1, "Three four."),
        Flushed(id=None),
    )
    assert deltas(events) == ["One", " two.", " Three", " four."]
    assert [event["transcript"] for event in events if event["type"] == COMPLETED] == ["One two. Three four."]
    assert events[-1]["usage"]["seconds"] == 2.0
    assert len(events[-1]["sensevoice"]) == 2


def test_chinese_is_joined_without_a_space():
    spoken = talking(MANUAL)
    hear(spoken, 22)
    spoken.decode(COMMIT)
    cut, rest = (began(0), ended(0, 20_000, "max_length"), final(0, "你好")), (began(1), ended(1, 22_000, "flush"), final(1, "世界"))
    assert said(spoken, *cut, *rest)[-1]["transcript"] == "你好世界"


@pytest.mark.parametrize("end", [Flushed(id=None), Closed(reason="stop", totals={})])
def test_what_was_cut_and_then_only_committed_or_left_is_told(end):
    spoken = talking(MANUAL)
    hear(spoken, 25)
    spoken.decode(COMMIT)
    events = said(spoken, began(0), ended(0, 20_000, "max_length"), final(0, "One."), end)
    assert kinds(events)[-3:] == ["committed", "added", "input_audio_transcription.completed"]
    assert events[-1]["transcript"] == "One."


def test_a_turn_of_which_a_part_failed_has_the_rest():
    spoken = talking(MANUAL)
    hear(spoken, 22)
    spoken.decode(COMMIT)
    events = said(spoken, began(0), ended(0, 20_000, "max_length"), failed(0), began(1), ended(1, 22_000, "flush"), final(1, "rest"))
    assert (events[-1]["type"], events[-1]["transcript"]) == (COMPLETED, "rest")


def test_two_commits_whose_finals_come_together_have_an_answer_each():
    spoken = talking(MANUAL)
    for _ in range(2):
        hear(spoken, 2)
        spoken.decode(COMMIT)
    events = said(spoken, began(0), ended(0, 2_000, "flush"), began(1), ended(1, 4_000, "flush"), final(0, "a"), final(1, "b"))
    events += said(spoken, Flushed(id=None), Flushed(id=None))
    assert [event["transcript"] for event in events if event["type"] == COMPLETED] == ["a", "b"]


@pytest.mark.parametrize(("settings", "before"), [(DEFAULTS, ["speech_started", "speech_stopped"]), (MANUAL, [])])
def test_what_was_cleared_is_never_told(settings, before):
    spoken = talking(settings)
    hear(spoken, 2)
    spoken.decode(CLEAR)
    events = said(spoken, began(0), ended(0, reason="flush"), final(0, "a"), Flushed(id=None))
    assert kinds(events) == [*before, "cleared"]


def test_a_clear_forgets_what_was_cut_before_it_too():
    spoken = talking(MANUAL)
    hear(spoken, 25)
    spoken.decode(CLEAR)
    said(spoken, began(0), ended(0, 20_000, "max_length"), final(0, "One."))
    hear(spoken, 1)
    spoken.decode(COMMIT)
    events = said(spoken, Flushed(id=None), Flushed(id=None))
    assert kinds(events) == ["cleared", "committed", "added", "input_audio_transcription.completed"]
    assert events[-1]["transcript"] == ""


def test_a_clear_is_not_taken_for_the_commit_that_still_waits_for_an_earlier_final():
    spoken = talking()
    hear(spoken, 2)
    spoken.decode(COMMIT)
    hear(spoken, 2)
    spoken.decode(CLEAR)
    events = said(spoken, began(0, 500), ended(0, 1_000), began(1, 2_500), ended(1, 4_000, "flush"))
    events += said(spoken, final(0, "heard"), Flushed(id=None), final(1, "dropped"), Flushed(id=None))
    assert [event["transcript"] for event in events if event["type"] == COMPLETED] == ["heard", ""]
    assert events[-1]["type"] == "input_audio_buffer.cleared"


def test_a_browsers_key_comes_as_a_subprotocol_and_the_other_is_agreed_on():
    assert ROUTE.subprotocol(["realtime", "openai-insecure-api-key.secret", "openai-beta.realtime-v1"]) == "realtime"
    assert ROUTE.subprotocol(["openai-insecure-api-key.secret"]) is None
    assert wire().headers == {}
    assert wire().close(1008, "idle_timeout") == (1008, "idle_timeout")


def test_what_openai_has_no_word_for_is_not_said():
    assert said(talking(), Heartbeat(received_ms=1, processed_ms=1, queue_ms=0), Warned(code="x", message="y")) == []


NAMES = ["type", "session", "audio", "input", "format", "transcription", "turn_detection", "language", "languages", "keywords", "prompt",
         "include", "rate", "eagerness", "silence_duration_ms", "input_audio_format", "input_audio_transcription"]  # fmt: skip
WORDS = ["session.update", "transcription_session.update", "input_audio_buffer.append", "audio/pcm", "pcm16", "semantic_vad", "server_vad"]
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(WORDS),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner),
)
SESSIONS = st.fixed_dictionaries(
    {"type": st.sampled_from(WORDS[:2])},
    optional={"session": st.fixed_dictionaries({}, optional={name: ANY for name in NAMES} | {
        "audio": st.fixed_dictionaries({"input": st.dictionaries(st.sampled_from(NAMES), ANY)})})},
)  # fmt: skip


@given(st.one_of(st.text(), st.binary(), (ANY | SESSIONS).map(json.dumps)))
def test_nothing_that_a_client_sends_raises(data):
    for spoken in (wire(), talking()):
        for event in spoken.decode(data):
            assert isinstance(event, Start | Audio | Flush | Configure | Rejected | Stop)
            if isinstance(event, Configure):
                replace(DEFAULTS, **event.changes)
