"""How often a segment is decoded by a server that is never late: the rule of ``core.channel``, from begin and end alone."""

from typing import Final

from streamer.core.channel import FIRST_PARTIAL_MS, PARTIAL_GROWTH, PARTIAL_MS, WINDOW_KEEP_MS, WINDOW_MS
from streamer.core.endpointer import PRE_ROLL_MS

ONSET_MS: Final = 80  # of speech until a segment opens, about
FRAME_MS: Final = 32  # of the judge: partials are asked for between frames


def nominal_partials(begin_ms: int, end_ms: int, *, windowed: bool) -> int:
    """Partials of a segment as the server tells it: from the pre-roll before its speech to the tail after it.

    ``windowed``: partials of a long segment hear its end only.
    """
    at = begin_ms + PRE_ROLL_MS + ONSET_MS + FIRST_PARTIAL_MS
    window, count = begin_ms, 0
    while at <= end_ms:
        count += 1
        if windowed and at - window > WINDOW_MS:
            window = at - WINDOW_KEEP_MS
        step = max(PARTIAL_MS, (at - window) * PARTIAL_GROWTH)
        at += -(-int(step) // FRAME_MS) * FRAME_MS
    return count
