"""Deepgram's wire: what its query and messages become, and what a session says in its words."""

import json
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
    Keepalive,
    Language,
    Partial,
    Quiet,
    Rejected,
    SessionConfigured,
    SessionCreated,
    Settings,
    SpeechStarted,
    Start,
    Stop,
    Warned,
    Word,
)
from streamer.wires import Handshake, Refused
from streamer.wires.deepgram import ROUTE, Deepgram

RAW = {"encoding": ["linear16"], "sample_rate": ["16000"]}
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
FINAL = Final(
    segment=3,
    revision=4,
    channel=1,
    text=" Hello, world.",
    raw_text="<|en|><|HAPPY|><|Speech|><|withitn|>Hello, world.",
    words=(
        Word(text=" Hello,", begin_ms=1_040, end_ms=1_400, confidence=0.9),
        Word(text=" world.", begin_ms=1_400, end_ms=1_900, confidence=None),
    ),
    begin_ms=1_000,
    end_ms=2_000,
    language=Language(code="en", p=0.98),
    emotion=Emotion(label="happy", p=0.7, scores={"happy": 0.7, "neutral": 0.3}),
    events=(Event(label="speech", p=0.99),),
    itn=Itn(applied=True, p=0.95),
    confidence=0.93,
    end_reason="endpoint",
    audio_end_ms=2_600,
    queue_ms=1.0,
    decode_ms=5.0,
)
PARTIAL = Partial(
    segment=3,
    revision=1,
    channel=0,
    stable="Hello,",
    unstable=" wor",
    words=(Word(text="Hello,", begin_ms=1_040, end_ms=1_400, confidence=0.8),),
    begin_ms=1_000,
    end_ms=1_500,
    language=None,
    emotion=None,
    events=(),
    confidence=0.8,
    audio_end_ms=1_500,
    queue_ms=1.0,
    decode_ms=5.0,
)


def wire(**query):
    asked = RAW | {name: value if isinstance(value, list) else [value] for name, value in query.items()}
    return Deepgram(Handshake(session_id="abc", at="2026-11-27T12:00:00Z", path="/v1/listen", query=asked))


def started(**query):
    (start,) = wire(**query).open()
    assert isinstance(start, Start)
    return start


def said(spoken, *messages):
    return [json.loads(text) for message in messages for text in spoken.encode(message)]


@pytest.mark.parametrize(
    ("query", "format"),
    [
        ({}, AudioFormat()),
        ({"sample_rate": "44100", "encoding": "linear32"}, AudioFormat(encoding=Encoding.PCM_F32LE, sample_rate=44_100)),
        ({"sample_rate": [], "encoding": "mulaw"}, AudioFormat(encoding=Encoding.MULAW, sample_rate=8_000)),
        ({"sample_rate": "8000", "encoding": "alaw", "channels": "2", "multichannel": "true"},
         AudioFormat(encoding=Encoding.ALAW, sample_rate=8_000, channels=2)),
        ({"channels": "2"}, AudioFormat(channels=2, mix=True)),
        ({"encoding": [], "sample_rate": []}, AudioFormat(encoding=Encoding.CONTAINER)),
        ({"encoding": "ogg-opus", "sample_rate": "48000"}, AudioFormat(encoding=Encoding.CONTAINER)),
        ({"encoding": "flac"}, AudioFormat(encoding=Encoding.CONTAINER)),
    ],
)  # fmt: skip
def test_the_query_says_how_the_audio_is_to_be_read(query, format):
    assert started(**query).format == format


def test_without_any_wish_a_session_gives_finals_as_they_are_spoken():
    assert started().settings == Settings(itn=False, partials=False, sounds=False)


