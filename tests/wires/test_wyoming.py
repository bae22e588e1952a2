"""Wyoming's wire: what a client's events become, and what it is told of each turn."""

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
    Flush,
    Flushed,
    Input,
    Language,
    Settings,
    Start,
    Stop,
)
from streamer.wires import Handshake, Said
from streamer.wires.routes import BY_NAME, route_to
from streamer.wires.wyoming import ROUTE, Wyoming
from streamer.wires.wyoming_events import DATA_BYTES, HEADER_BYTES, Reader, Unreadable
from tests.driving import PLAIN, Driver, speech
from tests.wires.test_funasr import FINAL, PARTIAL

SOUND = {"rate": 16_000, "width": 2, "channels": 1}
SETTINGS = Settings(sounds=False)
FIRST = replace(FINAL, text="It was the best.", begin_ms=80, end_ms=900, confidence=None, raw_text="It was the best.")
SECOND = replace(FIRST, segment=1, text="So it was.", raw_text="So it was.", begin_ms=1_000, end_ms=1_500)


def event(kind, data=None, payload=b""):
    """An event as the wyoming package writes it."""
    body = json.dumps(data, ensure_ascii=False).encode() if data else b""
    header = {"type": kind} | ({"data_length": len(body)} if body else {}) | ({"payload_length": len(payload)} if payload else {})
    return json.dumps(header | {"version": "1.10.2"}).encode() + b"\n" + body + payload


def chunk(payload, **said):
    return event("audio-chunk", SOUND | {"timestamp": None} | said, payload)


def read(data):
    """Our events as a client reads them."""
    found = []
    while data:
        line, _, rest = data.partition(b"\n")
        header = json.loads(line)
        length = header.pop("data_length", 0)
        found.append((header.pop("type"), json.loads(rest[:length]) if length else {}))
        assert header == {}
        data = rest[length:]
    return found


def decoded(wire, *sent):
    return [found for data in sent for found in wire.decode(data)]


def told(wire, *messages):
    return read(b"".join(payload for message in messages for payload in wire.encode(message)))


def talking(*sent):
    """A connection on which a turn is open."""
    wire = Wyoming()
    decoded(wire, event("audio-start", SOUND), *sent)
    return wire


def test_what_is_served_is_described_at_any_time_with_the_models_own_name_and_languages():
    wire, driver = Wyoming(), Driver(model=PLAIN)
    assert decoded(wire, event("describe")) == []  # the model is not told yet
    (early,) = told(wire, *driver.sent)
    (said,) = decoded(wire, event("describe"))
    assert read(said.payload) == [early]
    assert early[0] == "info"
    assert early[1] == {
        "asr": [
            {
                "name": "streamer",
                "description": "only English",
                "attribution": {"name": "streamer", "url": ""},
                "installed": True,
                "version": "",
                "models": [
                    {
                        "name": "plain",
                        "description": "only English",
                        "attribution": {"name": "unknown", "url": ""},
                        "installed": True,
                        "version": None,
                        "languages": ["en"],
                    }
                ],
                "supports_transcript_streaming": True,
                "requires_external_vad": True,
            }
        ]
    }


@pytest.mark.parametrize(
    ("model", "maker", "url"),
    [
        ("SenseVoiceSmall int8", "FunAudioLLM", "https://huggingface.co/FunAudioLLM/SenseVoiceSmall"),
        ("moonshine-tiny-en", "Moonshine AI", "https://github.com/moonshine-ai/moonshine"),
    ],
)
def test_a_models_makers_are_named_where_they_are_known(model, maker, url):
    driver = Driver(model=replace(PLAIN, name=model, notice=None))
    wire = Wyoming()
    told(wire, replace(driver.sent[0], server="streamer 0.1.0"))
    (said,) = decoded(wire, event("describe"))
    (program,) = read(said.payload)[0][1]["asr"]
    assert program["models"][0]["attribution"] == {"name": maker, "url": url}
    assert program["models"][0]["description"] == f"{model} on cpu"
    assert (program["name"], program["version"]) == ("streamer", "0.1.0")


@pytest.mark.parametrize(("data", "text"), [({"text": "ü?"}, "ü?"), ({"text": None}, None), ({}, None), ({"text": [1]}, None)])
def test_a_ping_is_answered_with_its_text(data, text):
    (said,) = decoded(Wyoming(), event("ping", data))
    assert read(said.payload) == [("pong", {"text": text})]


