"""Vosk's wire: one reply for each message with audio, whatever its clients write and however they read."""

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
    Failed,
    Flush,
    Flushed,
    Heartbeat,
    Input,
    JobKind,
    Language,
    Rejected,
    SessionConfigured,
    Settings,
    Start,
    Stop,
    Sync,
    Synced,
    Warned,
    Word,
)
from streamer.core.events import Final as FinalMessage
from streamer.engine.scripted import heard
from streamer.wires import Handshake, Said
from streamer.wires.routes import BY_NAME, route_to
from streamer.wires.vosk import ROUTE, Vosk
from tests.driving import PLAIN, Driver, speech
from tests.wires import test_funasr

EOF = '{"eof" : 1}'
NOTHING = '{"partial":" "}'
NOTHING_LAST = '{"text":" "}'
FINAL = replace(
    test_funasr.FINAL,
    text="It was the best.",
    raw_text="<|en|><|HAPPY|><|Speech|><|withitn|>It was the best.",
    words=(
        Word(text=" It", begin_ms=100, end_ms=240, confidence=0.75),
        Word(text=" was", begin_ms=240, end_ms=400, confidence=None),
    ),
    language=Language(code="en", p=0.9),
    emotion=Emotion(label="happy", p=0.8, scores={"happy": 0.8, "sad": 0.2}),
    events=(Event(label="speech", p=0.7),),
)
PARTIAL = replace(test_funasr.PARTIAL, stable="It was", unstable=" the")
SYNCED, FLUSHED = Synced(id=None), Flushed(id=None)
CLOSED = Closed(reason="stop", totals={})


def wire(**query):
    return Vosk(Handshake(session_id="a", at="", path="/vosk", query={name: [value] for name, value in query.items()}))


def started(spoken=None):
    spoken = spoken or wire()
    tuple(spoken.decode(b"\1\2"))
    return spoken


def said(spoken, *messages):
    return [text for message in messages for text in spoken.encode(message)]


def read(spoken, *messages):
    return [json.loads(text) for text in said(spoken, *messages)]


def start(spoken, *before):
    """How the session starts, after these messages."""
    for data in before:
        assert tuple(spoken.decode(data)) == ()
    first, *rest = spoken.decode(b"\1\2")
    assert rest == [Audio(b"\1\2"), Sync()]
    assert isinstance(first, Start)
    return first


def talk(*sent, spoken=None, driver=None, **options):
    """A whole conversation; what was written, in order, and how the session was left."""
    spoken, driver, written, seen = spoken or wire(), driver or Driver(**options), [], 0
    for data in sent:
        for event in spoken.decode(data):
            if isinstance(event, Said):
                written.append(event.payload)
            else:
                driver.receive(event)
            written += said(spoken, *driver.sent[seen:])
            seen = len(driver.sent)
    driver.drain()
    return written + said(spoken, *driver.sent[seen:]), driver


# How a session begins.


def test_who_says_nothing_sends_8_khz():
    assert start(wire()) == Start(AudioFormat(sample_rate=8_000), Settings(sounds=False))


@pytest.mark.parametrize(
    ("config", "rate"),
    [
        ('{ "config" : { "sample_rate" : 16000 } }', 16_000),  # its own programs
        ('{ "config" : { "sample_rate" : 16000.000000 } }', 16_000),  # vosk-transcriber
        ('{"config" : {"sample_rate" : 48000.0 }}', 48_000),  # jigasi
        ('{"config":{"sample_rate":"16000"}}', 16_000),  # BigBlueButton
        ('{"config":{"sample_rate":null}}', 8_000),
        ('{"config":{}}', 8_000),
        ('{"config":{"sample_rate":44100}}', 44_100),
        ('{"config":{"sample_rate":44117.6}}', 44_125),  # the nearest that can be resampled
        (b'{"config":{"sample_rate":16000}}', 16_000),
        (b' {"config":{"sample_rate":16000}}\n', 16_000),
    ],
)
def test_the_rate_is_read_in_any_form(config, rate):
    assert start(wire(), config).format == AudioFormat(sample_rate=rate)


def test_several_configurations_before_the_audio_add_up():
    both = start(wire(), '{"config":{"sample_rate":16000}}', '{"config":{"phrase_list":["one two","oh","[unk]",5],"model":"/m","x":[]}}')
    assert both == Start(AudioFormat(), Settings(sounds=False, hotwords=("one two", "oh")))


