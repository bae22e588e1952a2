"""The largest number of clients that a server serves well, by bisection."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

NEAR: Final = 0.05  # of the answer; closer is noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What being served well means."""

    partial_lag_ms: float = 300.0
    """p95. Beyond one refresh interval, refreshes are being skipped."""
    endpoint_to_final_ms: float = 150.0
    """p95."""
    partial_rate: float = 0.9
    """At least: a server that gives fewer partials under load would pass all the others."""
    lag_growth_ms: float = 100.0
    """Of the partial lag over the run, by its slope: a backlog that grows."""
    late_ms: float = 50.0
    """p99 of the generator itself; later, and the run says nothing of the server."""

    def missed(self, figures: Mapping[str, Any]) -> Iterator[str]:
        """A sentence for each bound that the figures of a run do not meet."""
        if figures["errors"]:
            yield f"{figures['errors']} errors"
        if not figures["finals"]:
            yield "no final came while all spoke"
        for name, share, bound in (
            ("late_ms", "p99", self.late_ms),
            ("partial_lag_ms", "p95", self.partial_lag_ms),
            ("endpoint_to_final_ms", "p95", self.endpoint_to_final_ms),
        ):
            value = figures[name][share]
            if value is not None and value > bound:
                yield f"{name} {share} is {value:.0f}, at most {bound:.0f}"
        growth_ms = (figures["lag_slope"] or 0.0) * figures["seconds"] / 60
        if growth_ms > self.lag_growth_ms:
            yield f"partial_lag_ms grew by {growth_ms:.0f} over {figures['seconds']:.0f} s, at most {self.lag_growth_ms:.0f}"
        rate = figures["partial_rate"]
        if rate is not None and rate < self.partial_rate:
            yield f"partial_rate is {rate:.2f}, at least {self.partial_rate:.2f}"


def largest(serves: Callable[[int], bool], first: int, limit: int) -> int:
    """The largest number for which ``serves`` holds, to within ``NEAR``; 0 where one client is too many.

    Doubles from ``first`` until it fails or ``limit`` is reached, then halves the distance. ``serves`` is never asked twice the same.
    """
    low, high = 0, limit + 1
    number = min(first, limit)
    while number < high:
        if serves(number):
            low, number = number, min(2 * number, limit)
            if low == limit:
                return low
        else:
            high = number
            number = low
            break
    while high - low > max(1, int(NEAR * low)):
        number = (low + high) // 2
        if serves(number):
            low = number
        else:
            high = number
    return low
