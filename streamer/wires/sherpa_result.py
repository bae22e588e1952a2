"""What sherpa-onnx's clients are told of a text: its tokens, their probabilities and what rides along, and a whole utterance as one."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, log
from typing import Any, Final

from streamer.core.events import ErrorSent, Word
from streamer.core.events import Final as FinalMessage
from streamer.core.richtext import EMOTION_TAGS, EVENT_TAGS, FLOOR_P, LANGUAGE_TAGS, parse
from streamer.wires.funasr_text import joined
from streamer.wires.languages import by_tag
from streamer.wires.sensevoice import heard

SPACE: Final = re.compile(r"\s*")
EMPTY, LOST = "<EMPTY>", "<ERROR>"  # for no text, and in place of a part that was lost
TAGS: Final = {
    "lang": {name: f"<|{name}|>" for name in LANGUAGE_TAGS},
    "emotion": {name: f"<|{name}|>" for name in EMOTION_TAGS},
    "event": {name: f"<|{name}|>" for name in EVENT_TAGS},
}


@dataclass(slots=True, eq=False)
class Utterance:
    """Where it lies in the session, and what was heard of it: finals, and errors in place of those that were lost."""

    begin_ms: int
    end_ms: float = inf  # before all of it has come
    parts: list[FinalMessage | ErrorSent] = field(default_factory=list)

    def seconds(self, ms: int) -> float:
        """From its beginning, and not beyond its end."""
        return (min(max(ms, self.begin_ms), self.end_ms) - self.begin_ms) / 1000


def language_of(query: Mapping[str, Sequence[str]]) -> str:
    """``?language=zh``; without, the model decides. sherpa-onnx has it among the options of the server."""
    return by_tag(query.get("language", ("",))[-1])


def tokens_of(text: str, words: Sequence[Word]) -> list[str]:
    """The words as sherpa-onnx writes tokens: with the space before them, so that together they are the text."""
    tokens, at = [], 0
    for word in words:
        begin = SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches anywhere
        if text.startswith(word.text, begin):
            tokens.append(text[at : begin + len(word.text)])
            at = begin + len(word.text)
        else:
            tokens.append(word.text)
    return tokens


def log_probabilities(words: Sequence[Word]) -> list[float]:
    """One for each word; none at all where the model does not know them."""
    known = [word.confidence for word in words if word.confidence is not None]
    return [round(log(max(p, FLOOR_P)), 6) for p in known] if len(known) == len(words) else []


def text_of(utterance: Utterance) -> str:
    """As sherpa-onnx's Python server answers: never nothing, which a client could not see."""
    return joined(LOST if isinstance(part, ErrorSent) else part.text for part in utterance.parts) or EMPTY


def result_of(utterance: Utterance) -> dict[str, Any]:
    """As its C++ server answers. All segments are one, with the tags of the first that says something."""
    finals = [part for part in utterance.parts if isinstance(part, FinalMessage)]
    errors = [part.message for part in utterance.parts if isinstance(part, ErrorSent)]
    text = joined(final.text for final in finals)
    words = [word for final in finals for word in final.words]
    first = next((final for final in finals if final.text), finals[0] if finals else None)
    tagged = parse(first.raw_text if first else "")
    return {
        **{name: tagged.first(tags) or "" for name, tags in TAGS.items()},
        "text": text,
        "timestamps": [utterance.seconds(word.begin_ms) for word in words],
        "durations": [(word.end_ms - word.begin_ms) / 1000 for word in words],
        "tokens": tokens_of(text, words),
        "ys_log_probs": log_probabilities(words),
        "words": [],  # ids, of which our models have none
        "sensevoice": [
            {"begin": utterance.seconds(final.begin_ms), "end": utterance.seconds(final.end_ms), **heard(final)} for final in finals
        ],
        **({"error": "; ".join(errors)} if errors else {}),
    }
