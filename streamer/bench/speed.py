"""What forwards of an engine cost, shape by shape, alone on the machine: no scheduler, no socket, no partials."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, cycle
from statistics import median
from time import perf_counter
from typing import Any, Final

import numpy as np

from streamer.bench.jobs import whole
from streamer.bench.machine import gpu_name
from streamer.core.events import SAMPLE_RATE, Failed, Samples
from streamer.engine import Engine, OutOfMemory
from streamer.engine.load import load_engine
from streamer.engine.models import Found
from streamer.engine.rows import RowEngine
from streamer.errors import ConfigurationError

LEAST_RUNS: Final = 3
MOST_RUNS: Final = 50
SHIFT: Final = 4_321  # samples; every item hears something else, every time


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which shapes, and how long to look at each. Shapes beyond the engine's own batch limits are left out."""

    batches: Sequence[int] = (1, 2, 4, 8, 16, 32, 64, 128)
    lengths_s: Sequence[float] = (1.0, 2.0, 5.0, 10.0, 30.0)
    seconds: float = 1.0
    """For each shape, once it was run ``LEAST_RUNS`` times."""
    longest_s: float = 20.0
    """A shape whose forward would take longer, by the one before it, is left out."""


def measure(
    found: Found,
    device: str,
    speech: Samples,
    plan: Plan,
    *,
    precision: str = "auto",
    graphs: bool = True,
    unread: bool = False,
) -> dict[str, Any]:
    """Load, warm up and measure one engine. Times in ms, ``peak`` in MB of this process and of its CUDA device.

    ``unread`` leaves the reading of rows, where an engine gives rows, to somebody else. Meant for a process of its own: the peak is the
    process's. Raises what loading raises, and ``ConfigurationError`` for a failed item.
    """
    began = perf_counter()
    engine = load_engine(found, device, precision=precision, graphs=graphs)
    if unread and isinstance(engine, RowEngine):
        engine.reader.postponed = True
    loaded = perf_counter()
    try:
        engine.warm_up()
        warm = perf_counter()
        forwards = [row for length_s in plan.lengths_s for row in _lengthwise(engine, speech, length_s, plan)]
        info = engine.info
        return {
            "model": info.name,
            "device": info.device,
            "gpu": gpu_name(info.device),
            "precision": precision,
            "packed": engine.batch_limits.packed,
            "load_s": round(loaded - began, 2),
            "warm_up_s": round(warm - loaded, 2),
            "forwards": forwards,
            "batch_1_ms": {f"{row['length_s']:g}": row["ms"] for row in forwards if row["batch"] == 1},
            "best_audio_s_per_s": max((row["audio_s_per_s"] for row in forwards), default=None),
            "fit": fit([(row["batch"] * row["length_s"], row["ms"]) for row in forwards]),
            "peak": peak_memory(info.device),
        }
    finally:
        engine.close()


def fit(points: Sequence[tuple[float, float]]) -> dict[str, float] | None:
    """``ms = fixed_ms + 1000 * padded_s / audio_s_per_s``, by least squares of relative errors; ``None`` of fewer than two sizes."""
    if len({padded_s for padded_s, _ in points}) < 2:
        return None
    padded, ms = np.array(points, np.float64).T
    design = np.stack((np.ones_like(padded), padded), axis=1) / ms[:, None]
    fixed_ms, ms_per_s = np.linalg.lstsq(design, np.ones_like(ms), rcond=None)[0]
    if fixed_ms < 0:  # nothing is fixed: through the origin
        fixed_ms, ms_per_s = 0.0, float((padded / ms).sum() / ((padded / ms) ** 2).sum())
    return {"fixed_ms": round(float(fixed_ms), 3), "audio_s_per_s": round(1000 / float(ms_per_s), 1)}


def peak_memory(device: str) -> dict[str, float | None]:
    """The most this process has held so far, in MB, and what torch has held on its CUDA device."""
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rss_mb = most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6
    torch = sys.modules.get("torch")
    cuda_mb = torch.cuda.max_memory_reserved(device) / 1e6 if torch and device.startswith("cuda") else None
    return {"rss_mb": round(rss_mb, 1), "cuda_mb": None if cuda_mb is None else round(cuda_mb, 1)}


def _lengthwise(engine: Engine, speech: Samples, length_s: float, plan: Plan) -> list[dict[str, Any]]:
    limits, rows = engine.batch_limits, list[dict[str, Any]]()
    for batch in plan.batches:
        if batch > 1 and (batch > limits.max_items or batch * length_s > limits.max_audio_s):
            break
        if rows and rows[-1]["ms"] * batch / rows[-1]["batch"] > 1000 * plan.longest_s:
            break
        try:
            ms = _forward_ms(engine, speech, batch, length_s, plan)
        except OutOfMemory:
            break
        rows.append({"batch": batch, "length_s": length_s, "ms": round(ms, 3), "audio_s_per_s": round(1000 * batch * length_s / ms, 1)})
    return rows


def _forward_ms(engine: Engine, speech: Samples, batch: int, length_s: float, plan: Plan) -> float:
    """The median, after one that does not count."""
    length = int(length_s * SAMPLE_RATE)
    if length > len(speech):
        speech = np.resize(speech, length + SHIFT)
    offsets = cycle(range(0, len(speech) - length + 1, SHIFT))
    numbers = count()
    took: list[float] = []
    over = perf_counter() + plan.seconds
    while len(took) <= LEAST_RUNS or (perf_counter() < over and len(took) <= MOST_RUNS):
        jobs = [whole(speech[(at := next(offsets)) : at + length], next(numbers)) for _ in range(batch)]
        before = perf_counter()
        answers = engine.transcribe(jobs)
        took.append(1000 * (perf_counter() - before))
        for answer in answers:
            if isinstance(answer, Failed):
                raise ConfigurationError(f"{engine.info.name} could not decode {length_s:g} s of speech: {answer.reason}")
    return median(took[1:])
