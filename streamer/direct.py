"""A WebSocket whose messages may be taken where they arrive, without a task that wakes up for each.

The library hands messages to whoever awaits ``recv``: a future, a task switch and two queues for 20 ms of audio. Where the reader would
only put a message aside, it lends its ears instead, and awaits the messages that need more.
"""

from collections.abc import Callable

from websockets.asyncio.server import ServerConnection
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.http11 import Request


class DirectConnection(ServerConnection):
    """The library's connection but for binary messages that come while ``take`` is set.

    A message that is not taken goes the usual way to ``recv``, and so does everything after it until ``take`` is set again, so that
    the order is kept. Set it only when about to await ``recv``.
    """

    take: Callable[[bytes], bool] | None = None
    """Takes a whole binary message, or gives False. May not raise."""

    def process_event(self, event: Request | Frame) -> None:  # type: ignore[override]
        """Called by the library for each frame that has arrived."""
        if self.take and isinstance(event, Frame) and event.opcode in DATA_OPCODES:
            if event.opcode is Opcode.BINARY and event.fin and self.take(bytes(event.data)):
                return
            self.take = None
        super().process_event(event)
