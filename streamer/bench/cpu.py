"""One model in several runtimes on this CPU, by turns in one run, so that what else the machine does falls on all of them.

What counts is processor time, which a busy machine stretches least; the ratios compare neighbours in time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter, process_time
from typing import Any, Final

import numpy as np

from streamer.bench.contestants import Contestant, ids_of
from streamer.bench.jobs import whole
from streamer.core.events import LANGUAGES, SAMPLE_RATE, Job, Samples

Clocks = tuple[Callable[[], float], Callable[[], float]]

CLOCKS: Final[Clocks] = (process_time, perf_counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """Which batches, of which lengths, how often. A batch of several is left out where it would be longer than ``max_audio_s``."""

    batches: Sequence[int] = (1, 4)
    lengths_s: Sequence[float] = (1.0, 3.0, 10.0)
    turns: int = 5
    max_audio_s: float = 12.0


def compare(runtimes: Mapping[str, Contestant], speech: Samples, shapes: Shapes, clocks: Clocks = CLOCKS) -> list[dict[str, Any]]:
    """A row for each shape and runtime: least CPU and wall milliseconds of a forward, ratio to the reference, agreement with its ids.

    ``ratio`` is the median over the turns of how many times as much CPU the reference took; the reference is the first runtime.
    """
    rows = []
    for batch in shapes.batches:
        for length_s in shapes.lengths_s:
            if batch == 1 or batch * length_s <= shapes.max_audio_s:
                rows += _shape(runtimes, speech, batch, length_s, shapes.turns, clocks)
    return rows


def _shape(
    runtimes: Mapping[str, Contestant], speech: Samples, batch: int, length_s: float, turns: int, clocks: Clocks
) -> list[dict[str, Any]]:
    reference = next(iter(runtimes))
    spent: dict[str, list[tuple[float, ...]]] = {name: [] for name in runtimes}
    same: dict[str, list[Any]] = {name: [] for name in runtimes}
    for turn in range(turns + 1):
        jobs = _jobs(speech, batch, length_s, turn)
        ids: dict[str, Any] = {}
        for name, runtime in runtimes.items():
            before = [clock() for clock in clocks]
            rows = runtime.rows(jobs)
            took = tuple(clock() - began for clock, began in zip(clocks, before, strict=True))
            ids[name] = ids_of(rows)
            if turn:  # the first warms up
                spent[name].append(took)
        for name, found in ids.items():
            same[name].append(found == ids[reference])
    return [
        {
            "runtime": name,
            "batch": batch,
            "length_s": length_s,
            "cpu_ms": round(1000 * min(cpu for cpu, _ in spent[name]), 1),
            "wall_ms": round(1000 * min(wall for _, wall in spent[name]), 1),
            "ratio": round(median(theirs[0] / ours[0] for theirs, ours in zip(spent[reference], spent[name], strict=True)), 2),
            "same_ids": round(float(np.concatenate(same[name]).mean()), 5),
        }
        for name in runtimes
    ]


def _jobs(speech: Samples, batch: int, length_s: float, turn: int) -> list[Job]:
    """Other pieces of the speech at every turn, in every language."""
    length = int(length_s * SAMPLE_RATE)
    jobs = []
    for n in range(batch):
        begin = (turn * batch + n) * 33_333 % max(1, len(speech) - length)
        jobs.append(whole(np.resize(speech[begin:], length), n, LANGUAGES[(turn + n) % len(LANGUAGES)]))
    return jobs
