"""The engine's contract. An engine is owned by one thread, the scheduler's; nothing here knows of sockets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from streamer.core.events import Failed, Hypothesis, Job, ModelInfo
from streamer.errors import JobError


class OutOfMemory(JobError):
    """The device cannot hold this batch; a smaller one may fit. Raised by an engine once it has given back what it had taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """What warming cost: ``forwards`` is one row ``(batch, audio_s, ms)`` per forward pass that was run."""

    seconds: float
    forwards: tuple[tuple[int, float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """How the scheduler may fill one batch for this engine."""

    max_items: int
    max_audio_s: float
    buckets_s: tuple[float, ...]
    """Upper edges of the length buckets; jobs of one batch lie in one bucket, but for the padding that is free. Without edges
    all jobs are in one."""
    free_padding_s: float = 0.0
    """Padding in one batch that costs less than another forward: the fixed cost of a forward times the seconds of audio decoded in a
    second. Nothing on a CPU, tens of seconds on a GPU."""
    packed: bool = False
    """Nothing is ever padded: a batch costs what its audio costs together."""

    def decoded_s(self, lengths_s: Sequence[float]) -> float:
        """Seconds of audio that a batch of these lengths is to the engine, padding included."""
        return sum(lengths_s) if self.packed else max(lengths_s, default=0.0) * len(lengths_s)


class Engine(Protocol):
    """A speech model. All calls after construction come from one thread."""

    @property
    def info(self) -> ModelInfo:
        """What the model is and can do. Available at once, before ``warm_up``."""

    @property
    def batch_limits(self) -> BatchLimits:
        """Bounds that the scheduler keeps."""

    def warm_up(self) -> WarmUp:
        """Run real forward passes over the batch and length buckets that will be used."""

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis | Failed]:
        """Decode a batch: one answer per job, in order. One bad item never sinks the others; what it raises sinks the batch.

        Raises ``OutOfMemory`` where fewer or shorter jobs may still be decoded.
        """

    def close(self) -> None:
        """Free the device."""
