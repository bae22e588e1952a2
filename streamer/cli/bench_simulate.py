"""`streamer bench simulate`: how many clients an engine of a known cost would carry, on a virtual clock."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from streamer.cli.bench_output import add_output_arguments, check_outputs, command_of, count, not_negative, positive, write_outputs
from streamer.errors import ConfigurationError

if TYPE_CHECKING:
    from streamer.bench.simulated.device import Cost
    from streamer.settings import Settings

FIXED_MS: Final = 15.0  # a stock forward of SenseVoiceSmall on a GPU: kernel launches, whatever the batch
AUDIO_S_PER_S: Final = 6_000.0  # and its throughput in large batches
BUCKETS_S: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
LATENCIES: Final = ("first_partial_ms", "partial_lag_ms", "endpoint_to_final_ms")
HEAD: Final = ("clients", "first partial", "partial lag", "endpoint to final", "partials", "fairness", "least served", "batch", "busy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clients", type=count, nargs="+", default=[10, 100, 1000, 5000], metavar="N", help="default: 10 100 1000 5000")
    parser.add_argument("--seconds", type=positive, default=10.0, help="of every run that count, after 4 s that do not (default: 10)")
    parser.add_argument("--fixed-ms", type=positive, metavar="MS", help=f"of one forward, whatever is in it (default: {FIXED_MS:g})")
    parser.add_argument(
        "--audio-s-per-s", type=positive, metavar="X", help=f"padded audio decoded in a second (default: {AUDIO_S_PER_S:g})"
    )
    parser.add_argument("--engine", type=Path, metavar="JSON", help="take both from what `streamer bench engine --json` wrote")
    parser.add_argument("--max-items", type=count, default=128, metavar="N", help="jobs in one batch (default: 128)")
    parser.add_argument("--max-audio-s", type=positive, default=480.0, metavar="S", help="padded audio in one batch (default: 480)")
    parser.add_argument(
        "--free-padding-s",
        type=not_negative,
        metavar="S",
        help="padding with which other lengths join a batch (default: what a forward costs)",
    )
    parser.add_argument("--packed", action="store_true", help="an engine that pads nothing, and takes all lengths together")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of who speaks when (default: 0)")
    parser.add_argument("--check", action="store_true", help="compare with the real scheduler in real time instead, 12 clients for 10 s")
    add_output_arguments(parser)


def run(arguments: argparse.Namespace, settings: "Settings") -> int:
    from streamer.bench.machine import markdown
    from streamer.bench.simulated.clients import Simulation
    from streamer.bench.simulated.figures import beside_the_thread, sweep
    from streamer.engine import BatchLimits

    check_outputs(arguments)
    cost = _cost(arguments)
    limits = BatchLimits(
        max_items=arguments.max_items,
        max_audio_s=arguments.max_audio_s,
        buckets_s=() if cost.packed else BUCKETS_S,
        packed=cost.packed,
        free_padding_s=cost.free_padding_s if arguments.free_padding_s is None else arguments.free_padding_s,
    )
    plan = Simulation(clients=1, seconds=arguments.seconds, seed=arguments.seed)
    began = perf_counter()
    if arguments.check:
        slow = _slow(cost)
        simulated, real = beside_the_thread(
            replace(plan, clients=12, seconds=8.0, settle_s=2.0), slow, replace(limits, max_items=8, free_padding_s=slow.free_padding_s)
        )
        rows, names = [simulated, real], ["simulated", "scheduler"]
    else:
        rows, names = sweep(plan, arguments.clients, cost, limits), []
    print(f"simulated in {perf_counter() - began:.1f} s; latencies in ms, p50 / p95 / p99", file=sys.stderr)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    report = {
        "command": command_of("simulate", arguments, parser),
        "cost": {"fixed_ms": cost.fixed_s * 1000, "audio_s_per_s": cost.audio_s_per_s, "packed": cost.packed},
        "limits": {"max_items": limits.max_items, "max_audio_s": limits.max_audio_s, "free_padding_s": limits.free_padding_s},
        "seconds": plan.seconds,
        "rows": rows,
    }
    head = ["", *HEAD] if names else HEAD
    table = markdown(head, [[*names[n : n + 1], *_row(row)] for n, row in enumerate(rows)])
    write_outputs(arguments, report, table, lambda: _draw(rows))
    return 0


def _cost(arguments: argparse.Namespace) -> "Cost":
    """Raises ``ConfigurationError`` where the report of an engine cannot be used."""
    from streamer.bench.simulated.device import Cost

    fixed_ms, audio_s_per_s, packed = FIXED_MS, AUDIO_S_PER_S, arguments.packed
    if arguments.engine:
        try:
            report = json.loads(arguments.engine.read_text(encoding="utf-8"))
            fit, packed = report["fit"], packed or bool(report["engines"][0]["packed"])
            fixed_ms, audio_s_per_s = float(fit["fixed_ms"]), float(fit["audio_s_per_s"])
        except OSError as error:
            raise ConfigurationError(f"--engine {arguments.engine} cannot be read: {error.strerror}") from error
        except (ValueError, LookupError, TypeError) as error:
            raise ConfigurationError(f"--engine {arguments.engine} holds no fit; write it with `streamer bench engine --json`") from error
    return Cost(fixed_s=(arguments.fixed_ms or fixed_ms) / 1000, audio_s_per_s=arguments.audio_s_per_s or audio_s_per_s, packed=packed)


def _slow(cost: "Cost") -> "Cost":
    """So slow that a thread's wake-ups, a fraction of a millisecond, do not show."""
    return replace(cost, fixed_s=0.05, audio_s_per_s=150.0)


def _row(row: dict[str, Any]) -> list[object]:
    from streamer.bench.machine import spread

    device = row["device"]
    latencies = [spread(row[name]) for name in LATENCIES]
    return [row["clients"], *latencies, row["partial_rate"], row["fairness"], row["least_served"], device["items"], device["busy"]]


def _draw(rows: list[dict[str, Any]]) -> str:
    from streamer.bench.svg import Axis, Series, chart

    names = {"partial_lag_ms": "partial lag p95", "first_partial_ms": "first partial p95", "endpoint_to_final_ms": "endpoint to final p95"}
    series = [
        Series(title, [(row["clients"], row[name]["p95"]) for row in rows if row[name]["p95"] is not None]) for name, title in names.items()
    ]
    return chart("Simulated: one engine, many clients", Axis("clients", log=True), Axis("ms"), series)
