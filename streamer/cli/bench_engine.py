"""`streamer bench engine`: audio seconds per second against batch size and length, for any models side by side."""

import argparse
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from typing import TYPE_CHECKING, Any

from streamer.cli.bench_output import add_output_arguments, check_outputs, command_of, count, positive, write_outputs
from streamer.engine.device import PRECISIONS, devices

if TYPE_CHECKING:
    from streamer.core.events import Samples
    from streamer.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", nargs="+", metavar="NAME|PATH", help="one or more, each in a process of its own (default: as serve)")
    parser.add_argument("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        nargs="+",
        default=["auto"],
        help="how a GPU multiplies; of several each in its turn (default: auto)",
    )
    parser.add_argument("--no-cuda-graphs", dest="no_cuda_graphs", action="store_true", help="launch every kernel from Python")
    parser.add_argument(
        "--unread", action="store_true", help="leave rows unread, as an engine process of `serve --workers` does, whose gateways read them"
    )
    parser.add_argument(
        "--batch", type=count, nargs="+", metavar="N", help="batch sizes (default: 1 2 4 … 128, as far as the engine takes them)"
    )
    parser.add_argument("--length-s", type=positive, nargs="+", metavar="S", help="seconds of audio in an item (default: 1 2 5 10 30)")
    parser.add_argument("--seconds", type=positive, default=1.0, metavar="S", help="to look at each shape (default: 1)")
    add_output_arguments(parser)


def run(arguments: argparse.Namespace, settings: "Settings") -> int:
    import numpy as np

    from streamer.bench.load.speech import phrases_at_hand
    from streamer.bench.machine import machine
    from streamer.bench.speed import Plan, measure
    from streamer.engine.models import Models

    check_outputs(arguments)
    models = Models(settings.models, say=lambda sentence: print(sentence, file=sys.stderr, flush=True))
    found = [models.find(wanted) for wanted in arguments.model or [settings.model]]
    speech: Samples = np.concatenate(phrases_at_hand())
    given = {"batches": arguments.batch, "lengths_s": arguments.length_s, "seconds": arguments.seconds}
    plan = Plan(**{name: value for name, value in given.items() if value})
    device = devices(arguments.device or settings.device)[0]
    engines = []
    for one, precision in product(found, arguments.precision):
        how = {"precision": precision, "graphs": not arguments.no_cuda_graphs, "unread": arguments.unread}
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            engines.append(process.submit(measure, one, device, speech, plan, **how).result())
        print(_summary(engines[-1]), file=sys.stderr, flush=True)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    report = {
        "command": command_of("engine", arguments, parser),
        "machine": machine(),
        "engines": engines,
        "fit": engines[0]["fit"],
    }
    write_outputs(arguments, report, _table(engines), lambda: _draw(engines))
    return 0


def _name(engine: dict[str, Any]) -> str:
    name = f"{engine['model']} on {engine['gpu'] or engine['device']}"
    return name if engine["precision"] == "auto" else f"{name}, {engine['precision']}"


def _summary(engine: dict[str, Any]) -> str:
    fit, peak = engine["fit"], engine["peak"]
    said = f"{_name(engine)}: loaded in {engine['load_s']} s, warm in {engine['warm_up_s']} s, peak {peak['rss_mb']:.0f} MB"
    if peak["cuda_mb"] is not None:
        said += f" and {peak['cuda_mb']:.0f} MB on the device"
    if fit:
        said += f"; a forward costs {fit['fixed_ms']:.1f} ms and a second for every {fit['audio_s_per_s']:.0f} s of audio"
    return said


def _table(engines: list[dict[str, Any]]) -> str:
    """Audio seconds per second for each batch and length, and the milliseconds of a forward of one."""
    from streamer.bench.machine import markdown

    lengths = sorted({row["length_s"] for engine in engines for row in engine["forwards"]})
    head = ["engine", "batch", *(f"{length:g} s" for length in lengths)]
    rows: list[list[object]] = []
    for engine in engines:
        name = _name(engine)
        rows.append([name, "1: ms", *(engine["batch_1_ms"].get(f"{length:g}") for length in lengths)])
        for batch in sorted({row["batch"] for row in engine["forwards"]}):
            rates = {row["length_s"]: row["audio_s_per_s"] for row in engine["forwards"] if row["batch"] == batch}
            rows.append([name, f"{batch}: audio s/s", *(rates.get(length) for length in lengths)])
    return markdown(head, rows)


def _draw(engines: list[dict[str, Any]]) -> str:
    from streamer.bench.svg import Axis, Series, chart

    series = []
    for engine in engines:
        for length in sorted({row["length_s"] for row in engine["forwards"]}):
            points = [(row["batch"], row["audio_s_per_s"]) for row in engine["forwards"] if row["length_s"] == length]
            series.append(Series(f"{engine['model']} {length:g} s" if len(engines) > 1 else f"{length:g} s", points))
    return chart(_name(engines[0]) if len(engines) == 1 else "Engines", Axis("batch", log=True), Axis("audio s per s", log=True), series)
