"""sherpa-onnx's offline wire: a header, its audio, one answer; in whatever pieces the bytes come."""

import json
import struct
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.events import (
    Audio,
    AudioFormat,
    Closed,
    Emotion,
    ErrorSent,
    Event,
    Final,
    Flush,
    Flushed,
    Heartbeat,
    Input,
    Language,
    Settings,
    SpeechStarted,
    Start,
    Stop,
    Word,
)
from streamer.core.richtext import EMOTION_TAGS
from streamer.errors import InvalidAudio
from streamer.wires import Handshake, Refused
from streamer.wires.routes import route_to
from streamer.wires.sherpa_offline import LEAD, LONGEST_S, ROUTE, TEXT_ROUTE, WAITING
from tests.driving import Driver, speech

SILENCE = Audio(LEAD)  # 400 ms
FINAL = Final(
    segment=0,
    revision=0,
    channel=0,
    text="今天好。",
    raw_text="<|zh|><|HAPPY|><|Applause|><|withitn|>今天好。",
    words=(
        Word(text="今", begin_ms=500, end_ms=600, confidence=0.5),
        Word(text="天", begin_ms=600, end_ms=720, confidence=1.0),
        Word(text="好。", begin_ms=800, end_ms=900, confidence=0.0),
    ),
    begin_ms=480,
    end_ms=1_300,
    language=None,
    emotion=None,
    events=(Event(label="applause", p=0.7),),
    itn=None,
    confidence=0.9,
    end_reason="endpoint",
    audio_end_ms=1_300,
    queue_ms=0.0,
    decode_ms=0.0,
)
PART = {"begin": 0.08, "end": 0.9, "language": None, "emotion": None, "events": [{"label": "applause", "p": 0.7}], "itn": None}
SECOND = replace(FINAL, segment=1, text="Good day.", raw_text="<|en|><|SAD|><|Speech|><|withitn|>Good day.", begin_ms=1_400, end_ms=2_300,
                 words=(Word(text="Good", begin_ms=1_500, end_ms=1_700, confidence=0.5),
                        Word(text="day.", begin_ms=1_800, end_ms=2_000, confidence=0.5)))  # fmt: skip
NOTHING = {
    "lang": "",
    "emotion": "",
    "event": "",
    "text": "",
    "timestamps": [],
    "durations": [],
    "tokens": [],
    "ys_log_probs": [],
    "words": [],
    "sensevoice": [],
}


def wire(route=ROUTE, **query):
    return route.open(Handshake(session_id="s", at="", path="/", query={name: [value] for name, value in query.items()}))


def utterance(samples, rate=16_000):
    return struct.pack("<ii", rate, 4 * len(samples)) + np.asarray(samples, "<f4").tobytes()


def silent(seconds, rate=16_000):
    return utterance(np.zeros(int(seconds * rate)), rate)


def answers(spoken, *messages):
    return [payload for message in messages for payload in spoken.encode(message)]


def said(spoken, *messages):
    return [json.loads(one) for one in answers(spoken, *messages)]


def started(final):
    return SpeechStarted(segment=final.segment, channel=0, begin_ms=final.begin_ms), final


def refusal(spoken, data):
    """The close that comes of it."""
    (stop,) = spoken.decode(data)
    assert isinstance(stop, Stop)
    assert isinstance(stop.error, InvalidAudio)
    assert spoken.decode(b"\0" * 100) == spoken.decode("Done") == ()  # nothing more is heard
    return spoken.close(1007, "invalid_audio")


def test_the_session_hears_16_khz_whatever_comes():
    settings = Settings(partials=False, sounds=False)
    assert wire().open() == (Start(AudioFormat(), settings),)
    assert wire(language="zh").open() == (Start(AudioFormat(), replace(settings, language="zh")),)


def test_an_utterance_is_a_header_and_its_samples():
    spoken = wire()
    inputs = spoken.decode(utterance([0.0, 1.0, -1.0]))
    assert inputs == (Audio(LEAD + struct.pack("<hhh", 0, 32_767, -32_767)), Flush())


