"""FunASR's JSON wire: what its clients' configuration becomes, and what a session says in either dialect."""

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
    Encoding,
    ErrorSent,
    Final,
    Flush,
    Flushed,
    Heartbeat,
    Input,
    Partial,
    Rejected,
    Settings,
    SpeechStarted,
    Start,
    Stop,
    Warned,
    Word,
)
from streamer.wires import Handshake
from streamer.wires.funasr import ROUTE, FunASR
from streamer.wires.routes import route_to
from tests.driving import Driver, speech

END = '{"is_speaking": false}'
CPP = {"mode": "2pass", "wav_name": "h5", "wav_format": "pcm", "chunk_size": [5, 10, 5], "chunk_interval": 10, "is_speaking": True}
PYTHON = CPP | {"wav_name": "demo", "encoder_chunk_look_back": 4, "decoder_chunk_look_back": 0}
FINAL = Final(
    segment=0,
    revision=2,
    channel=0,
    text="今天好。",
    raw_text="<|zh|><|NEUTRAL|><|Speech|><|withitn|>今天好。",
    words=(
        Word(text="今", begin_ms=100, end_ms=200, confidence=0.9),
        Word(text="天", begin_ms=200, end_ms=320, confidence=0.9),
        Word(text="好。", begin_ms=400, end_ms=500, confidence=0.9),
    ),
    begin_ms=80,
    end_ms=900,
    language=None,
    emotion=None,
    events=(),
    itn=None,
    confidence=0.9,
    end_reason="endpoint",
    audio_end_ms=900,
    queue_ms=0.0,
    decode_ms=0.0,
)
PARTIAL = Partial(
    segment=0,
    revision=0,
    channel=0,
    stable="今",
    unstable="天",
    words=(),
    begin_ms=80,
    end_ms=400,
    language=None,
    emotion=None,
    events=(),
    confidence=None,
    audio_end_ms=400,
    queue_ms=0.0,
    decode_ms=0.0,
)
SECOND = replace(FINAL, segment=1, text="你好", raw_text="<|zh|><|HAPPY|><|Speech|><|withitn|>你好", words=(), begin_ms=1_000, end_ms=1_500)


def wire(config=None, **query):
    spoken = FunASR(Handshake(session_id="a", at="", path="/funasr", query={name: [value] for name, value in query.items()}))
    if config is not None:
        assert spoken.decode(json.dumps(config)) == ()  # the format may still change, until there is audio
    return spoken


def english(text, segment=0, reason="endpoint"):
    raw = f"<|en|><|NEUTRAL|><|Speech|><|woitn|>{text}"
    return replace(FINAL, segment=segment, text=text, raw_text=raw, words=(), end_reason=reason)


def began(segment=0):
    return SpeechStarted(segment=segment, channel=0, begin_ms=80)


def said(spoken, *messages):
    return [json.loads(text) for message in messages for text in spoken.encode(message)]


def short(results):
    return [(one["mode"], one["text"], one["is_final"]) for one in results]


def started(config):
    start, audio = wire(config).decode(b"\1\2")
    assert isinstance(start, Start)
    assert audio == Audio(b"\1\2")
    return start


