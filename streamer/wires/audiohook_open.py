"""What AudioHook's ``open`` offers and what is taken of it, and the durations and languages of its messages."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streamer.core.events import AudioFormat, Encoding
from streamer.errors import InvalidSetting
from streamer.wires.telephone import AGENT, CUSTOMER
from streamer.wires.tracks import SILENCE

ENCODINGS: Final = {"PCMU": Encoding.MULAW, "L16": Encoding.PCM_S16LE}  # L16 in the byte order of Genesys' own sample service
NAMES: Final = {"external": CUSTOMER, "internal": AGENT}
CHANNEL_IDS: Final = {"external": 0, "internal": 1}
NOBODY: Final = "00000000-0000-0000-0000-000000000000"
"""The conversation of a probe, with which Genesys Cloud tries whether a connection can be made."""
TAGS: Final[Mapping[str, Sequence[str]]] = {
    "zh": ("zh-CN", "cmn-CN"),
    "en": ("en-US", "en-AU", "en-GB", "en-IN", "en-NZ", "en-ZA"),
    "yue": ("zh-HK",),
    "ja": ("ja-JP",),
    "ko": ("ko-KR",),
}
"""Of each language of ours, as Genesys writes them; the first is the one that is said of what was heard."""
_DURATION: Final = re.compile(r"PT(\d{0,9}(?:\.\d{0,12})?)S", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """What was taken of the offer, word for word, and how it is heard."""

    offered: Mapping[str, Any]
    format: AudioFormat
    channel_ids: tuple[int, ...]
    """Genesys' number of each channel of ours: 0 for external, 1 for internal."""

    @property
    def frame_bytes(self) -> int:
        return self.format.channels * len(SILENCE[self.format.encoding])

    def silence(self, ms: int) -> bytes:
        return SILENCE[self.format.encoding] * (self.format.channels * (ms * self.format.sample_rate // 1000))

    def ms(self, count: int) -> int:
        """Bytes to milliseconds."""
        return count // self.frame_bytes * 1000 // self.format.sample_rate


def choose(offers: object) -> Media | None:
    """Both sides if they can be had, else the first that can be heard, in the client's order; ``None`` where none can."""
    known = [offer for offer in (offers if isinstance(offers, list) else []) if isinstance(offer, dict)]
    found = [media for offer in known if (media := _media(offer))]
    return max(found, key=lambda media: media.format.channels, default=None)


def _media(offer: dict[str, Any]) -> Media | None:
    match offer:
        case {"type": "audio", "format": str(code), "channels": [*sides], "rate": int(rate)} if code in ENCODINGS and _are_sides(sides):
            pass
        case _:
            return None
    names = tuple(NAMES[side] for side in sides)
    try:
        audio = AudioFormat(encoding=ENCODINGS[code], sample_rate=rate, channels=len(sides), channel_names=names)
    except InvalidSetting:
        return None
    return Media(offered=offer, format=audio, channel_ids=tuple(CHANNEL_IDS[side] for side in sides))


def _are_sides(sides: list[Any]) -> bool:
    return len(sides) in (1, 2) and all(isinstance(side, str) and side in NAMES for side in sides) and len(set(sides)) == len(sides)


def duration(ms: int) -> str:
    """``PT1.25S``, without needless digits."""
    seconds = f"{ms / 1000:.3f}".rstrip("0").rstrip(".")
    return f"PT{seconds}S"


def read_duration(value: object) -> int | None:
    """Milliseconds of ``PT1.25S``."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if not found or not found[1].strip("."):
        return None
    return round(float(found[1]) * 1000)


def tags(languages: Sequence[str]) -> list[str]:
    """A model's languages, as a client that asks for them is told."""
    return [tag for language in languages for tag in TAGS.get(language, ())]