def test_the_address_chooses_the_language_and_how_numbers_are_written():
    assert start(wire(language="zh-CN", itn="false")).settings == Settings(language="zh", itn=False, sounds=False)
    assert start(wire(language="pt-BR", itn="true")).settings == Settings(sounds=False)


@pytest.mark.parametrize("rate", ["16", "-8000", "1e9", '"fast"', '""', "true", "[8000]", "NaN", "1e400", "9" * 400])
def test_a_rate_that_nobody_can_follow_ends_the_connection_with_a_reason(rate):
    spoken = wire()
    written, driver = talk('{"config":{"sample_rate":' + rate + "}}", b"\1\2", EOF, spoken=spoken)
    assert driver.closed == (1007, "invalid_audio")
    assert written == []
    code, reason = spoken.close(*driver.closed)
    assert code == 1007
    assert reason.startswith("sample_rate is '")
    assert len(reason.encode()) <= 123


def test_audio_that_has_begun_goes_on_at_its_rate():
    spoken = started()
    (rejected,) = spoken.decode('{"config":{"sample_rate":16000}}')
    assert str(rejected.error) == "sample_rate is 16000, expected 8000, with which the audio began; connect again for another"
    assert tuple(spoken.decode('{"config":{"sample_rate":8000}}')) == ()
    (rejected,) = spoken.decode('{"config":{"sample_rate":"x"}}')
    assert rejected.error.close_code is None
    assert tuple(spoken.decode(b"\1\2")) == (Audio(b"\1\2"), Sync())


def test_words_to_prefer_may_change_later():
    spoken = started()
    assert tuple(spoken.decode('{"config":{"phrase_list":["yes","no"]}}')) == (Configure({"hotwords": ("yes", "no")}),)
    assert tuple(spoken.decode('{"config":{"phrase_list":["yes","no"]}}')) == ()
    assert tuple(spoken.decode('{"config":{"phrase_list":null}}')) == ()


# Commands.


@pytest.mark.parametrize("eof", [EOF, '{"eof":1}', '{"eof": 1}', '{ "eof" :true }', '\n{"eof":"1"}\n', b'{"eof" : 1}', b' {"eof":1} '])
def test_eof_is_understood_however_it_is_written(eof):
    spoken = started()
    assert tuple(spoken.decode(eof)) == (Stop(),)
    assert tuple(spoken.decode(b"\1\2")) == ()  # nothing counts after it
    assert tuple(spoken.decode(eof)) == ()
    assert said(spoken, CLOSED) == [NOTHING_LAST]
    assert spoken.close(1000, "stop") == (1000, "")


@pytest.mark.parametrize("reset", ['{"reset" : 1}', '{"reset":true}', b'{"reset":1}'])
def test_reset_ends_what_is_being_said_and_is_answered_by_it(reset):
    spoken = started()
    assert tuple(spoken.decode(reset)) == (Flush(),)
    assert said(spoken, PARTIAL) == []
    (reply,) = read(spoken, FINAL, FLUSHED)
    assert reply["text"] == "It was the best."
    assert said(spoken, FLUSHED) == [NOTHING_LAST]


def test_before_any_audio_everything_is_answered_and_the_rate_may_still_be_told():
    spoken = wire()
    assert tuple(spoken.decode(b"")) == (Said(NOTHING),)
    assert tuple(spoken.decode('{"reset" : 1}')) == (Said(NOTHING_LAST),)
    rejected, reply = spoken.decode("hello")
    assert isinstance(rejected, Rejected)
    assert reply == Said(NOTHING)
    assert start(spoken, '{"config":{"sample_rate":16000}}').format == AudioFormat()


@pytest.mark.parametrize(
    "text", ["", "hello", "{", "[]", "1", '{"eof" : 0}', '{"reset":null}', '{"type":"ping"}', '"\\ud800"', "[" * 9_999]
)
def test_text_that_cannot_be_read_is_answered_like_a_message_without_audio(text):
    rejected, sync = started().decode(text)
    assert str(rejected.error) == "a text message is not config, eof or reset in JSON; audio goes into binary messages"
    assert sync == Sync()


def test_a_configuration_that_cannot_be_read_has_no_reply_either():
    (rejected,) = wire().decode('{"config":[16000]}')
    assert str(rejected.error) == "config is '[16000]', expected an object such as {'sample_rate': 16000}"


