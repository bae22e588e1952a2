"""What may be chosen where a carrier is pointed here: in the query of the address, or in the parameters that its ``start`` carries.

Both are texts. Names that are not known are ignored, as they are there for others too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streamer.core.events import Settings
from streamer.errors import InvalidSetting
from streamer.wires import bounds
from streamer.wires.languages import LANGUAGES, by_tag
from streamer.wires.loose import in_text

INBOUND: Final = "inbound"
OUTBOUND: Final = "outbound"
BOTH: Final = (INBOUND, OUTBOUND)
AGENT: Final = "agent"
CUSTOMER: Final = "customer"
TRACKS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys((INBOUND, "inbound_track"), (INBOUND,)),
    **dict.fromkeys((OUTBOUND, "outbound_track"), (OUTBOUND,)),
    **dict.fromkeys(("both", "both_tracks"), BOTH),
}
UNDECIDED: Final = ("", "auto", "multi")
YES: Final = ("true", "1", "yes", "on")
NO: Final = ("false", "0", "no", "off")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was chosen; ``call`` and ``tracks`` take the place of what the carrier says."""

    settings: Settings
    call: str | None
    tracks: tuple[str, ...] | None
    inbound: str

    def role(self, track: str) -> str:
        """Who speaks on a track. The other one is the other one's."""
        return self.inbound if track == INBOUND else AGENT if self.inbound == CUSTOMER else CUSTOMER


def of_query(query: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The last of what a name was given, but all of the hotwords."""
    return {name: ",".join(values) if name == "hotwords" else values[-1] for name, values in query.items() if values}


def read_options(given: Mapping[str, str]) -> tuple[Options, list[InvalidSetting]]:
    """What was chosen as far as it can be followed, and why the rest cannot."""
    found: dict[str, Any] = {}
    errors = []
    for name, read in READERS.items():
        if name in given:
            try:
                found[name] = read(name, given[name].strip())
            except InvalidSetting as error:
                errors.append(error)
    call, tracks, inbound = found.pop("call", None), found.pop("track", None), found.pop("inbound", CUSTOMER)
    return Options(settings=Settings(**found), call=call, tracks=tracks, inbound=inbound), errors


def _language(name: str, text: str) -> str:
    found = by_tag(text)
    if found == "auto" and text.lower() not in UNDECIDED:
        raise InvalidSetting(name, text, f"one of {', '.join(dict.fromkeys(LANGUAGES.values()))} with or without a region, or auto")
    return found


def _flag(name: str, text: str) -> bool:
    if text.lower() not in YES + NO:
        raise InvalidSetting(name, text, "true or false")
    return text.lower() in YES


def _endpoint_silence_ms(name: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > len("100000"):
        raise InvalidSetting(name, text, "whole milliseconds")
    return Settings(endpoint_silence_ms=int(text)).endpoint_silence_ms


def _one_of(*names: str) -> Callable[[str, str], str]:
    def read(name: str, text: str) -> str:
        if text.lower() not in names:
            raise InvalidSetting(name, text, " or ".join(names))
        return text.lower()

    return read


def _tracks(name: str, text: str) -> tuple[str, ...]:
    if text.lower() not in TRACKS:
        raise InvalidSetting(name, text, f"one of {', '.join(TRACKS)}")
    return TRACKS[text.lower()]


def _hotwords(name: str, text: str) -> tuple[str, ...]:
    return bounds.hotwords(word.strip() for word in text.split(","))


READERS: Final[Mapping[str, Callable[[str, str], Any]]] = {
    "language": _language,
    "itn": _flag,
    "partials": _flag,
    "sounds": _flag,
    "emotion_trend": _flag,
    "endpoint_silence_ms": _endpoint_silence_ms,
    "hotwords": _hotwords,
    "inbound": _one_of(CUSTOMER, AGENT),
    "track": _tracks,
    "call": lambda name, text: in_text(text),
}