def test_a_turn_of_home_assistants_is_settings_a_start_audio_and_a_flush():
    sent = (
        event("transcribe", {"language": "en"}),
        event("audio-start", SOUND | {"timestamp": None}),
        chunk(b"\1\2\3\4"),
        chunk(b"\5\6"),
        event("audio-stop", {"timestamp": None}),
    )
    assert decoded(Wyoming(), *sent) == [
        Start(AudioFormat(), replace(SETTINGS, language="en")),
        Audio(b"\1\2\3\4"),
        Audio(b"\5\6"),
        Flush(),
    ]


@pytest.mark.parametrize(
    ("asked", "changed"),
    [
        ({}, {}),
        ({"language": "zh_CN"}, {"language": "zh"}),
        ({"language": "zh-HK"}, {"language": "yue"}),
        ({"language": "tlh", "name": "tiny", "context": {"a": 1}, "vad_sensitivity": "relaxed"}, {}),
        ({"language": 7, "transcript_terms": 7}, {}),
        ({"transcript_names": ["Ada", 1], "transcript_terms": ["lamp"]}, {"hotwords": ("Ada", "lamp")}),
    ],
)
def test_transcribe_says_language_and_words_to_prefer(asked, changed):
    sent = event("transcribe", asked), event("audio-start", SOUND)
    assert decoded(Wyoming(), *sent) == [Start(AudioFormat(), replace(SETTINGS, **changed))]


def test_a_later_transcribe_changes_what_differs():
    wire = talking()
    assert decoded(wire, event("transcribe", {"language": "ko"})) == [Configure({"language": "ko", "hotwords": ()})]
    assert decoded(wire, event("transcribe", {"language": "ko-KR"})) == []
    assert decoded(wire, event("transcribe")) == [Configure({"language": "auto", "hotwords": ()})]


def test_other_rates_are_taken_and_channels_become_one():
    (start,) = decoded(Wyoming(), event("audio-start", {"rate": 22_050, "width": 2, "channels": 2}))
    assert start.format == AudioFormat(sample_rate=22_050, channels=2, mix=True)


def test_data_may_stand_in_the_header_and_be_completed_after_it():
    line = b'{"type":"audio-start","data":{"rate":8000,"width":4},"data_length":24}\n{"width":2,"channels":1}'
    (start,) = decoded(Wyoming(), line)
    assert start.format == AudioFormat(sample_rate=8_000)


def test_audio_is_handed_on_as_it_comes():
    wire = talking()
    whole = chunk(bytes(range(100)))
    heard = [found.data for cut in range(len(whole)) for found in decoded(wire, whole[cut : cut + 1])]
    assert b"".join(heard) == bytes(range(100))
    assert {len(data) for data in heard} == {2}


def test_half_a_sample_at_the_end_of_a_turn_does_not_spoil_the_next():
    wire = talking(chunk(b"\1\2\3"), event("audio-stop"), event("audio-start", SOUND))
    assert decoded(wire, chunk(b"\4\5")) == [Audio(b"\4\5")]


def test_a_chunk_may_leave_out_the_format_and_the_first_may_say_it_alone():
    assert decoded(talking(), event("audio-chunk", None, b"\1\2")) == [Audio(b"\1\2")]
    assert decoded(Wyoming(), chunk(b"\1\2", rate=8_000)) == [Start(AudioFormat(sample_rate=8_000), SETTINGS), Audio(b"\1\2")]


def test_what_belongs_to_no_turn_and_what_belongs_to_other_services_is_ignored():
    wire = talking(event("audio-stop"))
    ignored = chunk(b"\1\2"), event("detect", {"names": ["x"]}), event("synthesize", {"text": "x"}, b"payload"), event("pong")
    assert decoded(wire, *ignored) == []
    assert decoded(wire, event("audio-start", SOUND), event("audio-start", SOUND), chunk(b"\1\2")) == [Audio(b"\1\2")]


def test_one_transcript_answers_a_turn_of_several_segments():
    wire = talking(chunk(bytes(64_000)), event("audio-stop"))
    chinese, english = Language(code="zh", p=0.6), Language(code="en", p=0.9)
    emotion, events = Emotion(label="happy", p=0.8, scores={"happy": 0.8}), (Event(label="laughter", p=0.7),)
    first = replace(FIRST, language=english, emotion=emotion, events=events)
    *chunks, transcript, stop = told(wire, first, replace(SECOND, language=chinese), Flushed(id=None))
    assert chunks == [
        ("transcript-start", {}),
        ("transcript-chunk", {"text": "It was the best."}),
        ("transcript-chunk", {"text": " So it was."}),
    ]
    assert stop == ("transcript-stop", {})
    kind, data = transcript
    heard = data.pop("sensevoice")
    assert (kind, data) == ("transcript", {"text": "It was the best. So it was.", "language": "en"})
    assert heard[0] == {
        "begin_ms": 80,
        "end_ms": 900,
        "language": {"code": "en", "p": 0.9},
        "emotion": {"label": "happy", "p": 0.8, "scores": {"happy": 0.8}, "trend": None},
        "events": [{"label": "laughter", "p": 0.7}],
        "itn": None,
        "confidence": None,
        "raw_text": "It was the best.",
        "withheld": None,
    }
    assert heard[1]["language"] == {"code": "zh", "p": 0.6}