@pytest.mark.parametrize("data", [b"", b"{", b"{}", b'{"x":1}', b"{\xff\xff", b'{"eof":1}' + bytes(5_000), b" " * 4_000])
def test_other_bytes_are_audio_though_they_look_like_text(data):
    assert tuple(started().decode(data)) == ((Audio(data),) if data else ()) + (Sync(),)


# Replies.


def test_what_is_being_said_is_partial():
    spoken = started()
    assert read(spoken, PARTIAL, SYNCED) == [{"partial": "It was the", "sensevoice": [{"language": None, "emotion": None, "events": []}]}]
    newer = replace(PARTIAL, stable="It was the", unstable=" best", revision=1)
    assert [reply["partial"] for reply in read(spoken, newer, SYNCED, SYNCED)] == ["It was the best"] * 2


def test_a_final_has_words_with_seconds_and_a_confidence_and_what_else_was_heard():
    spoken = started()
    assert read(spoken, PARTIAL, FINAL, SYNCED, SYNCED) == [
        {
            "result": [
                {"conf": 0.75, "end": 0.24, "start": 0.1, "word": "It"},
                {"conf": 1.0, "end": 0.4, "start": 0.24, "word": "was"},
            ],
            "text": "It was the best.",
            "sensevoice": [
                {
                    "language": {"code": "en", "p": 0.9},
                    "emotion": {"label": "happy", "p": 0.8, "scores": {"happy": 0.8, "sad": 0.2}, "trend": None},
                    "events": [{"label": "speech", "p": 0.7}],
                    "raw_text": "<|en|><|HAPPY|><|Speech|><|withitn|>It was the best.",
                    "itn": None,
                    "withheld": None,
                }
            ],
        },
        {"partial": " "},
    ]


def test_several_finals_are_one_reply_and_what_is_said_after_them_waits_for_the_next():
    spoken = started()
    second = replace(FINAL, segment=1, text="今天好。")
    first, then = read(spoken, FINAL, second, replace(PARTIAL, segment=2), SYNCED, SYNCED)
    assert first["text"] == "It was the best.今天好。"
    assert len(first["result"]) == 4
    assert len(first["sensevoice"]) == 2
    assert then["partial"] == "It was the"


def test_what_is_withheld_is_no_final_but_not_lost():
    spoken = started()
    (reply,) = read(spoken, PARTIAL, replace(FINAL, text="", words=(), withheld="noise"), SYNCED)
    assert reply["partial"] == " "
    assert reply["sensevoice"][0]["withheld"] == "noise"


def test_a_segment_that_failed_is_no_longer_being_said():
    spoken = started()
    failed = ErrorSent(code="transcription_failed", message="no", fatal=False, segment=0, channel=0)
    assert said(spoken, PARTIAL, failed, SYNCED) == [NOTHING]


def test_words_are_left_out_for_who_wants_none():
    spoken = wire()
    assert tuple(spoken.decode('{"config":{"words" : 0}}')) == ()
    (reply,) = read(started(spoken), FINAL, SYNCED)
    assert "result" not in reply
    assert reply["text"] == "It was the best."


@pytest.mark.parametrize(
    ("asked", "shaped"), [("20", True), ('"3"', True), ("0", False), ("-1", False), ("null", False), ("Infinity", False)]
)
def test_alternatives_have_a_shape_of_their_own(asked, shaped):
    spoken = wire()
    assert tuple(spoken.decode('{"config":{"max_alternatives":' + asked + "}}")) == ()
    (reply, last) = read(started(spoken), FINAL, SYNCED, FLUSHED)
    assert ("text" in reply) is not shaped
    if shaped:
        (alternative,) = reply["alternatives"]
        assert alternative["confidence"] == 0.9
        assert alternative["text"] == "It was the best."
        assert [word["conf"] for word in alternative["result"]] == [0.75, 1.0]
        assert last == {"alternatives": [{"confidence": 1.0, "text": " "}]}


def test_words_that_nobody_asked_for_yet_are_said_before_a_server_that_stops_closes():
    spoken = started()
    assert read(spoken, FINAL, replace(CLOSED, reason="going_away"))[0]["text"] == "It was the best."
    assert said(spoken, CLOSED) == []
    assert spoken.close(1001, "going_away") == (1001, "going_away")


def test_what_ends_a_connection_is_told_in_the_close_and_fits_there():
    spoken = wire()
    assert said(spoken, ErrorSent(code="idle_timeout", message="für " * 60, fatal=True)) == []
    code, reason = spoken.close(1008, "idle_timeout")
    assert code == 1008
    assert reason.startswith("für für")
    assert len(reason.encode()) <= 123


