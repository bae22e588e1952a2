"""What one client did and heard, small enough to be sent between processes."""

from array import array
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Heard:
    """A message, and when it came. ``audio_ms``: begin of ``speech.started``, newest sample of a result, end of ``speech.ended``."""

    at: float
    kind: str
    segment: int
    audio_ms: int
    note: str = ""
    """Text of a result (its first letters), reason of an end, code of an error."""


@dataclass(slots=True, kw_only=True)
class Trace:
    """``begin`` is when the first sample was due, 0 where no connection was had. ``speech`` are samples."""

    chunk_s: float
    speech: tuple[tuple[int, int], ...]
    samples: int
    begin: float = 0.0
    windowed: bool = False
    """The model has word times that partials of long segments may rely on."""
    heard: list[Heard] = field(default_factory=list)
    late_ms: "array[float]" = field(default_factory=lambda: array("f"))
    """How much later than due each chunk was handed to the socket."""
    failure: str | None = None

    def sent(self, sample: int) -> float:
        """When the chunk that holds this sample was due: when its last sample had been spoken."""
        chunk = round(self.chunk_s * 16_000)
        return self.begin + (sample // chunk + 1) * self.chunk_s

    @property
    def end(self) -> float:
        return self.begin + self.samples / 16_000
