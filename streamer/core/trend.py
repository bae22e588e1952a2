"""An emotion per channel that changes slowly: single segments are unreliable, a stretch of them less so."""

from math import exp
from typing import Final

from streamer.core.events import Scores

TIME_CONSTANT_MS: Final = 30_000  # of speech, not of the clock: after 30 s of another mood it has moved by 63 %


class Trend:
    """Exponential smoothing of scores, each segment weighted by how long it was."""

    def __init__(self) -> None:
        self._scores: dict[str, float] | None = None

    def update(self, scores: Scores, duration_ms: int) -> Scores:
        """Take one segment's scores; give the smoothed ones. The first segment stands for itself."""
        if self._scores is None:
            self._scores = dict(scores)
        keep = exp(-duration_ms / TIME_CONSTANT_MS)
        self._scores = {label: keep * self._scores.get(label, 0.0) + (1 - keep) * p for label, p in scores.items()}
        return {label: round(p, 4) for label, p in self._scores.items()}
