"""The configuration that FunASR's clients send as JSON text: all of it first, and what changes of it later."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from streamer.core.events import LANGUAGES, AudioFormat, Encoding, Settings
from streamer.errors import InvalidSetting
from streamer.wires import bounds
from streamer.wires.plain import read_json

MODES: Final = ("offline", "online", "2pass")
SHOWN: Final = 200  # characters of a wav_name, which every message repeats
DIGITS: Final = 6  # of a rate that comes as text


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a client wants, as of its newest message."""

    mode: str = "2pass"
    wav_name: str = "microphone"
    format: AudioFormat = field(default_factory=AudioFormat)
    settings: Settings = field(default_factory=lambda: Settings(sounds=False))

    @property
    def contained(self) -> bool:
        return self.format.encoding is Encoding.CONTAINER


def read_config(message: Mapping[str, Any], before: Asked) -> Asked:
    """``before`` with what the message says; names that are not known are ignored. Raises ``InvalidSetting``."""
    mode = message.get("mode") or before.mode
    if mode not in MODES:
        raise InvalidSetting("mode", mode, "one of " + ", ".join(MODES))
    changes: dict[str, Any] = {"partials": mode != "offline"}
    if isinstance(language := message.get("svs_lang"), str):
        changes["language"] = language if language in LANGUAGES else "auto"
    for name in ("itn", "svs_itn"):  # the second is SenseVoice's own
        if name in message:
            changes["itn"] = _flag(message[name])
    if "hotwords" in message:
        changes["hotwords"] = read_hotwords(message["hotwords"])
    wav_name = message.get("wav_name")
    return Asked(
        mode=mode,
        wav_name=wav_name[:SHOWN] if wav_name and isinstance(wav_name, str) else before.wav_name,
        format=_format(message, before.format),
        settings=replace(before.settings, **changes),
    )


def read_hotwords(value: object) -> tuple[str, ...]:
    """A JSON object of words and weights, itself or as a string; or a string of words between spaces or commas."""
    if isinstance(value, str):
        try:
            inner = read_json(value)
        except (ValueError, RecursionError):
            inner = None
        value = inner if isinstance(inner, dict | list) else value.replace(",", " ").split()
    words = value if isinstance(value, dict | list) else ()
    return bounds.hotwords(word.strip() for word in words if isinstance(word, str))


def _format(message: Mapping[str, Any], before: AudioFormat) -> AudioFormat:
    encoding, rate = before.encoding, message.get("audio_fs", before.sample_rate)
    if name := message.get("wav_format"):
        encoding = Encoding.PCM_S16LE if str(name).lower() == "pcm" else Encoding.CONTAINER
    if isinstance(rate, str) and rate.isascii() and rate.isdecimal() and len(rate) <= DIGITS:
        rate = int(rate)
    if not isinstance(rate, int) or isinstance(rate, bool):
        raise InvalidSetting("audio_fs", rate, "a whole number, such as 16000")
    return AudioFormat(encoding=encoding, sample_rate=rate)


def _flag(value: object) -> bool:
    return value.lower() not in ("", "0", "false") if isinstance(value, str) else bool(value)
