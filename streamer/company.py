"""Who else serves the same clients: nobody, or the other gateways behind the same port."""

from typing import Final, Protocol

from streamer.calls import Calls, Tell
from streamer.metrics import Metrics


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

    async def share(self, own: Calls) -> None:
        """Let the others' followers hear of these calls, until cancelled."""

    async def follow(self, call_id: str, tell: Tell) -> None:
        """Tell what the others say of a call, until cancelled."""


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

    async def share(self, own: Calls) -> None:
        return

    async def follow(self, call_id: str, tell: Tell) -> None:
        return