def test_every_wish_becomes_a_setting_and_what_nobody_knows_is_ignored():
    settings = started(
        model="nova-3", interim_results="true", punctuate="true", language="zh-HK", endpointing="300", utterance_end_ms="1000",
        vad_events="true", keyterm=["Alibaba", "Tongyi"], keywords="streamer:2.5", diarize="true", profanity_filter="false",
        mip_opt_out="true", no_delay="true", tag=["a", "b"], whatever="",
    ).settings  # fmt: skip
    assert settings == Settings(
        language="yue",
        itn=True,
        partials=True,
        partial_words=True,
        sounds=False,
        hotwords=("Alibaba", "Tongyi", "streamer"),
        endpoint_silence_ms=300,
        quiet_ms=1_000,
    )


@pytest.mark.parametrize(
    ("tag", "language"),
    [("en-US", "en"), ("zh-CN", "zh"), ("zh", "zh"), ("ja", "ja"), ("ko-KR", "ko"), ("multi", "auto"), ("de", "auto"), ("", "auto")],
)
def test_languages_are_found_by_their_tags(tag, language):
    assert started(language=tag).settings.language == language


@pytest.mark.parametrize(("value", "ms"), [("10", 100), ("0", 100), ("9000", 5_000), ("true", 600), ("", 600)])
def test_endpointing_is_taken_as_far_as_it_can_be(value, ms):
    settings = started(endpointing=value).settings
    assert (settings.endpoints, settings.endpoint_silence_ms) == (True, ms)


def test_endpointing_can_be_left_to_the_client():
    assert not started(endpointing="false").settings.endpoints


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"encoding": "amr-nb"}, "encoding is 'amr-nb', expected one of linear16, linear32, mulaw, alaw, opus, ogg-opus, flac, or none"),
        ({"sample_rate": []}, "sample_rate is missing, expected the rate of your raw audio, such as 16000"),
        ({"sample_rate": "16k"}, "sample_rate is '16k', expected a whole number from 1 to 1000000"),
        ({"sample_rate": "3"}, "sample_rate is 3, expected"),
        ({"channels": "9"}, "channels is '9', expected a whole number from 1 to 8"),
        ({"endpointing": "soon"}, "endpointing is 'soon', expected a whole number"),
        ({"utterance_end_ms": "-5"}, "utterance_end_ms is '-5', expected a whole number"),
    ],
)
def test_a_query_that_cannot_be_served_is_refused_with_a_sentence(query, sentence):
    with pytest.raises(Refused) as caught:
        wire(**query)
    assert caught.value.status == 400
    assert str(caught.value).startswith(sentence)
    assert caught.value.headers == {"dg-error": str(caught.value)}


def test_a_browsers_key_comes_as_a_subprotocol_whose_first_name_is_agreed_on():
    assert ROUTE.subprotocol(["token", "secret"]) == "token"
    assert ROUTE.subprotocol(["bearer", "a.b.c"]) == "bearer"
    assert ROUTE.subprotocol(["chat"]) is None
    assert wire().headers == {"dg-request-id": "abc"}


@pytest.mark.parametrize(
    ("data", "event"),
    [
        (b"\x01\x02", Audio(b"\x01\x02")),
        (b"", Stop()),
        ('{"type":"KeepAlive"}', Keepalive()),
        ('{"type":"Finalize"}', Flush()),
        ('{"type":"CloseStream"}', Stop()),
        ('{"type":"Configure","keyterms":["a","b"]}', Configure({"hotwords": ("a", "b")})),
        ('{"type":"Configure","features":{"numerals":true,"diarize":false}}', Configure({"itn": True})),
        ('{"type":"Configure"}', Configure({})),
    ],
)
def test_messages_are_read(data, event):
    assert list(wire().decode(data)) == [event]


@pytest.mark.parametrize(
    "data", ["", "{", "[]", "1", '{"type":"Start"}', '{"type":"Configure","keyterms":"a"}', '{"type":"Configure","features":{"x":1}}']
)
def test_what_cannot_be_read_is_told_and_nothing_more(data):
    spoken = wire()
    (rejected,) = spoken.decode(data)
    assert isinstance(rejected, Rejected)
    (error,) = said(spoken, ErrorSent(code=rejected.error.code, message=str(rejected.error), fatal=False))
    assert (error["type"], error["variant"]) == ("Error", "SchemaError")


