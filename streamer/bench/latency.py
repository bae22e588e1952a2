"""Figures of latencies: percentiles by nearest rank, and how they change over time."""

from collections.abc import Iterable, Sequence
from math import ceil
from typing import Final

SHARES: Final = {"p50": 0.50, "p95": 0.95, "p99": 0.99}

Quantiles = dict[str, float | None]
"""``p50``, ``p95`` and ``p99``, each a value that was really measured; ``None`` where nothing was."""


def quantiles(values: Iterable[float]) -> Quantiles:
    """The smallest values that at least 50, 95 and 99 % do not exceed, to a tenth."""
    ordered = sorted(values)
    return {name: round(ordered[max(0, ceil(share * len(ordered)) - 1)], 1) if ordered else None for name, share in SHARES.items()}


def slope(points: Sequence[tuple[float, float]]) -> float | None:
    """Least squares: change of the second for one of the first; ``None`` where all points have the same first."""
    if not points:
        return None
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else None


def fairness(shares: Sequence[float]) -> float | None:
    """Jain's index: 1 where all have the same, 1/n where one has everything."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else None