@pytest.mark.parametrize(
    ("config", "format"),
    [
        ({}, AudioFormat()),
        ({"audio_fs": 8000}, AudioFormat(sample_rate=8_000)),
        ({"audio_fs": "44100", "wav_format": "PCM"}, AudioFormat(sample_rate=44_100)),
        ({"wav_format": "mp3", "audio_fs": 16000}, AudioFormat(encoding=Encoding.CONTAINER)),
        ({"wav_format": "others"}, AudioFormat(encoding=Encoding.CONTAINER)),
    ],
)
def test_the_configuration_says_how_the_audio_is_to_be_read(config, format):
    assert started(config).format == format


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        ({}, {}),
        ({"mode": "offline", "itn": False}, {"partials": False, "itn": False}),
        ({"mode": "online", "svs_lang": "yue", "svs_itn": False, "itn": True}, {"language": "yue", "itn": False}),
        ({"svs_lang": "de", "chunk_size": "5,10,5", "chunk_interval": "x"}, {}),
        ({"hotwords": '{"阿里巴巴":20,"通义 实验室":30}'}, {"hotwords": ("阿里巴巴", "通义 实验室")}),
        ({"hotwords": "阿里巴巴 通义实验室"}, {"hotwords": ("阿里巴巴", "通义实验室")}),
        ({"hotwords": "a,b"}, {"hotwords": ("a", "b")}),
        ({"hotwords": {"a": 20}}, {"hotwords": ("a",)}),
        ({"hotwords": ""}, {}),
        ({"hotwords": None}, {}),
    ],
)
def test_wishes_become_settings(config, settings):
    assert started(config).settings == Settings(**{"sounds": False} | settings)


def test_audio_before_any_configuration_is_taken_as_what_it_usually_is():
    assert wire().decode(b"\1\2") == (Start(AudioFormat(), Settings(sounds=False)), Audio(b"\1\2"))


def test_a_turn_ends_and_the_next_may_be_configured_anew():
    spoken = wire(CPP)
    spoken.decode(bytes(32_000))
    assert spoken.decode(END) == (Flush(),)
    assert spoken.decode(json.dumps(CPP | {"itn": False, "mode": "offline"})) == (Configure({"itn": False, "partials": False}),)
    assert spoken.decode(b"\1\2") == (Audio(b"\1\2"),)
    assert spoken.decode('{"is_finished": true}') == (Flush(),)


@pytest.mark.parametrize("data", ["", "{", "[]", "1", "START"])
def test_what_cannot_be_read_is_told_and_nothing_more(data):
    spoken = wire(CPP)
    (rejected,) = spoken.decode(data)
    assert isinstance(rejected, Rejected)
    (error,) = said(spoken, ErrorSent(code=rejected.error.code, message=str(rejected.error), fatal=False))
    assert (error["text"], error["is_final"]) == ("", False)
    assert error["error"].startswith("a text message is not a JSON object")


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"mode": "3pass"}, "mode is '3pass', expected one of offline, online, 2pass"),
        ({"audio_fs": 3}, "sample_rate is 3, expected"),
        ({"audio_fs": "fast"}, "audio_fs is 'fast', expected a whole number"),
    ],
)
def test_audio_after_a_configuration_that_cannot_be_followed_is_not_heard_and_its_end_says_why(config, sentence):
    spoken = wire()
    (rejected,) = spoken.decode(json.dumps(config))
    assert str(rejected.error).startswith(sentence)
    assert spoken.decode(b"\1\2") == ()
    *_, flush = spoken.decode('{"is_speaking": false, "is_end": true}')
    assert flush == Flush()
    empty, end = said(spoken, Flushed(id=None))
    assert (empty["text"], empty["is_final"]) == ("", True)
    assert (end["is_end"], end["is_final"]) == (True, False)
    assert end["error"].startswith(sentence)


def test_another_rate_on_the_same_connection_is_not_misheard():
    spoken = wire(CPP)
    spoken.decode(b"\1\2")
    (rejected,) = spoken.decode('{"audio_fs": 8000, "is_speaking": true}')
    assert str(rejected.error) == "wav_format or audio_fs is '8000', expected what it was at first; open another connection for other audio"
    assert spoken.decode(b"\1\2") == ()


