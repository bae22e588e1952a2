"""Answers against labels, by what weighs most over a recording."""

from streamer.bench.tags import TagTally, heard_emotion, heard_event, heard_language
from streamer.core.events import Emotion, Event, Language, Sound
from tests.bench.messages import final


def test_the_label_that_holds_longest_is_the_answer():
    messages = [
        final("a", end_ms=1000, language=Language(code="en", p=0.9), emotion=Emotion(label="sad", p=0.9, scores={})),
        final("b", end_ms=3000, language=Language(code="zh", p=0.6), emotion=Emotion(label="happy", p=0.4, scores={})),
        final("c", end_ms=1500, language=Language(code="en", p=0.9), emotion=None),
    ]

    assert (heard_language(messages), heard_emotion(messages)) == ("zh", "happy")


def test_events_weigh_by_probability_times_duration_over_sounds_and_finals():
    messages = [
        final("a", end_ms=1000, events=(Event(label="speech", p=0.9), Event(label="laughter", p=0.2))),
        Sound(channel=0, event="laughter", p=0.5, begin_ms=0, end_ms=2000),
    ]

    assert heard_event(messages) == "laughter"
    assert heard_event(messages[:1]) == "speech"


def test_nothing_heard_is_an_answer_too():
    assert (heard_language([]), heard_emotion([final("a")]), heard_event([])) == ("none", "none", "none")


def test_alternatives_are_right_and_the_confusion_tells_what_was_said():
    tally = TagTally(event=(("laughter+speech", "speech"), ("cry", "speech"))) + TagTally(event=(("cry", "cry"), ("cry", "none")))

    assert tally.figures() == {
        "language": None,
        "emotion": None,
        "event": {"n": 4, "accuracy": 0.5, "confusion": {"cry": {"cry": 1, "none": 1, "speech": 1}, "laughter+speech": {"speech": 1}}},
    }
