"""Clients that come back to a session whose socket was lost: who knows their sessions."""

from typing import Final, Protocol

from streamer.sockets import Socket
from streamer.wires import Back

NOWHERE: Final = "no session waits for it; the window may be over"


class Returns(Protocol):
    """The sessions of one process."""

    def why_not(self, back: Back) -> str | None:
        """Why the client cannot come back; ``None`` where it can."""

    async def come_back(self, socket: Socket, back: Back) -> None:
        """Go on with this socket, until it is done."""
