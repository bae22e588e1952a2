"""The query of Deepgram's ``/v1/listen``: everything that a session is to do is said in it.

Values come as text, booleans as ``true`` and ``false``. Names that are not known, and known ones that no model here can follow, are
ignored, as clients send them all; a value that cannot be read, or audio that cannot be decoded, refuses the handshake.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streamer.core.events import MAX_CHANNELS, AudioFormat, Encoding, Settings, Start
from streamer.errors import InvalidSetting
from streamer.wires import Refused, bounds
from streamer.wires.languages import by_tag

Query = Mapping[str, Sequence[str]]

ENCODINGS: Final[Mapping[str, Encoding]] = {
    "linear16": Encoding.PCM_S16LE,
    "linear32": Encoding.PCM_F32LE,
    "mulaw": Encoding.MULAW,
    "alaw": Encoding.ALAW,
    "opus": Encoding.CONTAINER,
    "ogg-opus": Encoding.CONTAINER,
    "flac": Encoding.CONTAINER,
}
TELEPHONE: Final = (Encoding.MULAW, Encoding.ALAW)
TELEPHONE_RATE: Final = 8_000
LARGEST: Final = 1_000_000  # of any number; most have bounds of their own
ITN_FEATURES: Final = ("punctuate", "smart_format", "numerals")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the query asks for. ``channels`` are those of the results."""

    start: Start
    channels: int
    vad_events: bool


def read_query(query: Query) -> Asked:
    """Raises ``Refused`` with status 400."""
    channels = _integer(query, "channels", 1, MAX_CHANNELS) or 1
    apart = channels > 1 and _flag(query, "multichannel")
    try:
        audio = _audio(query, channels, mix=channels > 1 and not apart)
        settings = Settings(
            language=by_tag(_last(query, "language") or ""),
            itn=any(_flag(query, name) for name in ITN_FEATURES),
            partials=_flag(query, "interim_results"),
            partial_words=_flag(query, "interim_results"),
            sounds=False,
            hotwords=_hotwords(query),
            endpoints=(_last(query, "endpointing") or "").lower() != "false",
            endpoint_silence_ms=_endpoint_silence_ms(query),
            quiet_ms=bounds.quiet_ms(_integer(query, "utterance_end_ms", 0, LARGEST) or 0),
        )
    except InvalidSetting as error:
        raise _refused(str(error)) from None
    return Asked(start=Start(audio, settings), channels=channels if apart else 1, vad_events=_flag(query, "vad_events"))


def read_changes(message: Mapping[str, Any]) -> dict[str, Any] | None:
    """What ``Configure`` changes of a session's settings; ``None`` where it cannot be read."""
    keyterms, features = message.get("keyterms"), message.get("features")
    changes: dict[str, Any] = {}
    if keyterms is not None:
        if not isinstance(keyterms, list) or not all(isinstance(term, str) for term in keyterms):
            return None
        changes["hotwords"] = bounds.hotwords(keyterms)
    if features is not None:
        if not isinstance(features, dict) or not all(isinstance(value, bool) for value in features.values()):
            return None
        if own := [features[name] for name in ITN_FEATURES if name in features]:
            changes["itn"] = any(own)
    return changes


def _audio(query: Query, channels: int, *, mix: bool) -> AudioFormat:
    encoding, rate = _encoding(query), _integer(query, "sample_rate", 1, LARGEST)
    if encoding is Encoding.CONTAINER:  # which knows its own rate
        return AudioFormat(encoding=encoding, channels=channels, mix=mix)
    if rate is None and encoding not in TELEPHONE:
        raise _refused("sample_rate is missing, expected the rate of your raw audio, such as 16000")
    return AudioFormat(encoding=encoding, sample_rate=rate or TELEPHONE_RATE, channels=channels, mix=mix)


def _encoding(query: Query) -> Encoding:
    name = _last(query, "encoding")
    if name is None:
        return Encoding.CONTAINER
    if name.lower() not in ENCODINGS:
        raise _refused(f"encoding is {name[:40]!r}, expected one of {', '.join(ENCODINGS)}, or none for audio in a container")
    return ENCODINGS[name.lower()]


def _endpoint_silence_ms(query: Query) -> int:
    """Ours where nothing is said, or only whether."""
    if (_last(query, "endpointing") or "true").lower() in ("true", "false"):
        return Settings().endpoint_silence_ms
    return bounds.endpoint_silence_ms(_integer(query, "endpointing", 0, LARGEST) or 0)


def _hotwords(query: Query) -> tuple[str, ...]:
    """Of ``keyterm``, and of ``keywords`` without the strength that may follow a colon."""
    terms = [*query.get("keyterm", ()), *(word.partition(":")[0] for word in query.get("keywords", ()))]
    return bounds.hotwords(terms)


def _integer(query: Query, name: str, low: int, high: int) -> int | None:
    text = _last(query, name)
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > len(str(high)) or not low <= int(text) <= high:
        raise _refused(f"{name} is {text[:40]!r}, expected a whole number from {low} to {high}")
    return int(text)


def _flag(query: Query, name: str) -> bool:
    return (_last(query, name) or "").lower() in ("true", "1")


def _last(query: Query, name: str) -> str | None:
    values = query.get(name)
    return values[-1] if values else None


def _refused(sentence: str) -> Refused:
    return Refused(400, sentence, {"dg-error": sentence})