def test_two_passes_in_the_dialect_of_the_cpp_server():
    spoken = wire(CPP)
    spoken.decode(bytes(16_000 * 2))
    spoken.decode(END)
    results = said(
        spoken,
        began(),
        PARTIAL,
        replace(PARTIAL, stable="今天", unstable="好"),
        replace(PARTIAL, stable="今天", unstable="号"),
        FINAL,
        began(1),
        replace(SECOND, begin_ms=900, end_ms=1_000, end_reason="flush"),
        Flushed(id=None),
    )
    one, two, sentence, last = results
    assert one == {"mode": "2pass-online", "wav_name": "h5", "text": "今", "is_final": False, "slice_type": 0, "index": 0}
    assert two == one | {"text": "天", "slice_type": 1}
    times = json.loads(sentence.pop("timestamp"))
    assert times[:3] == [[100, 200], [200, 320], [400, 500]]
    assert sentence == {
        "mode": "2pass-offline",
        "wav_name": "h5",
        "text": "<|zh|><|NEUTRAL|><|Speech|><|withitn|>今天好。",
        "is_final": False,
        "stamp_sents": [
            {"text_seg": "今 天 好", "punc": "。", "start": 100, "end": 500, "ts_list": [[100, 200], [200, 320], [400, 500]]}
        ],
        "slice_type": 2,
        "index": 0,
        "start_time": 80,
        "end_time": 900,
    }  # fmt: skip
    assert (last["text"], last["is_final"], last["index"]) == ("<|zh|><|HAPPY|><|Speech|><|withitn|>你好", True, 1)


def test_two_passes_in_the_dialect_of_the_python_server():
    spoken = wire(PYTHON)
    spoken.decode(bytes(16_000 * 2))
    spoken.decode('{"is_speaking": false, "is_end": true}')
    online, sentence, last, end = said(spoken, began(), PARTIAL, FINAL, Flushed(id=None))
    assert online == {"mode": "2pass-online", "wav_name": "demo", "text": "今", "is_final": False}
    assert (sentence["mode"], sentence["is_final"]) == ("2pass-offline", True)
    assert sentence["timestamp"] == "[[100,200],[200,320],[400,500]]"
    assert last == {"mode": "2pass-offline", "wav_name": "demo", "text": "", "is_final": True}
    assert end == {"mode": "2pass", "wav_name": "demo", "is_final": True, "is_end": True}


def test_chunk_interval_alone_does_not_make_a_python_client():
    spoken = wire(CPP)
    assert short(said(spoken, FINAL))[0][2] is False
    spoken.decode('{"is_end": false}')
    assert short(said(spoken, FINAL))[0][2] is True


def test_the_last_sentence_is_the_answer_and_needs_no_other():
    spoken = wire(CPP)
    spoken.decode(bytes(32_000))
    spoken.decode(END)
    assert [one["is_final"] for one in said(spoken, replace(FINAL, end_reason="flush"), Flushed(id=None))] == [True]


@pytest.mark.parametrize(("mode", "answer"), [("2pass", "2pass-offline"), ("online", "online"), ("offline", "offline")])
def test_a_turn_without_speech_has_one_empty_answer_each_time(mode, answer):
    spoken = wire(CPP | {"mode": mode})
    spoken.decode(END)
    spoken.decode(END)
    assert short(said(spoken, Flushed(id=None), Flushed(id=None))) == [(answer, "", True), (answer, "", True)]


def test_online_is_increments_alone_and_the_last_brings_what_was_not_sure_before():
    spoken = wire(CPP | {"mode": "online"})
    spoken.decode(bytes(32_000))
    spoken.decode(END)
    partial = replace(PARTIAL, stable="it was the best", unstable=" of")
    results = said(
        spoken,
        began(), partial, replace(partial, stable="it was the best of the"), english("It was, the best of times."),
        began(1), replace(partial, segment=1, stable="it was"), english("it was the worst.", 1, "flush"), Flushed(id=None),
    )  # fmt: skip
    assert short(results) == [
        ("online", "it was the best", False),
        ("online", " of the", False),
        ("online", ".", False),
        ("online", " it was", False),
        ("online", " the worst.", True),
    ]