@pytest.mark.parametrize("size", [1, 3, 8, 13, 1_000])
def test_bytes_may_be_cut_anywhere_and_the_next_header_follows_at_once(size):
    data = utterance([0.5] * 10) + utterance([-0.5] * 5)
    spoken = wire()
    inputs = [event for at in range(0, len(data), size) for event in spoken.decode(data[at : at + size])]
    audio = b"".join(event.data for event in inputs if isinstance(event, Audio))
    assert audio == LEAD + struct.pack("<10h", *[16_384] * 10) + LEAD + struct.pack("<5h", *[-16_384] * 5)
    assert inputs.count(Flush()) == 2


def test_the_rate_may_change_from_one_utterance_to_the_next():
    spoken = wire()
    for rate in (8_000, 48_000, 16_000):
        audio = b"".join(event.data for event in spoken.decode(silent(1.0, rate)) if isinstance(event, Audio))
        assert len(audio) - len(LEAD) == pytest.approx(2 * 16_000, abs=20)


def test_what_the_session_is_behind_with_is_held_until_it_caught_up_or_all_has_come():
    spoken = wire()
    data = utterance(np.zeros(100 * 16_000))

    def heard(begin_s, end_s):
        """Seconds of audio that are passed on when these come; the header comes first."""
        given = spoken.decode(data[8 + begin_s * 64_000 : 8 + end_s * 64_000])
        return sum(len(event.data) for event in given if isinstance(event, Audio)) / 32_000

    assert spoken.decode(data[:8]) == ()
    assert heard(0, 10) == 10.4
    assert heard(10, 60) == 29.6
    assert heard(60, 70) == 0
    said(spoken, Heartbeat(received_ms=40_000, processed_ms=15_000, queue_ms=0))
    assert heard(70, 80) == 15
    assert heard(80, 100) == 45.4  # which is all


def test_an_answer_is_json_as_of_the_cpp_server_and_more():
    spoken = wire()
    spoken.decode(silent(1.0))
    (answer,) = said(spoken, *started(FINAL), Flushed(id=None))
    assert answer == {
        "lang": "<|zh|>",
        "emotion": "<|HAPPY|>",
        "event": "<|Applause|>",
        "text": "今天好。",
        "timestamps": [0.1, 0.2, 0.4],
        "durations": [0.1, 0.12, 0.1],
        "tokens": ["今", "天", "好。"],
        "ys_log_probs": [-0.693147, 0.0, -13.815511],
        "words": [],
        "sensevoice": [PART | {"raw_text": FINAL.raw_text, "withheld": None}],
    }


def test_several_segments_are_one_answer_with_the_tags_of_the_first_that_says_something():
    spoken = wire()
    spoken.decode(silent(2.0))
    noise = replace(FINAL, text="", words=(), raw_text="<|nospeech|><|EMO_UNKNOWN|><|BGM|><|woitn|>", withheld="noise")
    (answer,) = said(spoken, *started(noise), *started(replace(SECOND, segment=1)), *started(replace(FINAL, segment=2)), Flushed(id=None))
    assert answer["text"] == "Good day.今天好。"
    assert (answer["lang"], answer["emotion"], answer["event"]) == ("<|en|>", "<|SAD|>", "<|Speech|>")
    assert answer["tokens"] == ["Good", " day.", "今", "天", "好。"]
    assert [part["withheld"] for part in answer["sensevoice"]] == ["noise", None, None]


def test_what_was_only_noise_has_its_tags():
    spoken = wire()
    spoken.decode(silent(1.0))
    noise = replace(FINAL, text="", words=(), raw_text="<|nospeech|><|EMO_UNKNOWN|><|BGM|><|woitn|>", withheld="noise")
    (answer,) = said(spoken, *started(noise), Flushed(id=None))
    assert (answer["lang"], answer["emotion"], answer["event"], answer["text"]) == ("<|nospeech|>", "<|EMO_UNKNOWN|>", "<|BGM|>", "")


