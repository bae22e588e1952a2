"""What is wrong with this machine, line by line: each with a verdict and what to do about it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is. With a ``FAIL`` the main job cannot run; with a ``WARN`` it runs slower or does less."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Line:
    """One finding. ``advice`` is what to do, empty where nothing need be done; ``values`` are its numbers, units in their names."""

    verdict: Verdict
    said: str
    advice: str = ""
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at; ``look`` finds a line or several."""

    name: str
    look: Callable[[], Iterable[Line]]


def ok(said: str, **values: float) -> Line:
    return Line(Verdict.OK, said, values=values)


def warn(said: str, advice: str, **values: float) -> Line:
    return Line(Verdict.WARN, said, advice, values)


def fail(said: str, advice: str, **values: float) -> Line:
    return Line(Verdict.FAIL, said, advice, values)


def examine(checks: Sequence[Check], *, begin: Callable[[Check], None] = lambda check: None) -> Iterator[tuple[Check, Line]]:
    """Make each check and give its lines; one that breaks is a line too. ``begin`` is told before each, in case one never comes back."""
    for check in checks:
        begin(check)
        try:
            for line in check.look():
                yield check, line
        except Exception as fault:  # noqa: BLE001 - a broken machine breaks in any way, and the other checks must still be made
            said = str(fault) or "no reason given"
            yield check, fail(f"{type(fault).__name__}: {said}", "mend this first, or ask with this line at hand")
