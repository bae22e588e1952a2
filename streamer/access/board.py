"""Where sessions and audio are counted, by name: in memory for a server in one process, in ``workers/board.py`` for one in several."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

FORGOTTEN: Final = 10_000  # names whose audio is remembered before those that are over are looked for


class NoRoom(Exception):
    """A sentence for the client: one more name cannot be counted."""


class Board(Protocol):
    """The counts of the whole server."""

    def take(self, name: str, most: int) -> bool:
        """Count one more session, unless there would be more than ``most``, 0 for no bound. Raises ``NoRoom``."""

    def leave(self, name: str) -> None:
        """A session that was counted is over."""

    def hear(self, name: str, more_ms: int, until: float) -> int:
        """Add audio; how much there was in all, in ms. Kept while there are sessions, and until then in s. Raises ``NoRoom``."""


class Memory:
    """One process is the whole server. It has room for all."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._sessions: Counter[str] = Counter()
        self._heard: dict[str, tuple[int, float]] = {}

    def take(self, name: str, most: int) -> bool:
        if most and self._sessions[name] >= most:
            return False
        self._sessions[name] += 1
        return True

    def leave(self, name: str) -> None:
        self._sessions[name] -= 1
        if self._sessions[name] <= 0:
            del self._sessions[name]

    def hear(self, name: str, more_ms: int, until: float) -> int:
        heard_ms = self._heard.get(name, (0, 0.0))[0] + more_ms
        if more_ms:
            if name not in self._heard and len(self._heard) >= FORGOTTEN:
                now = self._clock()
                self._heard = {known: heard for known, heard in self._heard.items() if known in self._sessions or heard[1] > now}
            self._heard[name] = (heard_ms, until)
        return heard_ms