def test_a_final_has_everything_that_clients_index_without_a_default():
    (result,) = said(wire(channels="2", multichannel="true"), FINAL)
    assert result == {
        "type": "Results",
        "channel_index": [1, 2],
        "duration": 1.0,
        "start": 1.0,
        "is_final": True,
        "speech_final": True,
        "from_finalize": False,
        "channel": {
            "alternatives": [
                {
                    "transcript": "Hello, world.",
                    "confidence": 0.93,
                    "languages": ["en"],
                    "words": [
                        {"word": "hello", "start": 1.04, "end": 1.4, "confidence": 0.9, "punctuated_word": "Hello,", "language": "en"},
                        {"word": "world", "start": 1.4, "end": 1.9, "confidence": 0.0, "punctuated_word": "world.", "language": "en"},
                    ],
                    "sensevoice": {
                        "language": {"code": "en", "p": 0.98},
                        "emotion": {"label": "happy", "p": 0.7, "scores": {"happy": 0.7, "neutral": 0.3}, "trend": None},
                        "events": [{"label": "speech", "p": 0.99}],
                        "raw_text": "<|en|><|HAPPY|><|Speech|><|withitn|>Hello, world.",
                        "itn": {"applied": True, "p": 0.95},
                        "withheld": None,
                    },
                }
            ]
        },
        "metadata": {"request_id": "abc", "model_info": {"name": "", "version": "", "arch": ""}, "model_uuid": ""},
        "entities": [],
    }


def test_an_interim_result_is_not_final_and_names_the_model():
    created, partial = wire(), PARTIAL
    assert said(created, CREATED) == []
    (result,) = said(created, partial)
    assert (result["is_final"], result["speech_final"], result["from_finalize"]) == (False, False, False)
    (alternative,) = result["channel"]["alternatives"]
    assert (alternative["transcript"], alternative["confidence"], alternative["languages"]) == ("Hello, wor", 0.8, [])
    assert [word["word"] for word in alternative["words"]] == ["hello"]
    assert result["metadata"]["model_info"]["name"] == "SenseVoiceSmall"


@pytest.mark.parametrize(("reason", "ended"), [("endpoint", True), ("stop", True), ("flush", True), ("max_length", False)])
def test_a_final_that_was_cut_is_not_the_end_of_its_utterance(reason, ended):
    (result,) = said(wire(), replace(FINAL, end_reason=reason))
    assert (result["is_final"], result["speech_final"]) == (True, ended)


def test_speech_that_is_none_has_no_language_that_a_client_would_choke_on():
    (result,) = said(wire(), replace(FINAL, language=Language(code="nospeech", p=0.9)))
    (alternative,) = result["channel"]["alternatives"]
    assert alternative["languages"] == []
    assert alternative["sensevoice"]["language"] == {"code": "nospeech", "p": 0.9}


def test_finalize_is_answered_by_the_result_that_it_brought_about():
    spoken = wire()
    spoken.decode('{"type":"Finalize"}')
    (result,) = said(spoken, replace(FINAL, end_reason="flush"), Flushed(id=None))
    assert (result["from_finalize"], result["channel"]["alternatives"][0]["transcript"]) == (True, "Hello, world.")


def test_finalize_is_answered_even_where_there_was_nothing_to_finalize_each_time():
    spoken = wire()
    for _ in range(2):
        spoken.decode('{"type":"Finalize"}')
    results = said(spoken, Flushed(id=None), replace(FINAL, end_reason="flush"), Flushed(id=None))
    assert [(one["from_finalize"], one["is_final"], one["channel"]["alternatives"][0]["transcript"]) for one in results] == [
        (True, True, ""),
        (True, True, "Hello, world."),
    ]


