"""Retention: sessions that ended too long ago are deleted, whole."""

from typing import Final

from streamer.store import Store

AT_A_TIME: Final = 100
DAY_MS: Final = 86_400_000


def expire(store: Store, before_ms: int) -> int:
    """Delete what ended before then; how many sessions that were. Idempotent, and several may do it at once."""
    gone = 0
    while sessions := store.expired(before_ms, AT_A_TIME):
        gone += len(store.delete(sessions))
    return gone