def test_what_vosk_has_no_word_for_is_not_said():
    unsaid = [Heartbeat(received_ms=1, processed_ms=1, queue_ms=0), Warned(code="x", message="y"),
              SessionConfigured(format=AudioFormat(), settings=Settings())]  # fmt: skip
    assert said(started(), *unsaid) == []


# What trips clients up.


def test_no_two_quotation_marks_stand_side_by_side():
    spoken = started()
    quoted = replace(FINAL, text='he said "no"', raw_text="", words=(Word(text='"no"', begin_ms=0, end_ms=1, confidence=0.5),))
    (text,) = said(spoken, quoted, SYNCED)
    assert '""' not in text
    reply = json.loads(text)
    assert (reply["text"], reply["result"][0]["word"], reply["sensevoice"][0]["raw_text"]) == ('he said "no"', '"no"', " ")


def test_a_final_with_the_word_partial_is_not_taken_for_a_partial():
    (text,) = said(started(), replace(FINAL, words=(Word(text="partial", begin_ms=0, end_ms=1, confidence=0.5),)), SYNCED)
    assert '"partial"' not in text
    assert json.loads(text)["result"][0]["word"] == "partial"


def test_who_asks_for_it_gets_vosks_own_way_to_say_nothing():
    spoken = started(wire(empty="true"))
    assert said(spoken, SYNCED, FLUSHED) == ['{"partial":""}', '{"text":""}']
    (text,) = said(spoken, replace(FINAL, raw_text=""), SYNCED)  # and loses no words by it
    assert '""' not in text


def test_a_backslash_before_a_quotation_mark_is_kept():
    (reply,) = read(started(), replace(FINAL, text='a\\" b\\'), SYNCED)
    assert reply["text"] == 'a\\" b\\'


# Whole conversations, with the frames of clients as their sources write them.

SENTENCE = speech("." * 20 + "#" * 60 + "." * 50 + "#" * 40 + "." * 50)
TEXTS = [final.text for final in Driver().start().hear(SENTENCE).stop().finals]


def frames(audio, size):
    data = audio.tobytes()
    return [data[at : at + size] for at in range(0, len(data), size)]


def texts(written):
    return [reply["text"] for reply in map(json.loads, written) if "text" in reply]


def test_its_own_programs_have_a_reply_to_each_message_and_a_last_one():
    sent = frames(SENTENCE, 6_400)
    written, driver = talk('{ "config" : { "sample_rate" : 16000 } }', *sent, EOF)
    assert len(written) == len(sent) + 1
    assert texts(written) == [*TEXTS, " "]
    partials = [reply["partial"] for reply in map(json.loads, written) if "partial" in reply]
    assert partials[0] == " "  # before anybody spoke
    spoken = [one for one in partials if one.strip()]
    assert spoken
    assert all(text.startswith(one) for one, text in zip((spoken[0], spoken[-1]), TEXTS, strict=True))
    assert driver.closed == (1000, "stop")


def test_asterisk_configures_nothing_and_sends_8_khz():
    written, driver = talk(*frames(speech("." * 10 + "#" * 40 + "." * 40)[::2], 3_200), EOF)
    assert json.loads(written[0])["partial"] == " "
    first = next(reply for reply in map(json.loads, written) if "text" in reply)
    assert first["text"].split()
    assert driver.of(SessionConfigured)[0].format.sample_rate == 8_000


def test_jigasi_sends_48_khz_in_large_messages_and_reads_partial_or_text():
    sent = frames(SENTENCE.repeat(3), 32_768)
    written, driver = talk('{"config" : {"sample_rate" : 48000.0 }}', *sent, EOF)
    assert len(written) == len(sent) + 1
    replies = [json.loads(one) for one in written]
    assert all(isinstance(reply["partial"] if "partial" in reply else reply["text"], str) for reply in replies)
    assert len(driver.finals) == 2
    assert "".join(texts(written)).replace(" ", "") == "".join(final.text for final in driver.finals).replace(" ", "")


def test_bigbluebutton_writes_both_messages_anew():
    sent = frames(SENTENCE, 640)
    written, _ = talk('{"config":{"sample_rate":"16000"}}', *sent, '{"eof":1}')
    assert len(written) == len(sent) + 1
    replies = [json.loads(one) for one in written]
    assert [reply.get("text") or reply["partial"] for reply in replies if reply.get("text")][:2] == TEXTS
    assert all(reply.get("text") or reply.get("partial") for reply in replies)


