"""The sockets of one session, one after the other: a client whose socket was lost comes back on another."""

import asyncio
from dataclasses import dataclass, field

from streamer.sockets import Socket


@dataclass(frozen=True, slots=True)
class Visit:
    """One socket, and from which message on its client has missed what was said; ``None`` for the first."""

    socket: Socket
    after: int | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the session has no more to do with the socket."""


class Visits:
    """Who came back and waits to be served."""

    def __init__(self) -> None:
        self._next: Visit | None = None
        self._came = asyncio.Event()
        self._closed = False

    def offer(self, visit: Visit) -> None:
        """The newest counts: a client that comes twice has lost the first."""
        self._let_go()
        if self._closed:
            visit.done.set()
        else:
            self._next = visit
            self._came.set()

    async def next(self, window_s: float) -> Visit | None:
        """Who comes back within the window; ``None`` where nobody does, or nobody may any more."""
        try:
            async with asyncio.timeout(window_s):
                while not self._next and not self._closed:
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            pass
        visit, self._next = self._next, None
        return visit

    def close(self) -> None:
        """Nobody may come back any more."""
        self._closed = True
        self._let_go()
        self._came.set()

    def _let_go(self) -> None:
        if self._next:
            self._next.socket.abort()
            self._next.done.set()
            self._next = None
