"""What was heard, as AudioHook's event entities: ``transcript``, and beside it ``sensevoice`` for what that has no field for."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from streamer.core.events import Final as FinalMessage
from streamer.core.events import Language, Partial, Word
from streamer.wires.audiohook_open import TAGS, duration
from streamer.wires.languages import by_tag
from streamer.wires.plain import to_json
from streamer.wires.telephone import heard, transcript

LONGEST: Final = 60_000  # characters of a message; Genesys reads 65,535

Entity = Mapping[str, Any]
Position = Callable[[int], int]
"""Milliseconds of the session to milliseconds of the client's stream, which differ where audio was discarded."""


def entities(message: Partial | FinalMessage, session: str, channel_id: int, position: Position, tag: str) -> tuple[Entity, ...]:
    """Of one result; ``tag`` is the client's own name for the language it asked for, or empty."""
    own = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{session}/{message.segment}"))
    final = isinstance(message, FinalMessage)
    interpretation: dict[str, Any] = {"type": "display", "transcript": transcript(message)}
    if final or message.words:
        interpretation["tokens"] = _tokens(message.words, position)
    data = {
        "id": own,
        "channelId": channel_id,
        "isFinal": final,
        "offset": duration(position(message.begin_ms)),
        "duration": duration(message.end_ms - message.begin_ms),
        "alternatives": [
            {"confidence": message.confidence or 0.0, **_languages(message.language, tag), "interpretations": [interpretation]},
        ],
    }
    if len(to_json(data)) > LONGEST:
        interpretation["tokens"] = []
    return {"type": "transcript", "data": data}, {"type": "sensevoice", "data": {"id": own, **heard(message)}}


def _languages(language: Language | None, tag: str) -> dict[str, list[str]]:
    if not language or language.code not in TAGS:
        return {}
    return {"languages": [tag if tag and by_tag(tag) == language.code else TAGS[language.code][0]]}


def _tokens(words: Sequence[Word], position: Position) -> list[dict[str, Any]]:
    return [
        {
            "type": "word",
            "value": word.text.strip(),
            "confidence": word.confidence or 0.0,
            "offset": duration(position(word.begin_ms)),
            "duration": duration(word.end_ms - word.begin_ms),
        }
        for word in words
    ]
