"""Who else serves the same clients: nobody, or the other gateways behind the same port."""

from typing import Final, Protocol

from streamer.calls import Calls, Tell
from streamer.direct import DirectConnection
from streamer.metrics import Metrics
from streamer.returning import NOWHERE, Returns
from streamer.wires import Back


class Company(Protocol):
    """What a server asks of the others."""

    @property
    def shares_port(self) -> bool:
        """Whether others listen on the same port."""

    @property
    def judge_threads(self) -> int | None:
        """For the judge of frames; ``None`` leaves it to the cores."""

    def sessions(self, own: int) -> int:
        """Say how many sessions are open here; how many there are in all."""

    def ready(self, own: bool) -> bool:
        """Say whether this one lets sessions in; whether whoever a client may meet does."""

    async def exposition(self, own: Metrics) -> bytes:
        """The numbers of all."""

    async def share(self, calls: Calls, returns: Returns) -> None:
        """Let the others' followers hear of these calls, and their clients come back to sessions here, until cancelled."""

    async def follow(self, call_id: str, tell: Tell) -> None:
        """Tell what the others say of a call, until cancelled."""

    async def why_not(self, back: Back) -> str | None:
        """Why a client cannot come back to a session of the others; ``None`` where it can."""

    async def pass_on(self, socket: DirectConnection, back: Back) -> None:
        """Let a client speak with a session of the others, until either is done."""


class Alone:
    """One process is the whole server."""

    shares_port: Final = False
    judge_threads: Final = None

    def sessions(self, own: int) -> int:
        return own

    def ready(self, own: bool) -> bool:
        return own

    async def exposition(self, own: Metrics) -> bytes:
        return own.exposition()

    async def share(self, calls: Calls, returns: Returns) -> None:
        return

    async def follow(self, call_id: str, tell: Tell) -> None:
        return

    async def why_not(self, back: Back) -> str | None:
        return NOWHERE

    async def pass_on(self, socket: DirectConnection, back: Back) -> None:
        socket.abort()  # the session has ended since it was asked for
