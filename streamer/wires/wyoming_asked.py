"""What a Wyoming client asks for, and what it is told of the server, in our words and in theirs."""

from collections.abc import Mapping
from typing import Any, Final

from streamer.core.events import AudioFormat, SessionCreated
from streamer.errors import InvalidSetting
from streamer.wires import bounds
from streamer.wires.languages import by_tag
from streamer.wires.wyoming_events import Unreadable, shown

WIDTH: Final = 2  # bytes of a sample
FORMAT: Final = ("rate", "width", "channels")
MAKERS: Final[Mapping[str, tuple[str, str]]] = {
    "SenseVoiceSmall": ("FunAudioLLM", "https://huggingface.co/FunAudioLLM/SenseVoiceSmall"),
    "moonshine": ("Moonshine AI", "https://github.com/moonshine-ai/moonshine"),
}
"""By how the model's name begins."""


def read_language(asked: Mapping[str, Any]) -> str:
    language = asked.get("language")
    return by_tag(language.replace("_", "-")) if isinstance(language, str) else "auto"


def read_hotwords(asked: Mapping[str, Any]) -> tuple[str, ...]:
    """Names first, which go before terms."""
    lists = [asked.get("transcript_names"), asked.get("transcript_terms")]
    return bounds.hotwords(word for words in lists if isinstance(words, list) for word in words if isinstance(word, str))


def read_format(said: Mapping[str, Any]) -> AudioFormat:
    """Of ``audio-start``. Raises ``Unreadable``."""
    rate, width, channels = (_number(said, name) for name in FORMAT)
    if width != WIDTH:
        raise Unreadable(f"width is {shown(width)}, expected {WIDTH}: samples of 16 bits, signed, little-endian")
    try:
        return AudioFormat(sample_rate=rate, channels=channels, mix=channels > 1)
    except InvalidSetting as error:
        raise Unreadable(str(error).replace("sample_rate", "rate")) from error


def check_chunk(said: Mapping[str, Any], shape: AudioFormat) -> None:
    """An ``audio-chunk`` may leave out what ``audio-start`` has said. Raises ``Unreadable`` where it says something else."""
    for name, value in zip(FORMAT, (shape.sample_rate, WIDTH, shape.channels), strict=True):
        if said.get(name, value) != value:
            raise Unreadable(f"{name} of an audio-chunk is {shown(said[name])}, expected {value}, as the audio began")


def told(shape: AudioFormat) -> str:
    return f"rate {shape.sample_rate} and channels {shape.channels}"


def program(created: SessionCreated) -> dict[str, Any]:
    """The server and its model, as ``info`` has them. What names no one else is told with empty strings: both must be there."""
    name, _, version = created.server.partition(" ")
    maker, url = next((maker for begin, maker in MAKERS.items() if created.model.startswith(begin)), ("unknown", ""))
    model = {
        "name": created.model,
        "description": created.notice or f"{created.model} on {created.device}",
        "attribution": {"name": maker, "url": url},
        "installed": True,
        "version": None,
        "languages": list(created.capabilities.languages),
    }
    return {
        "name": name,
        "description": created.notice or "words, language, emotion and sound events while people are still speaking",
        "attribution": {"name": name, "url": ""},
        "installed": True,
        "version": version,
        "models": [model],
        "supports_transcript_streaming": True,
        "requires_external_vad": True,
    }


def _number(said: Mapping[str, Any], name: str) -> int:
    value = said.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unreadable(f"{name} is {shown(value)}, expected a whole number; rate, width and channels say how audio is to be read")
    return value
