"""`streamer bench load`: clients that speak in real time, and what they wait for; on request as many as the server bears."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streamer.cli.bench_output import add_output_arguments, check_outputs, command_of, count, positive, write_outputs
from streamer.errors import ConfigurationError

if TYPE_CHECKING:
    from streamer.bench.load.capacity import Bounds
    from streamer.bench.load.crowd import Crowd
    from streamer.core.events import Samples
    from streamer.settings import Settings

LATENCIES: Final = ("first_partial_ms", "partial_lag_ms", "endpoint_to_final_ms", "speech_end_to_final_ms")
HEAD: Final = (
    "clients",
    "first partial",
    "partial lag",
    "endpoint to final",
    "end of speech to final",
    "partials",
    "lag slope ms/min",
    "errors",
    "finals",
    "CPU %",
    "MB",
)
RAMP_SHARE: Final = 0.2  # of the time that each client speaks


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", nargs="?", help="a running server (default: start one on this machine)")
    parser.add_argument("--files", type=Path, nargs="+", metavar="FILE", help="recordings of speech (default: a reading that comes along)")
    parser.add_argument("--clients", type=count, default=10, metavar="N", help="how many; with --find-capacity to begin with (default: 10)")
    parser.add_argument("--seconds", type=positive, default=60.0, metavar="S", help="that each client speaks (default: 60)")
    parser.add_argument("--chunk-ms", type=int, choices=(20, 40, 60, 100, 200), default=100, help="audio in one message (default: 100)")
    parser.add_argument(
        "--processes", type=count, metavar="N", help="of the generator (default: one for every 100 clients, as cores allow)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of who says what, and when they begin (default: 0)")
    parser.add_argument("--model", metavar="NAME|PATH", help="for a server of our own (default: as serve)")
    parser.add_argument("--device", metavar="DEVICE", help="for a server of our own: as serve's")
    parser.add_argument("--workers", type=count, metavar="N", help="for a server of our own: gateway processes (default: as serve)")
    parser.add_argument("--server-pid", type=count, metavar="PID", help="of a server on this machine, where it gives no metrics")
    parser.add_argument("--find-capacity", action="store_true", help="search for the most clients that are served within the bounds")
    parser.add_argument("--limit", type=count, default=10_000, metavar="N", help="never more clients than this (default: 10000)")
    for name, unit, meaning in _bound_options():
        parser.add_argument(name, type=positive, metavar=unit, help=meaning)
    parser.add_argument("--article", action="store_true", help="instead: 30 s clips, first result, memory, three at once, stability")
    add_output_arguments(parser)


def _bound_options() -> Iterator[tuple[str, str, str]]:
    yield "--max-partial-lag-ms", "MS", "bound of the p95 (default: 300)"
    yield "--max-final-ms", "MS", "bound of the p95 from endpoint to final (default: 150)"
    yield "--min-partial-rate", "X", "of the nominal partials (default: 0.9)"
    yield "--max-lag-growth-ms", "MS", "of the partial lag over the run (default: 100)"


def run(arguments: argparse.Namespace, settings: "Settings") -> int:
    """Exit code 1 where the load was not served within the bounds, or nobody was."""
    from streamer.bench.load.speech import phrases_at_hand, phrases_of
    from streamer.bench.machine import machine

    check_outputs(arguments)
    phrases = [phrase for path in arguments.files or [] for phrase in phrases_of(path)] or phrases_at_hand()
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with _server(arguments, settings) as (url, pid):
        report: dict[str, Any] = {"command": command_of("load", arguments, parser, positional=("url",)), "machine": machine()}
        if arguments.article:
            return _article(arguments, report, url, pid, phrases)
        return _load(arguments, report, url, pid, phrases)


def _load(arguments: argparse.Namespace, report: dict[str, Any], url: str, pid: int | None, phrases: "Sequence[Samples]") -> int:
    from streamer.bench.load.capacity import largest
    from streamer.bench.load.crowd import Crowd
    from streamer.bench.machine import markdown

    bounds = _bounds(arguments)
    crowd = Crowd(
        url=url,
        clients=arguments.clients,
        seconds=arguments.seconds,
        ramp_s=RAMP_SHARE * arguments.seconds,
        chunk_ms=arguments.chunk_ms,
        seed=arguments.seed,
        processes=arguments.processes,
    )
    runs: list[dict[str, Any]] = []

    def serves(clients: int) -> bool:
        figures = _probe(replace(crowd, clients=clients), pid, phrases)
        figures["missed"] = list(bounds.missed(figures))
        runs.append(figures)
        print(f"{clients} clients: {'; '.join(figures['missed']) or 'served within the bounds'}", file=sys.stderr, flush=True)
        return not figures["missed"]

    if arguments.find_capacity:
        capacity: int | None = largest(serves, crowd.clients, arguments.limit)
    else:
        capacity = None
        serves(crowd.clients)
    shown = next((one for one in runs if one["clients"] == capacity), runs[-1])
    runs.sort(key=lambda one: int(one["clients"]))
    report |= {**shown, "capacity": capacity, "n": shown["clients"], "duration_s": arguments.seconds, "runs": runs}
    print("latencies in ms, p50 / p95 / p99", file=sys.stderr)
    write_outputs(arguments, report, markdown(HEAD, [_row(one) for one in runs]), lambda: _draw(runs, bounds))
    for failure in shown["failures"]:
        print(f"streamer: {failure}", file=sys.stderr)
    if arguments.find_capacity:
        print(f"\ncapacity: {capacity} clients")
    return 0 if capacity or (capacity is None and not shown["missed"]) else 1


def _probe(crowd: "Crowd", pid: int | None, phrases: "Sequence[Samples]") -> dict[str, Any]:
    from streamer.bench.load.crowd import run_crowd
    from streamer.bench.load.figures import Window, measure
    from streamer.bench.load.usage import Watch, http_address

    with Watch(http_address(crowd.url), pid) as watch:
        traces = run_crowd(crowd, phrases)
        figures = measure(traces, decoded=watch.decoded())
    window = Window.of(traces)
    return {**figures, "server": watch.figures(window.begin, window.end)}


def _article(arguments: argparse.Namespace, report: dict[str, Any], url: str, pid: int | None, phrases: "Sequence[Samples]") -> int:
    from streamer.bench.load.article import article
    from streamer.bench.machine import markdown

    figures = article(url, pid, phrases, seed=arguments.seed)
    table = markdown(list(figures["row"]), [list(figures["row"].values())])
    write_outputs(arguments, {**report, **figures}, table, _draw_nothing)
    return 0 if figures["stable"] else 1


def _draw_nothing() -> str:
    raise ValueError("one row is no chart")


@contextmanager
def _server(arguments: argparse.Namespace, settings: "Settings") -> "Iterator[tuple[str, int | None]]":
    """The address to speak to, and the process where it is known."""
    from streamer.bench.load.local import local_server
    from streamer.client import websocket_url

    if arguments.url:
        if arguments.model or arguments.device or arguments.workers:
            raise ConfigurationError(
                "--model, --device and --workers are for a server that is started here; leave them out, or the address"
            )
        yield websocket_url(arguments.url), arguments.server_pid
        return
    sessions = max(settings.limits.max_sessions, arguments.limit if arguments.find_capacity else arguments.clients)
    with local_server(arguments.model, arguments.device, sessions=sessions, workers=arguments.workers) as server:
        yield websocket_url(server.address), server.pid


def _bounds(arguments: argparse.Namespace) -> "Bounds":
    from streamer.bench.load.capacity import Bounds

    given = {
        "partial_lag_ms": arguments.max_partial_lag_ms,
        "endpoint_to_final_ms": arguments.max_final_ms,
        "partial_rate": arguments.min_partial_rate,
        "lag_growth_ms": arguments.max_lag_growth_ms,
    }
    return Bounds(**{name: value for name, value in given.items() if value is not None})


def _row(figures: dict[str, Any]) -> list[object]:
    from streamer.bench.machine import spread

    server = figures["server"]
    others = [figures[name] for name in ("partial_rate", "lag_slope", "errors", "finals")]
    return [figures["clients"], *(spread(figures[name]) for name in LATENCIES), *others, server["cpu"], server["rss_mb"]]


def _draw(runs: list[dict[str, Any]], bounds: "Bounds") -> str:
    from streamer.bench.svg import Axis, Series, chart

    series = [
        Series(
            name.removesuffix("_ms").replace("_", " "), [(one["clients"], one[name]["p95"]) for one in runs if one[name]["p95"] is not None]
        )
        for name in LATENCIES
    ]
    bound = Series("bound of the partial lag", [(0.0, bounds.partial_lag_ms)], bound=True)
    return chart("p95 by clients", Axis("clients"), Axis("ms"), [*series, bound])
