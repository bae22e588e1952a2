"""A line chart as SVG, small enough to need no plotting library."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import Final

WIDTH: Final = 720
HEIGHT: Final = 400
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 64, 52
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's, which colour-blind people can tell apart."""


@dataclass(frozen=True, slots=True)
class Axis:
    """``log`` where values span decades; they must be positive then."""

    name: str
    log: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """Points from left to right. A ``bound`` is a dashed line across, at the first point's height."""

    name: str
    points: Sequence[tuple[float, float]]
    bound: bool = False


def chart(title: str, x: Axis, y: Axis, series: Sequence[Series]) -> str:
    """An SVG document. Raises ``ValueError`` where there is no point at all."""
    drawn = [one for one in series if one.points]
    across = _Scale([point[0] for one in drawn if not one.bound for point in one.points], x.log, LEFT, WIDTH - RIGHT)
    up = _Scale([point[1] for one in drawn for point in one.points], y.log, HEIGHT - BOTTOM, TOP, from_zero=True)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    for value in up.ticks:
        at = up(value)
        parts.append(f'<line x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{value:g}</text>')
    for value in across.ticks:
        parts.append(f'<text x="{across(value):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{value:g}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(x.name)}</text>')
    parts.append(f'<text x="16" y="{middle}" text-anchor="middle" transform="rotate(-90 16 {middle})">{escape(y.name)}</text>')
    parts += _lines(drawn, across, up)
    return "\n".join([*parts, "</svg>", ""])


def _lines(series: Sequence[Series], across: "_Scale", up: "_Scale") -> list[str]:
    parts, left = [], float(LEFT)
    for number, one in enumerate(series):
        colour = "#888" if one.bound else COLOURS[number % len(COLOURS)]
        dash = ' stroke-dasharray="6 4"' if one.bound else ""
        at = up(one.points[0][1])
        ends = [(LEFT, at), (WIDTH - RIGHT, at)]
        points = ends if one.bound else [(across(x), up(y)) for x, y in one.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        if not one.bound:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        parts.append(f'<line x1="{left}" y1="42" x2="{left + 18}" y2="42" stroke="{colour}" stroke-width="2"{dash}/>')
        parts.append(f'<text x="{left + 23}" y="46">{escape(one.name)}</text>')
        left += 40 + 6.5 * len(one.name)
    return parts


class _Scale:
    """Values to pixels, and where to mark them."""

    def __init__(self, values: Sequence[float], log: bool, begin: float, end: float, *, from_zero: bool = False) -> None:
        if not values:
            raise ValueError("there is nothing to draw")
        self._log, self._begin, self._end = log, begin, end
        low, high = min(values), max(values)
        if log:
            decades = range(floor(log10(low)), ceil(log10(high)) + 1)
            steps = (1, 2, 5) if len(decades) <= 4 else (1,)
            marks = [step * 10.0**decade for decade in decades for step in steps]
            inside = [mark for mark in marks if low <= mark <= high]
            self.ticks = [max([mark for mark in marks if mark <= low], default=low), *inside]
            self.ticks = sorted({*self.ticks, min([mark for mark in marks if mark >= high], default=high)})
        else:
            low = min(low, 0.0) if from_zero else low
            step = _step((high - low) or abs(high) or 1.0)
            self.ticks = [round(count * step, 9) for count in range(floor(low / step), ceil(high / step) + 1)]
        self._low, self._high = self._of(self.ticks[0]), self._of(self.ticks[-1])

    def __call__(self, value: float) -> float:
        share = (self._of(value) - self._low) / ((self._high - self._low) or 1.0)
        return self._begin + share * (self._end - self._begin)

    def _of(self, value: float) -> float:
        return log10(value) if self._log else value


def _step(span: float) -> float:
    """A round distance that gives about five marks."""
    decade = 10.0 ** floor(log10(span / 5))
    return next(step * decade for step in (1, 2, 5, 10) if step * decade >= span / 5)
