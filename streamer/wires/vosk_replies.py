"""Vosk's replies. Each has exactly one of ``partial``, ``text`` and ``alternatives``, and seconds from the first sample.

What our model knows beyond Vosk's is under ``sensevoice``, segment by segment: clients read the names that they know.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from streamer.core.events import Final as FinalMessage
from streamer.core.events import Partial, Word
from streamer.wires.funasr_text import joined
from streamer.wires.plain import to_json
from streamer.wires.sensevoice import heard
from streamer.wires.vosk_config import Config

CERTAIN: Final = 1.0  # what Vosk says where it has no confidence; clients leave out words with a low one
ESCAPE: Final = re.compile(r"\\.")


def partial(finals: Sequence[FinalMessage], spoken: Sequence[Partial]) -> dict[str, Any]:
    """What is being said. ``finals`` have nothing to say, but were heard since the last reply."""
    text = joined((one.stable + one.unstable).strip() for one in spoken)
    return {"partial": text, **_heard([*map(heard, finals), *map(heard, spoken)])}


def final(finals: Sequence[FinalMessage], config: Config) -> dict[str, Any]:
    """What was said since the last reply, which may be several segments or none."""
    words = [_word(word) for one in finals for word in one.words if word.text.strip()]
    found: dict[str, Any] = {"result": words} if words and config.words else {}
    found["text"] = said(finals)
    if config.alternatives:
        confidences = [one.confidence for one in finals if one.text and one.confidence is not None]
        found = {"alternatives": [{"confidence": min(confidences, default=CERTAIN), **found}]}
    return found | _heard([heard(one) for one in finals])


def said(finals: Sequence[FinalMessage]) -> str:
    return joined(one.text.strip() for one in finals)


def written(reply: Mapping[str, Any], *, blank: bool) -> str:
    """A reply as JSON in which no two quotation marks stand side by side: what is empty becomes one space.

    FreeSWITCH's mod_vosk drops a whole reply that has ``""`` anywhere, be it an empty string or the end of a text that ends in a
    quotation mark: those of texts are written as ``\\u0022``. It also takes a reply with ``"partial"`` in it for a partial one, which
    in a final can only be somebody's word. Without ``blank`` a reply that says nothing, and only that, is written as Vosk does.
    """
    text = ESCAPE.sub(lambda found: "\\u0022" if found[0] == '\\"' else found[0], to_json(reply))
    if "partial" not in reply:
        text = text.replace('"partial"', '"\\u0070artial"')
    return text.replace('""', '" "') if blank or _says(reply) else text


def _says(reply: Mapping[str, Any]) -> bool:
    told = reply["alternatives"][0] if "alternatives" in reply else reply
    return bool(told.get("partial") or told.get("text"))


def _word(word: Word) -> dict[str, Any]:
    confidence = CERTAIN if word.confidence is None else word.confidence
    return {"conf": confidence, "end": word.end_ms / 1000, "start": word.begin_ms / 1000, "word": word.text.strip()}


def _heard(known: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"sensevoice": known} if known else {}
