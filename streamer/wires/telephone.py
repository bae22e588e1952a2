"""What the telephone's wires have in common: what the query says of a call, and values as clients write them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streamer.core.events import CHANNEL_NAME, HIGHEST_RATE, LOWEST_RATE, Partial
from streamer.core.events import Final as FinalMessage
from streamer.wires import Refused

CUSTOMER: Final = "customer"
AGENT: Final = "agent"
MIXED: Final = "mixed"
CALL_ID: Final = 128  # characters
CALL_NAMES: Final = ("call", "callid", "callsid", "uuid", "calluuid", "conversationuuid", "conversationid")
"""Under which a call's id comes, in this order, however it is written (see ``named``)."""
MOST_CHANNELS: Final = 2
HEARD: Final = ("begin_ms", "end_ms", "language", "emotion", "events", "confidence")
HEARD_AT_LAST: Final = (*HEARD, "itn", "raw_text", "withheld")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the query says; ``None`` where it says nothing. It has the last word over what comes in messages."""

    call: str | None
    names: tuple[str, ...]
    """Of the channels, from ``channel``, which comes once for each."""
    channels: int | None
    rate: int | None
    language: str | None
    interim: bool


def read_query(query: Mapping[str, Sequence[str]]) -> Asked:
    """``call``, ``channel``, ``channels``, ``rate``, ``language`` and ``interim``. Raises ``Refused`` with status 400."""
    names = tuple(name for name in query.get("channel", ()) if name)
    channels = _channels(_last(query, "channels")) or len(names) or None
    if len(names) > MOST_CHANNELS or any(len(name) > CHANNEL_NAME for name in names):
        raise Refused(400, f"channel names {names}, expected at most {MOST_CHANNELS} of at most {CHANNEL_NAME} characters")
    if names and len(names) != channels:
        raise Refused(400, f"channels is {channels}, but channel names {', '.join(names)}; give one channel=name for each")
    told = _last(query, "rate")
    rate = rate_of(told)
    if told and rate is None:
        raise Refused(400, f"rate is {told[:40]!r}, expected samples a second, such as 8000 or 16k")
    return Asked(
        call=call_id(_last(query, "call")),
        names=names,
        channels=channels,
        rate=rate,
        language=_last(query, "language"),
        interim=(_last(query, "interim") or "").lower() in ("true", "1"),
    )


def named(said: object, *names: str) -> Any:
    """The first value under one of these names in a client's object: ``callSid``, ``call_sid`` and ``Call-Sid`` are ``callsid``."""
    found = {_plain(name): value for name, value in said.items()} if isinstance(said, dict) else {}
    return next((found[name] for name in names if found.get(name) is not None), None)


def call_id(value: object) -> str | None:
    """A text or a number that can name a call."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value) if isinstance(value, str) or abs(value) < 1 << 63 else ""
    return text if 0 < len(text) <= CALL_ID else None


def rate_of(value: object) -> int | None:
    """``8000``, ``"8000"`` and ``"8k"`` alike; ``None`` for what is no rate of audio."""
    if isinstance(value, str):
        digits = value.lower().removesuffix("k")
        if not digits.isascii() or not digits.isdecimal() or len(digits) > len(str(HIGHEST_RATE)):
            return None
        value = int(digits) * (1_000 if digits != value.lower() else 1)
    if isinstance(value, bool) or not isinstance(value, int | float) or not LOWEST_RATE <= value <= HIGHEST_RATE:
        return None
    return int(value)


def text_of(value: object) -> str:
    return value if isinstance(value, str) else ""


def heard(message: Partial | FinalMessage) -> dict[str, Any]:
    """What our model knows beyond words, as it rides along on wires that let other fields through."""
    return {name: getattr(message, name) for name in (HEARD_AT_LAST if isinstance(message, FinalMessage) else HEARD)}


def transcript(message: Partial | FinalMessage) -> str:
    return (message.text if isinstance(message, FinalMessage) else message.stable + message.unstable).strip()


def _channels(text: str | None) -> int | None:
    if not text:
        return None
    if text not in ("1", "2"):
        raise Refused(400, f"channels is {text[:40]!r}, expected 1 or 2")
    return int(text)


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _last(query: Mapping[str, Sequence[str]], name: str) -> str | None:
    values = query.get(name)
    return values[-1] if values else None