def test_a_turn_without_speech_is_answered_by_an_empty_transcript():
    empty = [("transcript-start", {}), ("transcript", {"text": "", "sensevoice": []}), ("transcript-stop", {})]
    assert told(talking(event("audio-stop")), Flushed(id=None)) == empty
    nothing = replace(FIRST, text="", withheld="noise", language=Language(code="nospeech", p=0.9))
    assert [data.get("text") for _, data in told(talking(event("audio-stop")), nothing, Flushed(id=None))] == [None, "", None]
    wire = Wyoming()
    assert read(b"".join(said.payload for said in decoded(wire, event("audio-stop")))) == empty  # no session has begun
    assert decoded(wire, event("audio-start", SOUND), event("audio-stop")) == [Start(AudioFormat(), SETTINGS), Flush()]
    assert decoded(wire, event("audio-stop")) == [Flush()]


def test_chunks_only_ever_append_what_was_promised():
    wire = talking()
    partials = [replace(PARTIAL, stable=stable, unstable=" x") for stable in ("", "It", "It", "It was the")]
    said = told(wire, *partials, FIRST, replace(PARTIAL, segment=1, stable="So", end_ms=1_200), SECOND)
    assert said[0] == ("transcript-start", {})
    assert [data["text"] for _, data in said[1:]] == ["It", " was the", " best.", " So", " it was."]


def test_what_was_promised_and_is_taken_back_is_only_right_in_the_transcript():
    wire = talking()
    said = told(wire, replace(PARTIAL, stable="It saw the"), FIRST, SECOND, Flushed(id=None))
    assert [data["text"] for kind, data in said if kind == "transcript-chunk"] == ["It saw the", " best.", " So it was."]
    assert said[-2][1]["text"] == "It was the best. So it was."


def test_a_later_segment_waits_for_the_final_of_the_one_before():
    wire = talking()
    later = replace(PARTIAL, segment=1, stable="So", end_ms=1_200)
    assert told(wire, later) == []
    assert [data.get("text") for _, data in told(wire, FIRST, later)] == [None, "It was the best.", " So"]


def test_turns_on_one_connection_are_answered_one_after_the_other():
    wire = talking(chunk(bytes(30_400)), event("audio-stop"), event("audio-start", SOUND), chunk(bytes(32_000)), event("audio-stop"))
    first = told(wire, FIRST, replace(PARTIAL, segment=1, stable="So", end_ms=1_200), SECOND)
    assert [data.get("text") for _, data in first] == [None, "It was the best."]  # the second turn is heard, and not told yet
    answers = told(wire, Flushed(id=None), Flushed(id=None))
    assert [(kind, data.get("text")) for kind, data in answers] == [
        ("transcript", "It was the best."),
        ("transcript-stop", None),
        ("transcript-start", None),
        ("transcript-chunk", "So it was."),
        ("transcript", "So it was."),
        ("transcript-stop", None),
    ]


def test_a_segment_that_failed_is_told_and_the_rest_of_the_turn_is_answered():
    wire = talking()
    failed = ErrorSent(code="transcription_failed", message="the engine failed", fatal=False, segment=0, channel=0)
    said = told(wire, replace(PARTIAL, stable="It"), failed, SECOND, Flushed(id=None))
    assert said[2] == ("error", {"text": "the engine failed", "code": "transcription_failed"})
    assert said[-2][1]["text"] == "So it was."


def test_the_end_of_the_stream_ends_the_turn_and_a_failure_does_not():
    assert [kind for kind, _ in told(talking(), FIRST, Closed(reason="stop", totals={}))][-2:] == ["transcript", "transcript-stop"]
    fatal = ErrorSent(code="idle_timeout", message="nothing came", fatal=True)
    kinds = [kind for kind, _ in told(talking(), FIRST, fatal, Closed(reason="idle_timeout", totals={}))]
    assert kinds == ["transcript-start", "transcript-chunk", "error"]
    assert told(Wyoming(), Closed(reason="stop", totals={})) == []