def test_an_online_sentence_of_the_python_dialect_ends_with_is_final():
    spoken = wire(PYTHON | {"mode": "online"})
    results = said(spoken, began(), replace(PARTIAL, stable="it was"), english("it was"), english("so", 1))
    assert short(results) == [("online", "it was", False), ("online", "", True), ("online", " so", True)]


def test_what_is_said_of_the_next_segment_waits_for_the_sentence_before_it():
    spoken = wire(CPP)
    later = replace(PARTIAL, segment=1, stable="你")
    assert said(spoken, began(), began(1), later) == []
    assert short(said(spoken, FINAL, later)) == [("2pass-offline", FINAL.raw_text, False), ("2pass-online", "你", False)]


def test_offline_is_one_answer_with_the_first_tags():
    spoken = wire(CPP | {"mode": "offline"})
    spoken.decode(bytes(96_000))
    spoken.decode(END)
    (whole,) = said(spoken, began(), PARTIAL, FINAL, began(1), replace(SECOND, end_reason="flush"), Flushed(id=None))
    assert (whole["mode"], whole["is_final"]) == ("offline", True)
    assert whole["text"] == "<|zh|><|NEUTRAL|><|Speech|><|withitn|>今天好。你好"


def test_a_very_long_offline_answer_comes_in_pieces():
    spoken = wire(CPP | {"mode": "offline"})
    spoken.decode(bytes(32_000))
    spoken.decode(END)
    results = said(spoken, *(english("a", n) for n in range(600)), Flushed(id=None))
    assert [(len(one["text"].split()), one["is_final"]) for one in results] == [(200, False), (200, False), (200, False), (0, True)]


def test_tags_can_be_done_without():
    spoken = wire(CPP, tags="false")
    assert [one["text"] for one in said(spoken, english("One."), english("Two.", 1))] == ["One.", " Two."]


def test_what_is_withheld_takes_back_what_was_said():
    spoken = wire(CPP)
    results = said(spoken, began(), PARTIAL, replace(FINAL, text="", words=(), withheld="noise"))
    assert short(results) == [("2pass-online", "今", False), ("2pass-offline", "", False)]


def test_times_count_from_the_turns_own_beginning_and_results_keep_its_name():
    spoken = wire(PYTHON)
    spoken.decode(bytes(32_000))
    spoken.decode(END)
    spoken.decode('{"wav_name": "second", "is_speaking": true}')
    spoken.decode(bytes(32_000))
    word = Word(text="好", begin_ms=1_200, end_ms=1_300, confidence=None)
    second = replace(SECOND, words=(word,))
    first, answer, later = said(spoken, second, replace(FINAL, end_reason="flush"), Flushed(id=None), second)[:3]
    assert (first["wav_name"], first["is_final"]) == ("demo", True)
    assert (answer["wav_name"], answer["timestamp"]) == ("second", "[[200,300]]")  # it was early, and waited
    assert later == answer


def test_a_sentence_that_failed_is_told_and_the_end_knows_it():
    spoken = wire(PYTHON)
    spoken.decode('{"is_speaking": false, "is_end": true}')
    failed = ErrorSent(code="transcription_failed", message="no", fatal=False, segment=0, channel=0)
    error, empty, end = said(spoken, began(), PARTIAL, failed, Flushed(id=None))[1:]
    assert (error["mode"], error["text"], error["error"]) == ("2pass-offline", "", "no")
    assert (empty["text"], empty["is_final"]) == ("", True)
    assert (end["is_final"], end["error"]) == (False, "no")


def test_a_file_ends_with_its_connection_and_one_answer():
    spoken = wire(CPP | {"mode": "offline", "wav_format": "mp3"})
    spoken.decode(b"ID3")
    assert spoken.decode(END) == (Stop(),)
    results = said(spoken, replace(FINAL, end_reason="stop"), Closed(reason="stop", totals={}))
    assert short(results) == [("offline", FINAL.raw_text, True)]


