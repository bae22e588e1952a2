"""What a client of OpenAI's Realtime asks of its session: ``session.update``, and the flat ``transcription_session.update`` before it.

Names that are not known, and values that cannot be read, leave things as they are, as the answer shows. Only audio that nobody
could decode is an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streamer.core.events import AudioFormat, Encoding, Settings
from streamer.errors import InvalidAudio, InvalidSetting
from streamer.wires import bounds
from streamer.wires.languages import by_tag

LOGPROBS: Final = "item.input_audio_transcription.logprobs"
PCM_RATE: Final = 24_000
TELEPHONE_RATE: Final = 8_000
DEFAULT_FORMAT: Final = AudioFormat(sample_rate=PCM_RATE)
DEFAULTS: Final = Settings(sounds=False)
NAMES: Final[Mapping[str, Encoding]] = {
    "audio/pcm": Encoding.PCM_S16LE,
    "audio/pcmu": Encoding.MULAW,
    "audio/pcma": Encoding.ALAW,
}
LEGACY_NAMES: Final[Mapping[str, str]] = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
EAGERNESS_MS: Final[Mapping[str, int]] = {"low": 1_200, "medium": 600, "auto": 600, "high": 300}
"""Silence after which a turn counts as over. No model here judges whether a sentence is complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What one message changes; ``None`` where it says nothing of it."""

    format: AudioFormat | None
    changes: Mapping[str, Any]
    """Of the session's settings."""
    logprobs: bool | None


def read_update(session: Mapping[str, Any]) -> Update:
    """Either shape. Raises ``InvalidAudio``."""
    spoken = _mapping(_mapping(session.get("audio")).get("input"))
    transcription = _mapping(spoken.get("transcription", session.get("input_audio_transcription")))
    turns = spoken if "turn_detection" in spoken else session
    changes = _language(transcription) | _hotwords(transcription)
    if "turn_detection" in turns:
        changes |= _turns(turns["turn_detection"])
    include = session.get("include")
    return Update(
        format=_format(spoken.get("format", session.get("input_audio_format"))),
        changes=changes,
        logprobs=LOGPROBS in include if isinstance(include, list) else None,
    )


def told_session(format: AudioFormat, settings: Settings, *, model: str, include: Sequence[str], legacy: bool) -> dict[str, Any]:
    """What is in force, whatever it was asked as, in either shape."""
    name = next(name for name, encoding in NAMES.items() if encoding is format.encoding)
    transcription = {"model": model, "language": None if settings.language == "auto" else settings.language, "prompt": ""}
    turns = {"type": "server_vad", "silence_duration_ms": settings.endpoint_silence_ms} if settings.endpoints else None
    if legacy:
        flat = next(flat for flat, ours in LEGACY_NAMES.items() if ours == name)
        return {
            "object": "realtime.transcription_session",
            "input_audio_format": flat,
            "input_audio_transcription": transcription,
            "turn_detection": turns,
            "include": include,
        }
    shape = {"type": name, "rate": format.sample_rate} if name == "audio/pcm" else {"type": name}
    spoken = {"format": shape, "transcription": transcription, "turn_detection": turns, "noise_reduction": None}
    return {"type": "transcription", "object": "realtime.transcription_session", "audio": {"input": spoken}, "include": include}


def _format(asked: object) -> AudioFormat | None:
    if asked is None:
        return None
    if isinstance(asked, str):
        asked = {"type": LEGACY_NAMES.get(asked, asked)}
    shape = _mapping(asked)
    name = shape.get("type")
    encoding = NAMES.get(name) if isinstance(name, str) else None
    if encoding is None:
        raise InvalidAudio(f"the audio format is {str(name)[:40]!r}, expected one of {', '.join(NAMES)}")
    if encoding is not Encoding.PCM_S16LE:
        return AudioFormat(encoding=encoding, sample_rate=TELEPHONE_RATE)
    rate = shape.get("rate", PCM_RATE)
    try:
        return AudioFormat(sample_rate=rate if isinstance(rate, int) else 0)
    except InvalidSetting as error:
        raise InvalidAudio(f"the audio cannot be read: {error}") from None


def _turns(asked: object) -> dict[str, Any]:
    if asked is None:
        return {"endpoints": False}
    turns = _mapping(asked)
    silence, eagerness = turns.get("silence_duration_ms"), turns.get("eagerness", "auto")
    if turns.get("type") == "semantic_vad":
        known = isinstance(eagerness, str) and eagerness in EAGERNESS_MS
        return {"endpoints": True} | ({"endpoint_silence_ms": EAGERNESS_MS[eagerness]} if known else {})
    if isinstance(silence, int):
        return {"endpoints": True, "endpoint_silence_ms": bounds.endpoint_silence_ms(silence)}
    return {"endpoints": True}


def _language(transcription: Mapping[str, Any]) -> dict[str, Any]:
    """``language``, or ``languages`` where it is only one."""
    match transcription:
        case {"language": str(tag)} | {"languages": [str(tag)]}:
            return {"language": by_tag(tag)}
        case {"language": None} | {"languages": list()}:
            return {"language": "auto"}
        case _:
            return {}


def _hotwords(transcription: Mapping[str, Any]) -> dict[str, Any]:
    """``keywords``, and what stands between the commas of ``prompt``."""
    keywords, prompt = transcription.get("keywords"), transcription.get("prompt")
    if keywords is None and prompt is None:
        return {}
    terms: Sequence[object] = [
        *(keywords if isinstance(keywords, list) else ()),
        *(prompt.split(",") if isinstance(prompt, str) else ()),
    ]
    return {"hotwords": bounds.hotwords(term.strip() for term in terms if isinstance(term, str))}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
