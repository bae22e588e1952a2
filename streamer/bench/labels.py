"""What is known of a recording, and how the kinds of labels in a manifest say it.

Kinds, by the words in them (a kind of several parts, such as ``emotion|transcript``, has a label of as many parts):

    transcript                 the text; noisy speech: the same, usually without one
    vad start,end,is_speech    triples in seconds, after an optional name
    vad_ms                     JSON pairs of speech in milliseconds
    diarization, rttm          turns of an RTTM file
    emotion                    one label
    event, sound, music        one or more; an event that is no voice also says that there are no words
    noise, silence             there are no words
    stereo                     the channels are heard apart, one speaker each; what the label quotes is not all they say
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from streamer.bench import spans
from streamer.bench.spans import Spans
from streamer.bench.tags import emotion_label, event_labels, has_voices
from streamer.core.richtext import written_without_spaces


class Unusable(Exception):
    """This recording cannot be scored; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """``None`` where nothing is known."""

    language: str | None = None
    speech: Spans | None = None
    """Where speech is, of channel 0, in milliseconds."""
    text: str | None = None
    """All that is said."""
    apart: bool = False
    """Each channel is a speaker, and is streamed as a channel of its own."""
    emotion: str | None = None
    events: frozenset[str] | None = None
    """Any of these is right; the model's own labels."""
    nonspeech: bool = False
    """There is not one word in it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a manifest: the audio file, its folder, and what the line says of it."""

    audio: Path
    folder: Path
    kind: str
    label: str
    language: str | None


LANGUAGE_NAMES: Final = {
    "en": "en eng english",
    "zh": "zh cmn chi zho chinese mandarin",
    "yue": "yue cantonese zh-hk zh-yue",
    "ja": "ja jpn jp japanese",
    "ko": "ko kor kr korean",
}
_BY_NAME: Final = {name: code for code, names in LANGUAGE_NAMES.items() for name in names.split()}


def language_code(given: str, text: str = "") -> str | None:
    """``en_US``, ``English`` and ``eng`` are ``en``; without a name the letters of ``text`` decide. Other languages keep their code."""
    name = given.strip().lower().replace("_", "-")
    if name.strip("-"):
        return _BY_NAME.get(name) or _BY_NAME.get(name.split("-")[0]) or name.split("-")[0]
    if re.search("[\u3040-\u30ff]", text):
        return "ja"
    if re.search("[\uac00-\ud7af]", text):
        return "ko"
    if any(map(written_without_spaces, text)):
        return "zh"
    return "en" if re.search("[a-zA-Z]", text) else None


def read_labels(row: Row) -> Labels:
    """Raises ``Unusable`` with the reason."""
    kinds, parts = row.kind.lower().split("|"), row.label.split("|")
    known = Labels(language=row.language)
    if len(kinds) == 1:
        return _reader(row.kind)(row, known)
    for kind, part in zip(kinds, parts, strict=False):
        known = _reader(kind)(replace_label(row, part), known)
    return known


def replace_label(row: Row, label: str) -> Row:
    return replace(row, label=label.strip())


def _transcript(row: Row, known: Labels) -> Labels:
    if not any(map(str.isalnum, row.label)):
        raise Unusable(f"kind is {row.kind!r}, but there is no text to compare with")
    speech = spans.from_alignments(row.audio)
    return replace(known, text=row.label, speech=speech, language=known.language or language_code("", row.label))


def _speech(row: Row, known: Labels) -> Labels:
    found = spans.from_label(row.label, milliseconds="ms" in row.kind.lower())
    if found is None:
        raise Unusable(f"label begins {row.label[:40]!r}, expected start,end,is_speech triples or JSON pairs of speech")
    return replace(known, speech=found)


def _turns(row: Row, known: Labels) -> Labels:
    found = spans.from_rttm(row.label, row.audio, row.folder)
    if found is None:
        raise Unusable("no RTTM file named in the label or beside the recording has turns of it")
    return replace(known, speech=found)


def _emotion(row: Row, known: Labels) -> Labels:
    label = emotion_label(row.label)
    if label is None:
        raise Unusable(f"emotion is {row.label!r}, which is none that the model has")
    return replace(known, emotion=label)


def _event(row: Row, known: Labels) -> Labels:
    events = event_labels(row.label)
    return replace(known, events=events or None, nonspeech=not has_voices(row.label))


def _noise(row: Row, known: Labels) -> Labels:
    if has_voices(row.label):
        raise Unusable(f"label is {row.label!r}: there may be words in it, so none can be counted as invented")
    return replace(known, nonspeech=True)


def _stereo(row: Row, known: Labels) -> Labels:
    return replace(known, apart=True)


def _no_labels(reason: str) -> "Reader":
    def refuse(row: Row, known: Labels) -> Labels:
        raise Unusable(reason)

    return refuse


Reader = Callable[[Row, Labels], Labels]
READERS: Final[Mapping[str, Reader]] = {
    "noisy speech": _transcript,
    "transcript": _transcript,
    "text": _transcript,
    "vad": _speech,
    "is_speech": _speech,
    "diari": _turns,
    "rttm": _turns,
    "emotion": _emotion,
    "event": _event,
    "sound": _event,
    "music": _event,
    "noise": _noise,
    "silence": _noise,
    "stereo": _stereo,
    "rir": _no_labels("a room impulse response is no recording of a room"),
    "overlap": _no_labels("overlapped speech without its texts has nothing to compare with"),
}
"""By a part of the kind; the first that is found in it."""


def _reader(kind: str) -> Reader:
    lowered = kind.strip().lower()
    for part, reader in READERS.items():
        if part in lowered:
            return reader
    raise Unusable(f"kind is {kind!r}, expected one with any of: {', '.join(READERS)}")
