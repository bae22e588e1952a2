"""`streamer bench cpu`: torch, ONNX Runtime and OpenVINO on the same weights, by turns."""

import argparse
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from streamer.cli.bench_model import sensevoice_folder
from streamer.cli.bench_output import add_output_arguments, check_outputs, command_of, count, positive, write_outputs
from streamer.errors import ConfigurationError

if TYPE_CHECKING:
    from streamer.core.events import Samples
    from streamer.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="NAME|PATH", help="a SenseVoice with its model.pt (default: as serve)")
    parser.add_argument("--runtime", nargs="+", metavar="NAME", help="of those that are listed, the first to compare with (default: all)")
    parser.add_argument("--threads", type=count, nargs="+", default=[1], metavar="N", help="threads of each runtime (default: 1)")
    parser.add_argument("--batch", type=count, nargs="+", default=[1, 4], metavar="N", help="batch sizes (default: 1 4)")
    parser.add_argument("--length-s", type=positive, nargs="+", default=[1.0, 3.0, 10.0], metavar="S", help="lengths (default: 1 3 10)")
    parser.add_argument("--turns", type=count, default=5, metavar="N", help="how often each shape is run (default: 5)")
    add_output_arguments(parser)


def run(arguments: argparse.Namespace, settings: "Settings") -> int:
    import numpy as np

    from streamer.bench.contestants import contestants
    from streamer.bench.cpu import Shapes, compare
    from streamer.bench.load.speech import phrases_at_hand
    from streamer.bench.machine import machine

    check_outputs(arguments)
    folder = sensevoice_folder(settings, arguments.model)
    speech: Samples = np.concatenate(phrases_at_hand())
    shapes = Shapes(batches=arguments.batch, lengths_s=arguments.length_s, turns=arguments.turns)
    figures = []
    for threads in arguments.threads:
        known = contestants(folder, threads)
        names = arguments.runtime or list(known)
        if not known.keys() >= set(names):
            raise ConfigurationError(f"--runtime is {' '.join(names)!r}, expected some of: {', '.join(map(repr, known))}")
        with redirect_stdout(sys.stderr):  # libraries print when they are loaded
            runtimes = {name: known[name]() for name in names}
        figures += [{"threads": threads, **row} for row in compare(runtimes, speech, shapes)]
        del runtimes
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    report = {"command": command_of("cpu", arguments, parser), "machine": machine(), "figures": figures}
    write_outputs(arguments, report, _table(figures), lambda: _draw(figures))
    return 0


def _table(figures: list[dict[str, Any]]) -> str:
    from streamer.bench.machine import markdown

    shapes = list(dict.fromkeys((row["batch"], row["length_s"]) for row in figures))
    head = ["threads", "runtime", *(f"{batch} x {length_s:g} s" for batch, length_s in shapes), "same ids"]
    rows: list[list[object]] = []
    for threads, runtime in dict.fromkeys((row["threads"], row["runtime"]) for row in figures):
        own = {(row["batch"], row["length_s"]): row for row in figures if (row["threads"], row["runtime"]) == (threads, runtime)}
        cells = [f"{own[shape]['cpu_ms']:.0f} ({own[shape]['ratio']:.2f})" for shape in shapes]
        rows.append([str(threads), runtime, *cells, f"{100 * min(row['same_ids'] for row in own.values()):.2f} %"])
    return markdown(head, rows)


def _draw(figures: list[dict[str, Any]]) -> str:
    from streamer.bench.svg import Axis, Series, chart

    one = [row for row in figures if row["batch"] == 1]
    series = [
        Series(
            f"{runtime}, {threads}",
            [(row["length_s"], row["cpu_ms"]) for row in one if (row["threads"], row["runtime"]) == (threads, runtime)],
        )
        for threads, runtime in dict.fromkeys((row["threads"], row["runtime"]) for row in one)
    ]
    return chart("One item on a CPU", Axis("s of audio", log=True), Axis("ms of processor time", log=True), series)
