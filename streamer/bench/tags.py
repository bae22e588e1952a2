"""Language, emotion and sound event against their labels.

What counts as said by the session: for language and emotion the label that holds for the longest time over all finals; for events
the one with the most probability times duration over ``sound`` messages and finals. Without any it is ``none``. Several labels of
one recording are alternatives: any of them is right.
A calm voice counts as neutral, as is usual for models without that class. Sounds for which the model has no class are not scored.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from streamer.bench.tally import Tally, ratio
from streamer.core.events import Final as FinalMessage
from streamer.core.events import Message, Sound

NONE: Final = "none"
EMOTIONS: Final = {
    "happy": "happy happiness joy joyful excited",
    "sad": "sad sadness",
    "angry": "angry anger",
    "neutral": "neutral calm",
    "fearful": "fearful fear scared afraid",
    "disgusted": "disgusted disgust",
    "surprised": "surprised surprise",
}
EVENTS: Final = {
    "speech": "speech talk talking voice voices speaking conversation",
    "sing": "sing sings singing singer song",
    "bgm": "music bgm melody instrument",
    "applause": "applause clap claps clapping",
    "laughter": "laughter laugh laughing laughs",
    "cry": "cry crying cries sob sobbing weeping",
    "sneeze": "sneeze sneezing",
    "breath": "breath breathing breaths",
    "cough": "cough coughing coughs",
}
VOICES: Final = frozenset(f"{EVENTS['speech']} {EVENTS['sing']} babble crowd people children radio television tv restaurant cafe".split())
"""Sounds that may carry words."""
_EMOTION_OF: Final = {word: label for label, words in EMOTIONS.items() for word in words.split()}
_EVENT_OF: Final = {word: label for label, words in EVENTS.items() for word in words.split()}

Pair = tuple[str, str]
"""Label and answer."""


def _words(label: str) -> list[str]:
    return re.findall("[a-z]+", label.lower())


def emotion_label(label: str) -> str | None:
    """``Disgust`` is ``disgusted``; ``None`` for what no model here knows."""
    return next((_EMOTION_OF[word] for word in _words(label) if word in _EMOTION_OF), None)


def event_labels(label: str) -> frozenset[str]:
    """``Speech+laughter`` is both; empty where the model has no class for it."""
    return frozenset(_EVENT_OF[word] for word in _words(label) if word in _EVENT_OF)


def has_voices(label: str) -> bool:
    """Whether there may be words in what is labelled so."""
    return not VOICES.isdisjoint(_words(label))


@dataclass(frozen=True)
class TagTally(Tally):
    """Label and answer of each recording; a label of several alternatives is joined by ``+``."""

    language: tuple[Pair, ...] = ()
    emotion: tuple[Pair, ...] = ()
    event: tuple[Pair, ...] = ()

    def figures(self) -> dict[str, object]:
        return {name: _figures(getattr(self, name)) for name in ("language", "emotion", "event")}


def _figures(pairs: tuple[Pair, ...]) -> dict[str, object] | None:
    if not pairs:
        return None
    confusion: dict[str, dict[str, int]] = {}
    for (label, answer), count in sorted(Counter(pairs).items()):
        confusion.setdefault(label, {})[answer] = count
    right = sum(answer in label.split("+") for label, answer in pairs)
    return {"n": len(pairs), "accuracy": ratio(right, len(pairs)), "confusion": confusion}


def heard_language(messages: Iterable[Message]) -> str:
    return _heaviest((final.language.code, _length(final)) for final in _finals(messages) if final.language)


def heard_emotion(messages: Iterable[Message]) -> str:
    return _heaviest((final.emotion.label, _length(final)) for final in _finals(messages) if final.emotion)


def heard_event(messages: Iterable[Message]) -> str:
    messages = list(messages)
    found = [(event.label, event.p * _length(final)) for final in _finals(messages) for event in final.events]
    found += [(sound.event, sound.p * max(1, sound.end_ms - sound.begin_ms)) for sound in messages if isinstance(sound, Sound)]
    return _heaviest(found)


def _finals(messages: Iterable[Message]) -> Iterable[FinalMessage]:
    return (message for message in messages if isinstance(message, FinalMessage))


def _length(final: FinalMessage) -> float:
    return max(1, final.end_ms - final.begin_ms)


def _heaviest(weighed: Iterable[tuple[str, float]]) -> str:
    weights: dict[str, float] = {}
    for label, weight in weighed:
        weights[label] = weights.get(label, 0.0) + weight
    return max(sorted(weights), key=lambda label: weights[label], default=NONE)
