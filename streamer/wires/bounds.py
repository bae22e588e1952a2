"""What other protocols leave open, brought within what a session may be set to."""

from collections.abc import Iterable
from typing import Final

from streamer.core.events import ENDPOINT_SILENCE_MS, HOTWORDS, QUIET_MS

CLOSE_REASON: Final = 123  # bytes


def endpoint_silence_ms(value: int) -> int:
    """The nearest that is allowed."""
    return _within(ENDPOINT_SILENCE_MS, value)


def quiet_ms(value: int) -> int:
    """The nearest that is allowed; zero stays zero, which tells nothing."""
    return _within(QUIET_MS, value) if value else 0


def hotwords(words: Iterable[str]) -> tuple[str, ...]:
    """The first so many that are not empty, and as much of each."""
    return tuple(word[:HOTWORDS] for word in words if word)[:HOTWORDS]


def close_reason(sentence: str) -> str:
    """As much of it as a close frame has room for."""
    return sentence.encode()[:CLOSE_REASON].decode(errors="ignore")


def _within(bounds: tuple[int, int], value: int) -> int:
    low, high = bounds
    return min(max(value, low), high)