def test_a_server_that_stops_says_so_before_what_it_heard():
    error, *answer = told(talking(), FIRST, Closed(reason="going_away", totals={}))[2:]
    assert error[0] == "error"
    assert error[1]["code"] == "going_away"
    assert [kind for kind, _ in answer] == ["transcript", "transcript-stop"]


def test_what_has_no_effect_on_a_turn_is_not_told():
    harmless = ErrorSent(code="unexpected_message", message="audio came, but the session is stopping", fatal=False)
    assert told(talking(), harmless) == []


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (b"GET / HTTP/1.1\r\n", "an event's header is 'GET / HTTP/1.1\\r\\n', expected a JSON object; this is a port for the Wyoming"),
        (b"[]\n", "an event's header is '[]\\n', expected a JSON object"),
        (b"\xff\n", "an event's header is '\\xff\\n'"),
        (b"{}\n", "an event's type is None, expected a string"),
        (b'{"type":[]}\n', "an event's type is a list"),
        (b'{"type":"ping","data":[]}\n', "the data of 'ping' is a list, expected an object"),
        (b'{"type":"ping","data_length":2}\n[]', "the data of 'ping' is '[]', expected a JSON object"),
        (b'{"type":"ping","data_length":%d}\n' % (DATA_BYTES + 1), "data_length is 65537, expected at most 65536"),
        (b'{"type":"ping","data_length":"2"}\n', "data_length is '2', expected at most"),
        (b'{"type":"ping","payload_length":1e999}\n', "payload_length is inf, expected at most 1073741824"),
        (b" " * (HEADER_BYTES + 1), "a header has more than 65536 bytes"),
        (b" " * (HEADER_BYTES + 1) + b"\n", "a header has more than 65536 bytes"),
        (b'{"type":"ping","data":' + b"[" * 60_000 + b"\n", "an event's header is '{\"type\":\"ping\""),
        (event("audio-start", SOUND | {"width": 4}), "width is 4, expected 2: samples of 16 bits, signed, little-endian"),
        (event("audio-start", SOUND | {"rate": 11_026}), "rate is 11026, expected a multiple of 25 from 4000 to 192000"),
        (event("audio-start", SOUND | {"channels": 9}), "channels is 9, expected 1 to 8"),
        (event("audio-start", SOUND | {"rate": "16000"}), "rate is '16000', expected a whole number"),
        (event("audio-start", SOUND | {"rate": True}), "rate is True, expected a whole number"),
        (event("audio-start"), "rate is None, expected a whole number; rate, width and channels say how audio is to be read"),
        (event("audio-chunk", None, b"\1\2"), "rate is None, expected a whole number"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_ends_the_connection_with_a_sentence(sent, sentence):
    wire = Wyoming()
    *_, stop = decoded(wire, sent)
    assert stop.error.close_code == 1002
    assert (stop.error.code, str(stop.error)[: len(sentence)]) == ("invalid_message", sentence)
    assert decoded(wire, event("ping"), sent) == []  # where the next event would begin is not known
    driver = Driver()
    driver.receive(stop)
    errors = [data for kind, data in told(wire, *driver.sent) if kind == "error"]
    assert errors == [{"text": str(stop.error), "code": "invalid_message"}]
    assert driver.closed == (1002, "invalid_message")


def test_another_format_needs_another_connection():
    wire = talking(event("audio-stop"))
    (stop,) = decoded(wire, event("audio-start", SOUND | {"rate": 8_000}))
    assert str(stop.error) == (
        "audio-start says rate 8000 and channels 1, but this connection began with rate 16000 and channels 1; "
        "open another connection for another format"
    )
    (stop,) = decoded(talking(), chunk(b"\1\2", channels=2))
    assert str(stop.error) == "channels of an audio-chunk is 2, expected 1, as the audio began"


def test_an_answer_that_is_owed_comes_before_the_error():
    wire, driver = talking(), Driver()
    sent = chunk(speech("." * 20 + "#" * 60).tobytes()), event("audio-stop"), b"nonsense\n"
    driver.receive(Start(AudioFormat(), SETTINGS))
    for found in decoded(wire, *sent):
        driver.receive(found)
    kinds = [kind for kind, _ in told(wire, *driver.sent)]
    assert kinds[-3:] == ["transcript", "transcript-stop", "error"]


def test_a_whole_session_says_every_sentence_once():
    wire, driver = Wyoming(), Driver()
    sent = [event("transcribe", {"language": "en"}), event("audio-start", SOUND)]
    sent += [chunk(speech("." * 20 + "#" * 60 + "." * 60 + "#" * 60).tobytes()), event("audio-stop")]
    for found in decoded(wire, *sent):
        driver.receive(found)
    said = told(wire, *driver.sent)
    assert [kind for kind, _ in said if kind != "transcript-chunk"] == ["transcript-start", "transcript", "transcript-stop"]
    transcripts = [data["text"] for kind, data in said if kind == "transcript"]
    assert transcripts == [" ".join(final.text for final in driver.finals)]
    assert len(driver.finals) == 2
    chunks = [data["text"] for kind, data in said if kind == "transcript-chunk"]
    assert len(chunks) > 2
    assert "".join(chunks) == transcripts[0]


def test_it_is_found_at_a_port_of_its_own_only():
    assert BY_NAME["wyoming"] is ROUTE
    assert ROUTE.tcp
    assert route_to("/wyoming", []) is None
    assert isinstance(ROUTE.open(Handshake(session_id="s", at="", path="")), Wyoming)
    assert read(ROUTE.refusal("server_full", "try again later")) == [("error", {"text": "try again later", "code": "server_full"})]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["type", "data", "data_length", "payload_length", "rate", "width", "channels", "language", "transcript_names", "text"]
)
KINDS = st.sampled_from(["describe", "ping", "transcribe", "audio-start", "audio-chunk", "audio-stop", "other"])
DATA = st.just(SOUND) | st.dictionaries(NAMES, JSON, max_size=4)
EVENTS = st.builds(event, KINDS, st.none() | DATA, st.binary(max_size=9))
HEADERS = st.dictionaries(NAMES, JSON | KINDS).map(lambda header: json.dumps(header).encode() + b"\n")


