"""What the server asks of whatever schedules its jobs: one device's thread, several of them, or an engine process far away."""

from collections.abc import Callable, Sequence
from typing import Protocol

from streamer.core.events import Job, ModelInfo
from streamer.engine import WarmUp
from streamer.engine.scheduler import Answered, Batch, Deliver, Health


class Scheduling(Protocol):
    """Every submitted job gets exactly one answer. Calls come from one thread, the one that answers and changes of health are told in."""

    @property
    def health(self) -> Health: ...
    @property
    def info(self) -> ModelInfo | None:
        """Of the model, once it is known; it stays while the engine restarts."""

    @property
    def warm_up(self) -> WarmUp | None: ...
    @property
    def failure(self) -> Exception | None:
        """Why no engine could be built."""

    @property
    def devices(self) -> "Sequence[Scheduling]":
        """Its parts, one for each device."""

    @property
    def queued_ms(self) -> int:
        """Audio that waits for the engine."""

    @property
    def queued_jobs(self) -> int: ...

    @property
    def delay_s(self) -> float:
        """How long a newcomer's jobs would wait, by the speed of late."""

    def start(self) -> None: ...

    def on_health(self, changed: Callable[[Health], None]) -> None:
        """Call this whenever the health changes."""

    def submit(self, job: Job, answered: Answered) -> None:
        """Queue a job; ``answered`` is called exactly once, and not before this returns."""

    def promote(self, session: str, segment: int) -> None:
        """The queued speculation of this segment has become its final."""

    def discard(self, session: str, segment: int | None = None) -> None:
        """Drop a segment's queued jobs that are not finals, or everything of a session that is gone."""

    def close(self, timeout_s: float = 10.0) -> None:
        """Answer what is queued, free the engine. Blocks: call it in a thread of its own where answers are told on a loop."""


Open = Callable[[Deliver, Callable[[Batch], None]], Scheduling]
"""Makes what schedules a server's jobs, from the way to its loop and who is told of each batch."""