def test_each_utterance_has_one_answer_in_order_with_times_of_its_own():
    spoken = wire()
    spoken.decode(silent(1.0))
    spoken.decode(silent(1.0))
    words = (Word(text="later", begin_ms=1_820, end_ms=2_280, confidence=None),)
    later = replace(FINAL, segment=1, begin_ms=1_500, end_ms=2_300, text="later", words=words)
    first, second = said(spoken, *started(FINAL), *started(later), Flushed(id=None), Flushed(id=None))
    assert (first["text"], second["text"]) == ("今天好。", "later")
    assert (second["timestamps"], second["durations"], second["ys_log_probs"]) == ([0.02], [0.46], [])
    assert (second["sensevoice"][0]["begin"], second["sensevoice"][0]["end"]) == (0.0, 0.5)


def test_silence_and_nothing_at_all_are_answered_too():
    spoken = wire()
    assert spoken.decode(utterance([])) == (SILENCE, Flush())
    spoken.decode(silent(0.5))
    assert said(spoken, Flushed(id=None), Flushed(id=None)) == [NOTHING, NOTHING]


@pytest.mark.parametrize("spoken", [wire(TEXT_ROUTE), wire(format="text")])
def test_the_python_servers_clients_get_text_alone(spoken):
    spoken.decode(silent(2.0))
    spoken.decode(silent(1.0))
    assert answers(spoken, *started(SECOND), Flushed(id=None), Flushed(id=None)) == ["Good day.", "<EMPTY>"]


def test_a_part_that_was_lost_is_said_to_be():
    failed = ErrorSent(code="transcription_failed", message="no", fatal=False, segment=0, channel=0)
    told = (started(FINAL)[0], failed, *started(SECOND), Flushed(id=None))
    as_text, as_json = wire(TEXT_ROUTE), wire()
    for spoken in (as_text, as_json):
        spoken.decode(silent(2.0))
    assert answers(as_text, *told) == ["<ERROR> Good day."]
    (answer,) = said(as_json, *told)
    assert (answer["text"], answer["error"]) == ("Good day.", "no")


def test_a_loss_belongs_to_the_utterance_it_was_said_in():
    spoken = wire(TEXT_ROUTE)
    spoken.decode(silent(1.0))
    spoken.decode(silent(1.0))
    begun = SpeechStarted(segment=0, channel=0, begin_ms=1_500)
    failed = ErrorSent(code="transcription_failed", message="no", fatal=False, segment=0, channel=0)
    assert answers(spoken, begun, failed, Flushed(id=None), Flushed(id=None)) == ["<EMPTY>", "<ERROR>"]


def test_done_ends_with_nothing_more_to_say():
    spoken = wire()
    spoken.decode(silent(0.1))
    assert spoken.decode("Done") == (Stop(),)
    assert answers(spoken, Closed(reason="stop", totals={})) == []
    assert spoken.close(1000, "stop") == (1000, "stop")


