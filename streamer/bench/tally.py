"""Counts that add up: a figure over many recordings comes from the sum of their counts, never from the mean of their figures."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import ceil
from typing import Self

DIGITS = 4  # of a share; more would be noise


@dataclass(frozen=True)
class Tally:
    """Base of all counts: fields are numbers or tuples, and ``+`` adds them one by one."""

    def __add__(self, other: Self) -> Self:
        return type(self)(**{field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)})


def ratio(part: float, whole: float) -> float | None:
    """``None`` where there is nothing to take a share of."""
    return round(part / whole, DIGITS) if whole else None


def nearest_rank(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least ``share`` of the values do not exceed; ``None`` of no values."""
    if not values:
        return None
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]
