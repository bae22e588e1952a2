"""Clients that come back to a session whose socket was lost: what they say at the handshake, and who knows their sessions."""

from dataclasses import dataclass
from typing import Final, Protocol

from streamer.sockets import Socket

NOWHERE: Final = "no session waits for it; the window may be over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """The session's token, the number of the last message that the client saw, and the subprotocol it speaks now."""

    token: str
    after: int
    subprotocol: str | None


class Returns(Protocol):
    """The sessions of one process."""

    def why_not(self, back: Return) -> str | None:
        """Why the client cannot come back; ``None`` where it can."""

    async def come_back(self, socket: Socket, back: Return) -> None:
        """Go on with this socket, until it is done."""