@given(st.lists(EVENTS | HEADERS | st.binary(max_size=9), max_size=9).map(b"".join), st.lists(st.integers(0, 400), max_size=9))
def test_nothing_that_a_client_sends_raises_and_where_it_is_cut_changes_nothing(sent, cuts):
    def heard(pieces):
        """Audio as one run of bytes, and everything else as it is."""
        found = []
        for one in decoded(Wyoming(), *pieces):
            assert isinstance(one, Input | Said)
            if isinstance(one, Audio) and found and isinstance(found[-1], Audio):
                found[-1] = Audio(found[-1].data + one.data)
            else:
                found.append(Stop(str(one.error)) if isinstance(one, Stop) else one)
        return found

    edges = [0, *sorted(cuts), len(sent)]
    assert heard([sent[begin:end] for begin, end in zip(edges, edges[1:], strict=False) if begin < end]) == heard([sent])


@given(st.lists(EVENTS | HEADERS | st.binary(max_size=9), max_size=9))
def test_whatever_comes_is_answered_in_events_that_can_be_read(sent):
    wire, driver = Wyoming(), Driver()
    out = []
    for data in sent:
        for found in decoded(wire, data):
            if isinstance(found, Said):
                out.append(found.payload)
            else:
                driver.receive(found)
    driver.stop()
    out += [payload for message in driver.sent for payload in wire.encode(message)]
    turns = [kind for kind, _ in read(b"".join(out)) if kind in ("transcript-start", "transcript-stop")]
    assert turns == ["transcript-start", "transcript-stop"] * (len(turns) // 2) + ["transcript-start"] * (len(turns) % 2)


LOST = ErrorSent(code="transcription_failed", message="lost", fatal=False, segment=0, channel=0)
FATAL = ErrorSent(code="internal", message="fatal", fatal=True)
MESSAGES = st.sampled_from(
    [Driver().sent[0], PARTIAL, replace(PARTIAL, segment=1), FIRST, SECOND, LOST, FATAL, Flushed(id=None), Closed(reason="stop", totals={})]
)


@given(st.lists(EVENTS | MESSAGES, max_size=20))
def test_no_order_of_events_and_messages_raises(happened):
    wire = Wyoming()
    for one in happened:
        assert all(decoded(wire, one)) if isinstance(one, bytes) else told(wire, one) is not None


def test_no_more_is_kept_than_a_header_and_some_data():
    reader = Reader()
    assert sum(len(found) for found in reader.read(chunk(bytes(1_000_000))[:-1]) if isinstance(found, bytes)) == 999_999
    assert len(reader._unread) == 0
    reader = Reader()
    for _ in range(HEADER_BYTES // 64):
        assert list(reader.read(b" " * 64)) == []
    with pytest.raises(Unreadable):
        list(reader.read(b" "))
