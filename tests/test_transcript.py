"""Finals written down: what a person reads, and what a program reads."""

import json

import pytest

from streamer.core.events import Emotion, Event, Final, Language, Word
from streamer.transcript import FORMATS, Line, Transcript, jsonl, to_json, txt


def final(text: str, begin_ms: int, end_ms: int, *, segment: int = 0, channel: int = 0) -> Final:
    words = text.split()
    step = (end_ms - begin_ms) // max(1, len(words))
    return Final(
        segment=segment,
        revision=2,
        channel=channel,
        text=text,
        raw_text=f"<|en|><|NEUTRAL|><|Speech|><|withitn|>{text}",
        words=tuple(
            Word(text=word, begin_ms=begin_ms + n * step, end_ms=begin_ms + (n + 1) * step, confidence=0.5) for n, word in enumerate(words)
        ),
        begin_ms=begin_ms,
        end_ms=end_ms,
        language=Language(code="en", p=0.9),
        emotion=Emotion(label="neutral", p=0.75, scores={"neutral": 0.75, "happy": 0.25}),
        events=(Event(label="speech", p=1.0),),
        itn=None,
        confidence=0.5,
        end_reason="endpoint",
        audio_end_ms=end_ms,
        queue_ms=1.5,
        decode_ms=20.0,
    )


def transcript(*finals: Final) -> Transcript:
    return Transcript.of(finals, source="talk.mp3", model="SenseVoiceSmall", duration_ms=5_000)


def test_txt_is_one_line_per_final_that_has_words():
    assert (
        txt(transcript(final("Hello there.", 0, 900), final("", 1_000, 1_500), final("你好。", 2_000, 2_500))) == "Hello there.\n你好。\n"
    )
    assert txt(transcript()) == ""


def test_lines_come_in_the_order_in_which_they_began_whatever_was_decoded_first():
    assert txt(transcript(final("second", 500, 900, channel=1), final("first", 0, 2_000))) == "Channel 1: first\nChannel 2: second\n"


def test_a_channel_that_is_silent_needs_no_names():
    assert txt(transcript(final("Hello.", 0, 900, channel=1), final("", 500, 800))) == "Hello.\n"


def test_a_final_of_the_wire_and_one_of_a_session_are_the_same_line():
    message = json.loads(to_json(transcript(final("Hello.", 0, 900))))["segments"][0]
    assert Line.of({"type": "final", **message}).text == Line.of(final("Hello.", 0, 900)).text
    assert json.loads(jsonl(Transcript.of([{"type": "final", **message}], source="talk.mp3", model="m", duration_ms=0))) == {
        "file": "talk.mp3",
        **message,
    }


def test_json_carries_everything_of_a_final():
    assert json.loads(to_json(transcript(final("Hi you.", 100, 900, segment=3)))) == {
        "file": "talk.mp3",
        "model": "SenseVoiceSmall",
        "duration_ms": 5_000,
        "text": "Hi you.",
        "segments": [
            {
                "segment": 3,
                "revision": 2,
                "channel": 0,
                "text": "Hi you.",
                "raw_text": "<|en|><|NEUTRAL|><|Speech|><|withitn|>Hi you.",
                "words": [
                    {"text": "Hi", "begin_ms": 100, "end_ms": 500, "confidence": 0.5},
                    {"text": "you.", "begin_ms": 500, "end_ms": 900, "confidence": 0.5},
                ],
                "begin_ms": 100,
                "end_ms": 900,
                "language": {"code": "en", "p": 0.9},
                "emotion": {"label": "neutral", "p": 0.75, "scores": {"neutral": 0.75, "happy": 0.25}, "trend": None},
                "events": [{"label": "speech", "p": 1.0}],
                "itn": None,
                "confidence": 0.5,
                "withheld": None,
                "end_reason": "endpoint",
                "audio_end_ms": 900,
                "queue_ms": 1.5,
                "decode_ms": 20.0,
            }
        ],
    }


def test_json_keeps_every_script_readable():
    assert '"text": "你好。"' in to_json(transcript(final("你好。", 0, 900)))


def test_jsonl_is_one_object_per_final():
    lines = jsonl(transcript(final("One.", 0, 900), final("Two.", 1_000, 1_900))).splitlines()
    assert [(line["file"], line["text"], line["begin_ms"]) for line in map(json.loads, lines)] == [
        ("talk.mp3", "One.", 0),
        ("talk.mp3", "Two.", 1_000),
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_writes_a_recording_without_words(name):
    written = FORMATS[name](transcript())
    expected = {"txt": "", "jsonl": "", "srt": "", "vtt": "WEBVTT\n"}
    assert written == expected[name] if name in expected else json.loads(written)["segments"] == []