def test_a_file_that_cannot_be_decoded_is_told_as_the_cpp_server_does():
    spoken = wire(CPP | {"wav_format": "mp3"})
    spoken.decode(END)
    broken = ErrorSent(code="invalid_audio", message="the container is cut off", fatal=True)
    assert short(said(spoken, broken, Closed(reason="invalid_audio", totals={}))) == [
        ("2pass-online", "ERROR. the container is cut off", True)
    ]


def test_the_subprotocol_is_agreed_on_and_means_this_wire_where_no_path_says_so():
    assert ROUTE.subprotocol(["binary"]) == "binary"
    assert ROUTE.subprotocol([]) is None
    assert [route_to("/", offered).name for offered in (["binary"], ["msgpack"], [])] == ["funasr", "native", "native"]
    assert route_to("/ws", ["binary"]).name == "native"
    assert route_to("/funasr", []) is ROUTE
    assert route_to("/elsewhere", ["binary"]) is None


def test_what_funasr_has_no_word_for_is_not_said():
    unsaid = [Heartbeat(received_ms=1, processed_ms=1, queue_ms=0), Warned(code="x", message="y"), Closed(reason="stop", totals={})]
    assert said(wire(CPP), *unsaid) == []


def page(results):
    """What FunASR's html5 page shows: it appends, and looks times up by its own count of words and letters."""
    whole = shown = ""
    for one in results:
        if one["mode"].endswith("offline"):
            times = json.loads(one["timestamp"]) if "timestamp" in one else None
            at = 0
            text = one["text"]
            for stop in "。？，、?. ":
                text = text.replace(stop, ",")
            for part in filter(None, text.split(",")):
                assert times is None or times[at][0] >= 0
                at += 1 if part.isascii() and part.isalpha() else len(part)
            whole += one["text"]
            shown = whole
        else:
            shown += one["text"]
    return shown


RUNS = st.lists(st.tuples(st.integers(5, 90), st.integers(0, 50)), min_size=1, max_size=4).map(
    lambda runs: "".join("#" * spoken + "." * silent for spoken, silent in runs)
)


@given(RUNS, st.sets(st.integers(0, 80)), st.sampled_from(["2pass", "online", "offline"]), st.booleans(), st.integers(0, 3))
def test_clients_that_append_have_read_what_the_finals_say(script, ends, mode, python, lag):
    driver = Driver(lag=lag)
    spoken = wire((PYTHON if python else CPP) | {"mode": mode}, tags="0")
    data = speech(script).tobytes()
    pieces = [data[begin : begin + 3_200] for begin in range(0, len(data), 3_200)]
    sent = [message for n, piece in enumerate(pieces) for message in ((piece, END) if n in ends else (piece,))] + [END]
    results = []
    for message in sent:
        told = len(driver.sent)
        for event in spoken.decode(message):
            driver.receive(event)
        results += said(spoken, *driver.sent[told:])
    told = len(driver.sent)
    driver.drain()
    results += said(spoken, *driver.sent[told:])
    assert "".join(page(results).split()) == "".join("".join(final.text.split()) for final in driver.finals)
    assert results[-1]["is_final"]
    assert python or [one["is_final"] for one in results].count(True) == sent.count(END)


NAMES = [
    "mode",
    "is_speaking",
    "is_finished",
    "is_end",
    "audio_fs",
    "wav_format",
    "wav_name",
    "hotwords",
    "itn",
    "svs_itn",
    "svs_lang",
    "chunk_size",
]
JSON = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["2pass", "pcm", "offline", "\ud800"])
ANYTHING = st.text() | st.binary() | st.recursive(
    JSON, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner)
).map(json.dumps)  # fmt: skip


@given(st.lists(ANYTHING))
def test_nothing_that_a_client_sends_raises(sent):
    spoken = wire()
    for data in sent:
        for event in spoken.decode(data):
            assert isinstance(event, Input)
    for text in spoken.encode(replace(FINAL, end_reason="flush")):
        text.encode()
