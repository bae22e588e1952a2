"""What waits to be written to a client, and what was written and may not have arrived."""

import asyncio
from collections import deque
from typing import Final

from streamer.core.events import Heartbeat, Message, Partial
from streamer.record import Held
from streamer.wires import Payload, Said

REPLACED: Final = (Partial, Heartbeat)
"""Of which a newer one takes the place of one that still waits; nobody needs one that was lost."""


class Outbox:
    """Messages that wait to be written, and the close after them."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._messages: deque[Message | Said | Held] = deque()
        self._filled = asyncio.Event()
        self.close: tuple[int, str] | None = None

    def put(self, message: Message | Said | Held) -> bool:
        """Queue a message; False when the client does not read."""
        if isinstance(message, REPLACED):
            for n, waiting in enumerate(self._messages):
                if _replaces(message, waiting):
                    if isinstance(message, Heartbeat):  # what it calls answered has been told before it
                        del self._messages[n]
                        break
                    self._messages[n] = message
                    return True
        self._messages.append(message)
        self._filled.set()
        return len(self._messages) <= self._bound

    def __len__(self) -> int:
        return len(self._messages)

    def put_close(self, code: int, reason: str) -> None:
        self.close = self.close or (code, reason)
        self._filled.set()

    async def next(self) -> Message | Said | None:
        """The next message; ``None`` when only the close is left. What is being stored is waited for, and so is all behind it."""
        while not self._messages:
            if self.close:
                return None
            self._filled.clear()
            await self._filled.wait()
        first = self._messages[0]
        if not isinstance(first, Held):
            self._messages.popleft()
            return first
        warning = await first.settled()
        self._messages.popleft()
        if warning:
            self._messages.appendleft(warning)
        return first.message


def _replaces(new: Partial | Heartbeat, old: Message | Said | Held) -> bool:
    match new, old:
        case Partial(), Partial():
            return new.segment == old.segment
        case Heartbeat(), Heartbeat():
            return True
        case _:
            return False


KEPT: Final = 64  # messages that have arrived: a client may have lost some with the socket's own queue, before it saw them


class Unconfirmed:
    """Numbered messages that were written, until it is known that they have arrived, and the newest for a while longer."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._written: deque[tuple[int, Payload]] = deque()
        self._gone = 0  # the newest that is kept no longer

    def __len__(self) -> int:
        return len(self._written)

    def add(self, number: int, payload: Payload) -> None:
        self._written.append((number, payload))
        if len(self._written) > self._bound:
            self._forget()

    def confirm(self, number: int) -> None:
        """Everything up to this number has arrived."""
        while len(self._written) > KEPT and self._written[0][0] <= number:
            self._forget()

    def reaches(self, number: int) -> bool:
        """Whether all that came after this number is still known."""
        return number >= self._gone

    def after(self, number: int) -> list[Payload]:
        """What who has seen everything up to this number has missed."""
        return [payload for written, payload in self._written if written > number]

    def _forget(self) -> None:
        self._gone = self._written.popleft()[0]