@pytest.mark.parametrize(
    ("data", "code", "sentence"),
    [
        (struct.pack("<ii", -1, 400), 1007, "header: sample_rate is -1, expected a multiple of 25 from 4000 to 192000"),
        (struct.pack("<ii", 16_001, 400), 1007, "header: sample_rate is 16001, expected a multiple of 25 from 4000 to 192000"),
        (struct.pack("<ii", 16_000, -4), 1007, "header: -4 bytes of audio, expected a multiple of 4"),
        (struct.pack("<ii", 16_000, 401), 1007, "header: 401 bytes of audio, expected a multiple of 4"),
        (struct.pack("<ii", 16_000, 64_000 * LONGEST_S + 64_000), 1009,
         "the utterance has 601 s, at most 600 are taken; send it in parts"),
        ("Hello", 1007, "a text message is 'Hello', expected Done; audio goes into binary messages"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_ends_the_connection_with_a_sentence(data, code, sentence):
    assert refusal(wire(), data) == (code, sentence)


def test_a_sentence_fits_into_a_close():
    _, sentence = refusal(wire(), "\U0001f600" * 100)
    assert len(sentence.encode()) <= 123


def test_done_within_an_utterance_is_not_taken_for_its_end():
    spoken = wire()
    spoken.decode(silent(1.0)[:-40])
    assert refusal(spoken, "Done") == (1007, "Done came 40 bytes before the end of the utterance")


def test_so_many_utterances_may_wait_and_no_more():
    spoken = wire()
    assert spoken.decode(utterance([]) * WAITING).count(Flush()) == WAITING
    assert answers(spoken, Flushed(id=None))
    spoken.decode(utterance([]))
    code, sentence = refusal(spoken, utterance([]))
    assert (code, sentence) == (1007, "100 utterances wait for their answers; send no more before one came")


def test_an_answer_to_the_longest_utterance_is_below_a_mib():
    spoken = wire()
    spoken.decode(struct.pack("<ii", 16_000, 64_000 * LONGEST_S))
    spoken.decode(bytes(64_000 * LONGEST_S))
    scores = dict.fromkeys(EMOTION_TAGS.values(), 0.1234)
    rich = {"language": Language(code="zh", p=0.9876), "emotion": Emotion(label="neutral", p=0.1234, scores=scores)}
    finals = []
    for begin in range(400, 1_000 * LONGEST_S, 2_000):  # ten characters a second, in short segments
        words = tuple(Word(text="好", begin_ms=begin + at, end_ms=begin + at + 99, confidence=0.987) for at in range(0, 2_000, 100))
        finals.append(replace(FINAL, segment=begin // 2_000, begin_ms=begin, end_ms=begin + 1_900, text="好" * 20, words=words, **rich,
                              raw_text="<|zh|><|NEUTRAL|><|Speech|><|withitn|>" + "好" * 20))  # fmt: skip
    (answer,) = answers(spoken, *(message for final in finals for message in started(final)), Flushed(id=None))
    assert json.loads(answer)["text"] == "好" * 10 * LONGEST_S
    assert len(answer.encode()) < 1 << 20


def test_another_form_is_refused_at_the_handshake():
    with pytest.raises(Refused, match="format is 'xml', expected json or text") as refused:
        wire(format="xml")
    assert refused.value.status == 400


def test_an_utterance_on_a_connection_that_has_heard_others_is_answered_as_alone():
    marks = ["#" * 60, "." * 20 + "#" * 80 + "." * 60 + "#" * 40, "." * 50, "#" * 100 + "." * 10]
    sent = [utterance(speech(one, seed) / 32_768) for seed, one in enumerate(marks)]
    together = texts(sent)
    assert together == [text for one in sent for text in texts([one])]
    assert together[2] == "<EMPTY>"
    assert all(before != after for before, after in pairwise(together))


def texts(sent):
    driver, spoken = Driver(lag=2), wire(TEXT_ROUTE)
    for event in (*spoken.open(), *(event for data in (*sent, "Done") for event in spoken.decode(data))):
        driver.receive(event)
    driver.drain()
    assert driver.closed == (1000, "stop")
    return answers(spoken, *driver.sent)


def test_they_have_paths_of_their_own():
    assert route_to("/sherpa-onnx/offline", []) is ROUTE
    assert route_to("/sherpa-onnx/offline-text", []) is TEXT_ROUTE


HEADERS = st.builds(struct.pack, st.just("<ii"), st.sampled_from([0, 8_000, 16_000, -1]), st.integers(-4, 64))


@given(st.lists(st.text() | st.binary() | HEADERS | st.just("Done")))
def test_nothing_that_a_client_sends_raises(sent):
    spoken = wire()
    for data in sent:
        for event in spoken.decode(data):
            assert isinstance(event, Input)


@given(
    st.lists(st.tuples(st.sampled_from([FINAL, replace(FINAL, text="", words=()), None]), st.integers(0, 3))),
    st.lists(st.integers(0, 2)),
    st.sampled_from([ROUTE, TEXT_ROUTE]),
)
def test_every_utterance_has_exactly_one_answer(parts, sent, route):
    spoken = wire(route)
    flushes = sum(spoken.decode(silent(seconds)).count(Flush()) for seconds in sent)
    for final, segment in parts:
        failed = ErrorSent(code="transcription_failed", message="no", fatal=False, segment=segment, channel=0)
        assert answers(spoken, replace(final, segment=segment) if final else failed) == []
    got = answers(spoken, *[Flushed(id=None)] * (flushes + 1))
    assert len(got) == flushes
    assert all(got)
