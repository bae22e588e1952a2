"""A whole comparison: engines by turns, and servers one after the other, on one checkpoint."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streamer.bench.load.speech import phrases_at_hand
from streamer.bench.peers.engines import Contender, Ours, Upstream, compare, load_upstream, segments_of
from streamer.bench.peers.limit import ceilings, peaks
from streamer.bench.peers.meeting import Plan, meet
from streamer.bench.peers.servers import FINALS_ONLY, OURS, SERVERS, WITH_PARTIALS, Place, running
from streamer.core.events import SAMPLE_RATE, Samples
from streamer.engine.device import installed
from streamer.engine.folder import describe
from streamer.errors import ConfigurationError

Told = Callable[[str], None]


def measure_engines(
    folder: Path,
    *,
    device: str,
    threads: int,
    batches: Sequence[int] = (64,),
    count: int = 24,
    turns: int = 5,
    told: Told = lambda sentence: None,
) -> dict[str, Any]:
    """``engines``, the first of which is ours, on ``count`` segments, and the ``limit`` for the same audio. Raises ``StreamerError``."""
    segments = segments_of(_speech(told), count)
    rows = compare(_contenders(folder, device, threads, batches), segments, turns, told=told)
    peak = peaks(device, sorted({1, threads}))
    return {"engines": rows, "limit": ceilings(describe(folder), [len(samples) / SAMPLE_RATE for samples in segments], peak)}


def measure_servers(place: Place, names: Sequence[str], *, clients: Sequence[int], count: int, told: Told) -> dict[str, Any]:
    """``servers``, a row for each and each number of clients, and ``absent``, the reasons of those that gave none."""
    clips = segments_of(_speech(told), count)
    rows: list[dict[str, Any]] = []
    absent: dict[str, str] = {}
    for name in names:
        try:
            if reason := SERVERS[name].missing(place) if name in SERVERS else None:
                absent[name] = reason
            else:
                rows += _server(name, place, clips, clients, told)
        except ConfigurationError as error:  # the others can still be measured
            absent[name] = str(error)
    return {"servers": beside(rows), "absent": absent}


def beside(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows, each with ``times_as_long`` and ``times_the_cpu`` of our server's before the same clients.

    In real time that is how long the final text is waited for, by the median; else how long all of the clips take. A server that gives no
    partials is compared with ours that gives none. ``None`` where either side has no figure.
    """
    ours = {(row["server"], row["clients"], row["paced"]): row for row in rows if row["server"] in OURS}
    found = []
    for row in rows:
        quiet = row["server"] in SERVERS and not SERVERS[row["server"]].partials
        mine = ours.get((FINALS_ONLY if quiet else WITH_PARTIALS, row["clients"], row["paced"]), {})
        found.append({**row, "times_as_long": _ratio(_wait(row), _wait(mine)), "times_the_cpu": _ratio(*map(_cpu, (row, mine)))})
    return found


def _wait(row: Mapping[str, Any]) -> float | None:
    """Milliseconds for a final text, or seconds of work for one of audio."""
    found: float | None
    if row.get("paced"):
        found = row["final_ms"]["p50"]
    else:
        found = 1 / row["audio_s_per_s"] if row.get("audio_s_per_s") else None
    return found


def _cpu(row: Mapping[str, Any]) -> float | None:
    found: float | None = row.get("cpu_s_per_audio_s")
    return found


def _ratio(theirs: float | None, ours: float | None) -> float | None:
    return round(theirs / ours, 2) if theirs is not None and ours else None


def _server(name: str, place: Place, clips: Sequence[Samples], clients: Sequence[int], told: Told) -> list[dict[str, Any]]:
    rows = []
    with running(name, place) as (url, pid, wire):
        asyncio.run(meet(url, pid, wire, Plan(clients=1, paced=True, clips=clips[:1])))  # warms it up
        plans = [Plan(clients=number, paced=True, clips=clips) for number in clients]
        for plan in (*plans, Plan(clients=max(clients), paced=False, clips=clips)):
            rows.append({"server": name, **asyncio.run(meet(url, pid, wire, plan))})
            told(f"{name}: {rows[-1]}")
    return rows


def _contenders(folder: Path, device: str, threads: int, batches: Sequence[int]) -> Mapping[str, Contender]:
    found: dict[str, Contender] = {}
    if device == "cpu" and installed("onnx", "onnxruntime"):
        from streamer.engine.onnx import OnnxSenseVoice

        found["streamer"] = Ours(OnnxSenseVoice(folder, threads=threads))
        found["streamer int8"] = Ours(OnnxSenseVoice(folder, int8=True, threads=threads))
    if not installed("torch", "funasr"):
        raise ConfigurationError("funasr is not installed, and it is what our engine is compared with: pip install '.[torch]'")
    found = found or dict(_on_torch(folder, device))
    upstream = load_upstream(folder, device, threads)
    for size in (1, *batches):
        found["AutoModel, one by one" if size == 1 else f"AutoModel, batch_size={size}"] = Upstream(upstream, size)
    return found


def _on_torch(folder: Path, device: str) -> Iterator[tuple[str, Contender]]:
    """Ours as it comes, and with every precision. Float32 is the last: TF32 is the process's, and upstream comes without."""
    from streamer.engine.device import Precision
    from streamer.engine.sensevoice import SenseVoice

    precisions = {"streamer": "auto"}
    if device != "cpu":
        precisions |= {f"streamer, {precision}": precision for precision in (Precision.BFLOAT16, Precision.FLOAT32)}
    for name, precision in precisions.items():
        engine = SenseVoice(folder, device=device, precision=precision)
        engine.warm_up()
        yield name, Ours(engine)


def _speech(told: Told) -> Samples:
    """The reading that comes with the bundled model; where that is not installed, noise, which costs an engine as much."""
    try:
        return np.concatenate(phrases_at_hand())
    except ConfigurationError as error:
        told(f"noise is transcribed, because {error}")
        return np.random.default_rng(0).normal(0, 1000, 40 * SAMPLE_RATE).astype(np.int16)
