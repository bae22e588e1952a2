"""One file per wire protocol: what came over the socket to a session's inputs, and its messages to what goes out. No I/O."""

from collections.abc import Iterable
from typing import Protocol

from streamer.core.events import Input, Message


class Wire(Protocol):
    """One client's wire. It may remember what it needs to read the next message."""

    def decode(self, data: str | bytes) -> Iterable[Input]:
        """One WebSocket message to inputs. Never raises for what a client sends: what cannot be read becomes ``Rejected``."""

    def encode(self, message: Message) -> str | bytes:
        """One message of the session to one WebSocket message."""