def test_freeswitch_drops_nothing():
    written, _ = talk('{"config":{"sample_rate":16000}}', *frames(SENTENCE, 3_200))
    assert not [one for one in written if '""' in one]
    finals = [one for one in written if '"partial"' not in one]
    assert [json.loads(one)["text"] for one in finals] == TEXTS


def test_a_model_without_confidences_has_numbers_too():
    written, _ = talk('{"config":{"sample_rate":16000}}', SENTENCE.tobytes(), EOF, model=PLAIN)
    confidences = [word["conf"] for reply in map(json.loads, written) for word in reply.get("result", ())]
    assert confidences
    assert all(isinstance(one, float) and 0.0 <= one <= 1.0 for one in confidences)


def test_a_segment_that_fails_holds_nobody_up():
    def answer(job):
        return Failed(job, "broken") if job.kind in (JobKind.FINAL, JobKind.SPECULATIVE) else heard(job)

    sent = frames(SENTENCE, 6_400)
    written, driver = talk('{"config":{"sample_rate":16000}}', *sent, EOF, answer=answer)
    assert len(written) == len(sent) + 1
    assert written[-1] == NOTHING_LAST
    assert driver.session.totals["errors"] == 2


def test_it_has_a_path_and_agrees_on_no_subprotocol():
    assert route_to("/vosk", []) is ROUTE is BY_NAME["vosk"]
    assert ROUTE.subprotocol(["ws"]) is None  # Asterisk offers it, and reads no answer


# Invariants.

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3))
NAMES = st.sampled_from(["config", "eof", "reset", "sample_rate", "phrase_list", "words", "max_alternatives"])
OBJECTS = st.dictionaries(NAMES, VALUES | st.dictionaries(NAMES, VALUES))
ANYTHING = st.text() | st.binary() | OBJECTS.map(json.dumps) | OBJECTS.map(lambda value: json.dumps(value).encode())


@given(st.lists(ANYTHING, max_size=8))
def test_nothing_that_a_client_sends_raises(sent):
    spoken = wire()
    for data in sent:
        for event in spoken.decode(data):
            assert isinstance(event, Input | Said)


@given(st.lists(ANYTHING, max_size=8))
def test_whatever_is_sent_what_comes_back_is_replies(sent):
    written, _ = talk(*sent, EOF)
    for one in written:
        assert '""' not in one
        assert len({"partial", "text", "alternatives"} & set(json.loads(one))) == 1


PCM = speech("." * 10 + "#" * 70 + "." * 45 + "#" * 30 + "." * 5).tobytes()


@given(st.lists(st.integers(0, len(PCM)), max_size=30), st.integers(0, 3), st.booleans())
def test_n_messages_have_n_replies_and_eof_one_more(cuts, lag, judge_late):
    edges = [0, *sorted(cuts), len(PCM)]
    sent = [PCM[begin:end] for begin, end in zip(edges, edges[1:], strict=False)]
    written, driver = talk('{"config":{"sample_rate":16000}}', *sent, EOF, lag=lag, judge_late=judge_late)
    assert len(written) == len(sent) + 1
    assert not any('""' in one for one in written)
    assert " ".join(texts(written)).split() == " ".join(final.text for final in driver.finals).split()
    assert driver.closed == (1000, "stop")


TEXT = st.text(st.sampled_from('"\\ a今') | st.characters(codec="utf-8"), max_size=8)


@given(TEXT, TEXT, st.lists(st.tuples(TEXT, st.none() | st.floats(0, 1))))
def test_any_text_comes_through_and_no_two_quotation_marks_meet(text, raw_text, words):
    spoken = started()
    said_words = tuple(Word(text=word, begin_ms=0, end_ms=1, confidence=p) for word, p in words)
    final = FinalMessage(
        **{name: getattr(FINAL, name) for name in FINAL.__dataclass_fields__} | {"text": text, "raw_text": raw_text, "words": said_words}
    )
    (one,) = said(spoken, final, FLUSHED)
    assert '""' not in one
    reply = json.loads(one)
    assert reply["text"] == (text.strip() or " ")
    assert [word["word"] for word in reply.get("result", ())] == [word.strip() for word, _ in words if word.strip()]
