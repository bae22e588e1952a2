"""`streamer bench process`: what a job costs an engine process beside the model, as `streamer serve --workers` runs it."""

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from streamer.cli.bench_output import add_output_arguments, check_outputs, command_of, count, not_negative, positive, write_outputs
from streamer.errors import ConfigurationError

if TYPE_CHECKING:
    from streamer.settings import Settings

HEAD: Final = (
    "a forward",
    "jobs a second",
    "engine's loop, µs a job",
    "engine's thread, µs a job",
    "gateways, µs a job",
    "jobs in a batch",
    "answered after, ms p50",
    "p99",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gateways", type=count, default=4, metavar="N", help="that share the engine process (default: 4)")
    parser.add_argument("--window", type=count, default=64, metavar="N", help="unanswered jobs of each (default: 64)")
    parser.add_argument("--audio-s", type=positive, default=2.5, metavar="S", help="of a job, on average (default: 2.5)")
    parser.add_argument("--forward-ms", type=not_negative, default=10.0, metavar="MS", help="that a batch takes (default: 10)")
    parser.add_argument("--seconds", type=positive, default=4.0, metavar="S", help="to look at each kind of forward (default: 4)")
    add_output_arguments(parser)


def run(arguments: argparse.Namespace, settings: "Settings") -> int:
    from streamer.bench.machine import machine, markdown
    from streamer.bench.process import Plan, measure

    if sys.platform != "linux":
        raise ConfigurationError(f"bench process reads processor times as Linux gives them, and this is {sys.platform}")
    check_outputs(arguments)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given = {name: getattr(arguments, name) for name in ("gateways", "window", "audio_s", "forward_ms", "seconds")}
    rows: list[dict[str, Any]] = []
    for kind, holds_lock in (("pauses", False), ("holds the lock", True)):
        rows.append({"forward": kind, **asdict(measure(Plan(holds_lock=holds_lock, **given)))})
    table = markdown(HEAD, [[value if isinstance(value, str) else round(value, 1) for value in row.values()] for row in rows])
    write_outputs(arguments, {"command": command_of("process", arguments, parser), "machine": machine(), "rows": rows}, table, _draw)
    return 0


def _draw() -> str:
    raise ValueError("two rows are no chart")
