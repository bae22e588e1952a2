"""What Vosk's clients say that is not audio.

Vosk's own server knows ``eof`` and ``reset`` by comparing whole strings. Its clients write them as they like, with any spaces and values,
and some have one socket for all and send them in binary messages.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Final

from streamer.core.events import HIGHEST_RATE, LOWEST_RATE, RATE_STEP
from streamer.errors import InvalidAudio
from streamer.wires import bounds
from streamer.wires.plain import read_json

TELEPHONE_RATE: Final = 8_000
COMMANDS: Final = ("config", "eof", "reset")
COMMAND_BYTES: Final = 4_096  # a binary message that is longer is audio, and is not looked at
UNKNOWN_WORD: Final = "[unk]"  # of a grammar: whatever is none of its phrases


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What is in force. The rate cannot change once audio has begun."""

    sample_rate: int = TELEPHONE_RATE
    hotwords: tuple[str, ...] = ()
    words: bool = True
    alternatives: bool = False


def read_command(data: str | bytes) -> dict[str, Any] | None:
    """``config``, ``eof`` or ``reset``, as text or in a binary message; ``None`` for all else."""
    if isinstance(data, bytes) and (len(data) > COMMAND_BYTES or not data.lstrip().startswith(b"{")):
        return None
    try:
        value = read_json(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    known = "config" in value or any(value.get(name) for name in COMMANDS)
    return value if known else None


def read_config(values: Mapping[str, Any], before: Config) -> Config:
    """The configuration after these changes; names that are not known are ignored. Raises ``InvalidAudio`` for a rate nobody can follow."""
    changes: dict[str, Any] = {}
    if values.get("sample_rate") is not None:
        changes["sample_rate"] = _rate(values["sample_rate"])
    if isinstance(phrases := values.get("phrase_list"), list):
        changes["hotwords"] = bounds.hotwords(phrase for phrase in phrases if isinstance(phrase, str) and phrase != UNKNOWN_WORD)
    if "words" in values:
        changes["words"] = bool(values["words"])
    if "max_alternatives" in values:
        changes["alternatives"] = (_number(values["max_alternatives"]) or 0) >= 1
    return replace(before, **changes)


def _rate(value: object) -> int:
    """The nearest that can be resampled: at most 12 Hz away, 0.3 % of the lowest, which nobody hears."""
    number = _number(value)
    rate = round(number / RATE_STEP) * RATE_STEP if number is not None else 0
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        expected = f"a number from {LOWEST_RATE} to {HIGHEST_RATE} Hz"
        raise InvalidAudio(f"sample_rate is {str(value)[:40]!r}, expected {expected}; send it before the first audio")
    return rate


def _number(value: object) -> float | None:
    """Of 16000, 48000.0 and "16000": jigasi writes the second, BigBlueButton the third."""
    try:
        number = float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None
    return number if number is not None and isfinite(number) else None
