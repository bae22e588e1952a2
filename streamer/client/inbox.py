"""Events that wait to be read. Bounded: whoever does not read holds the server back, as the wire wants it."""

import asyncio
from collections import deque
from typing import Final

from streamer.core.events import Heartbeat, Message, Partial

BOUND: Final = 1_000


class Inbox:
    """A newer partial takes the place of one of its segment that still waits, a newer heartbeat that of an older one."""

    def __init__(self, bound: int = BOUND) -> None:
        self._bound = bound
        self._events: deque[Message] = deque()
        self._news, self._room = asyncio.Event(), asyncio.Event()
        self._over = False
        self._error: BaseException | None = None

    async def put(self, event: Message) -> None:
        """Waits while too many are unread."""
        if isinstance(event, Partial | Heartbeat):
            self._events = deque(waiting for waiting in self._events if not _replaces(event, waiting))
        while len(self._events) >= self._bound and not self._over:
            self._room.clear()
            await self._room.wait()
        self._events.append(event)
        self._news.set()

    def finish(self, error: BaseException | None = None) -> None:
        """No more comes; after what waits, ``error`` is raised. The first time counts."""
        if not self._over:
            self._over, self._error = True, error
            self._news.set()
            self._room.set()

    async def get(self) -> Message | None:
        """The next event; ``None`` after the last, every time."""
        while not self._events:
            if self._over:
                if self._error:
                    raise self._error
                return None
            self._news.clear()
            await self._news.wait()
        self._room.set()
        return self._events.popleft()


def _replaces(new: Message, old: Message) -> bool:
    if isinstance(new, Partial):
        return isinstance(old, Partial) and old.segment == new.segment
    return isinstance(old, Heartbeat)
