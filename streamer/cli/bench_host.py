"""`streamer bench host`: what a stream costs a server before any model is asked, beside a bare sink for the same messages."""

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from streamer.cli.bench_output import add_output_arguments, check_outputs, command_of, count, positive, write_outputs
from streamer.errors import ConfigurationError
from streamer.vad.choose import NAMES

if TYPE_CHECKING:
    from streamer.bench.host import HostFigures, Side
    from streamer.settings import Settings

HEAD: Final = ("", "CPU, ms for 1 s", "streams per core", "share of the sink's", "memory, MB", "a silent client, KB", "a talking one, KB")

TARGET: Final = 0.6
BEARABLE: Final = 0.05  # of the audio, not yet judged when the round ended: the machine is too small or too busy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--streams", type=count, default=100, metavar="N", help="clients, all of whom talk without a stop (default: 100)")
    parser.add_argument("--vad", choices=NAMES, nargs="+", default=list(NAMES), help="what finds speech (default: one after the other)")
    parser.add_argument("--rounds", type=count, default=4, metavar="N", help="the sink and the server talk by turns, so often (default: 4)")
    parser.add_argument("--round-s", type=positive, default=1.5, metavar="S", help="of each turn, after half a second (default: 1.5)")
    add_output_arguments(parser)


def run(arguments: argparse.Namespace, settings: "Settings") -> int:
    from streamer.bench.host import measure
    from streamer.bench.machine import machine, markdown

    if sys.platform != "linux":
        raise ConfigurationError(f"bench host reads its processes' memory as Linux gives it, and this is {sys.platform}")
    check_outputs(arguments)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    figures = [measure(vad, streams=arguments.streams, rounds=arguments.rounds, round_s=arguments.round_s) for vad in arguments.vad]
    report = {
        "command": command_of("host", arguments, parser),
        "machine": machine(),
        "rows": [asdict(one) | {"ratio": one.ratio, "sink_ms": one.sink.ms, "server_ms": one.server.ms} for one in figures],
    }
    rows = [row for one in figures for row in _rows(one)]
    parts = sorted({part for one in figures for part in one.parts_ms}, key=lambda part: -figures[0].parts_ms.get(part, 0.0))
    shares = [[part, *(round(one.parts_ms.get(part, 0.0), 2) for one in figures)] for part in parts]
    table = markdown(HEAD, rows) + "\n\n" + markdown(("the server's CPU, ms for 1 s", *(one.vad for one in figures)), shares)
    for one in figures:
        if one.late > BEARABLE:
            print(f"streamer: with {one.vad} {one.late:.0%} of what was said came too late to count; try fewer --streams", file=sys.stderr)
    write_outputs(arguments, report, table, lambda: _draw(figures))
    return 0


def _rows(figures: "HostFigures") -> list[list[object]]:
    def row(name: str, side: "Side", share: float) -> list[object]:
        a_silent, a_talking = (1000 * (mb - side.before_mb) / figures.streams for mb in (side.idle_mb, side.talking_mb))
        return [
            name,
            round(side.ms, 2),
            round(side.streams_per_core),
            round(share, 2),
            round(side.talking_mb),
            round(a_silent),
            round(a_talking),
        ]

    return [row("sink", figures.sink, 1.0), row(f"server, {figures.vad}", figures.server, figures.ratio)]


def _draw(figures: "list[HostFigures]") -> str:
    from streamer.bench.svg import Axis, Series, chart

    rounds = [Series(one.vad, [(n, ratio) for n, ratio in enumerate(one.ratios, 1)]) for one in figures]
    target = Series("target", [(1, TARGET)], bound=True)
    return chart("Streams per core, of the bare sink's", Axis("round"), Axis("share"), [*rounds, target])