def test_events_are_told_where_they_were_asked_for():
    speech, quiet = SpeechStarted(segment=0, channel=0, begin_ms=120), Quiet(channel=0, end_ms=2_100, quiet_ms=1_000)
    assert said(wire(vad_events="true"), speech) == [{"type": "SpeechStarted", "channel": [0, 1], "timestamp": 0.12}]
    assert said(wire(), speech) == []
    assert said(wire(utterance_end_ms="1000"), quiet) == [{"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": 2.1}]


def test_the_end_is_metadata_with_the_sum_of_the_audio():
    spoken = wire(channels="2", multichannel="true")
    said(spoken, CREATED)
    spoken.decode(b"abc")
    (end,) = said(spoken, Closed(reason="stop", totals={"audio_ms": 4_250}))
    assert end == {
        "type": "Metadata",
        "transaction_key": "deprecated",
        "request_id": "abc",
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "created": "2026-11-27T12:00:00Z",
        "duration": 4.25,
        "channels": 2,
        "models": ["SenseVoiceSmall"],
        "model_info": {"SenseVoiceSmall": {"name": "SenseVoiceSmall", "version": "", "arch": "SenseVoiceSmall"}},
    }


@pytest.mark.parametrize(
    ("reason", "code", "begin"),
    [("stop", 1000, ""), ("idle_timeout", 1011, "NET-0001"), ("invalid_audio", 1008, "DATA-0000"), ("going_away", 1001, "going_away")],
)
def test_it_closes_in_its_own_words(reason, code, begin):
    ours = {"idle_timeout": 1008, "invalid_audio": 1007, "going_away": 1001}.get(reason, 1000)
    closed, told = wire().close(ours, reason)
    assert closed == code
    assert told.startswith(begin)


def test_settings_that_changed_are_confirmed_and_those_of_the_query_are_not():
    spoken = wire()
    said(spoken, CREATED)
    now = SessionConfigured(format=AudioFormat(), settings=Settings(hotwords=("a",)))
    assert said(spoken, now) == []
    spoken.decode('{"type":"Configure","features":{"numerals":true}}')
    assert said(spoken, now) == [{"type": "ConfigureSuccess", "request_id": "abc"}]
    spoken.decode('{"type":"Configure","keyterms":["a"]}')
    (failure,) = said(spoken, now)
    assert (failure["type"], failure["code"]) == ("ConfigureFailure", "CONFIGURE_KEYTERMS_NOT_SUPPORTED")


def test_a_sentence_that_failed_leaves_an_empty_result_and_nobody_waiting():
    (result,) = said(wire(), ErrorSent(code="transcription_failed", message="x", fatal=False, segment=2, channel=0))
    assert (result["is_final"], result["channel"]["alternatives"][0]["transcript"]) == (True, "")


def test_what_deepgram_has_no_word_for_is_not_said():
    unsaid = [Heartbeat(received_ms=1, processed_ms=1, queue_ms=0), Warned(code="x", message="y"),
              SessionConfigured(format=AudioFormat(), settings=Settings())]  # fmt: skip
    assert said(wire(), *unsaid) == []


@given(st.one_of(st.text(), st.binary(), st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["type", "keyterms", "features"]) | st.text(), inner),
).map(json.dumps)))  # fmt: skip
def test_nothing_that_a_client_sends_raises(data):
    for event in wire().decode(data):
        assert isinstance(event, Audio | Stop | Keepalive | Flush | Configure | Rejected)


@given(st.dictionaries(st.sampled_from(["encoding", "sample_rate", "channels", "endpointing", "utterance_end_ms", "language", "keywords",
                                        "multichannel", "interim_results"]), st.lists(st.text(max_size=20), max_size=3)))  # fmt: skip
def test_any_query_is_served_or_refused_with_a_sentence(query):
    try:
        (start,) = Deepgram(Handshake(session_id="a", at="", path="/v1/listen", query=query)).open()
    except Refused as refused:
        assert refused.status == 400
        assert str(refused)
    else:
        assert isinstance(start, Start)
