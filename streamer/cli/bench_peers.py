"""`streamer bench peers`: our engine and server beside other people's, on the same weights and machine, and the physical limit."""

import argparse
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from streamer.cli.bench_model import sensevoice_folder
from streamer.cli.bench_output import add_output_arguments, check_outputs, command_of, count, write_outputs
from streamer.errors import ConfigurationError

if TYPE_CHECKING:
    from streamer.settings import Settings

SERVER_HEAD: Final = (
    "server",
    "clients",
    "last sample to final, ms",
    "times as long",
    "audio s per s",
    "CPU s per audio s",
    "times the CPU",
    "MB",
    "partials per s",
    "sessions without text",
    "failures",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="NAME|PATH", help="a SenseVoice with its model.pt (default: as serve)")
    parser.add_argument("--device", default="cpu", metavar="DEVICE", help="cpu, cuda or cuda:N (default: cpu)")
    parser.add_argument("--threads", type=count, default=os.cpu_count() or 1, metavar="N", help="of each engine (default: all cores)")
    parser.add_argument("--segments", type=count, default=24, metavar="N", help="of 2, 5 and 10 s, for the engines (default: 24)")
    parser.add_argument("--batch", type=count, nargs="+", default=[64], metavar="N", help="AutoModel's batch_size (default: its docs' 64)")
    parser.add_argument("--turns", type=count, default=5, metavar="N", help="how often each engine runs (default: 5)")
    parser.add_argument("--servers", nargs="*", metavar="NAME", help="which, or none (default: all that are here)")
    parser.add_argument("--clients", type=count, nargs="+", default=[1, 2, 4], metavar="N", help="before a server (default: 1 2 4)")
    parser.add_argument("--clips", type=count, default=12, metavar="N", help="of 2, 5 and 10 s, for the servers (default: 12)")
    parser.add_argument("--detector", type=Path, metavar="FOLDER", help="an FSMN-VAD, for funasr's server")
    parser.add_argument("--setup", metavar="NAME", help="only install this peer, in an environment of its own")
    add_output_arguments(parser)


def run(arguments: argparse.Namespace, settings: "Settings") -> int:
    from streamer.bench.machine import gpu_name, machine
    from streamer.bench.peers.measure import measure_engines, measure_servers
    from streamer.bench.peers.servers import OURS, SERVERS, Place, set_up

    check_outputs(arguments)
    environments = settings.models.cache / "peers"
    if arguments.setup:
        print(set_up(arguments.setup, environments))
        return 0
    names = [*OURS, *SERVERS] if arguments.servers is None else arguments.servers
    if not {*OURS, *SERVERS} >= set(names):
        raise ConfigurationError(f"--servers is {' '.join(names)!r}, expected some of: {', '.join(map(repr, [*OURS, *SERVERS]))}")
    folder = sensevoice_folder(settings, arguments.model)
    with redirect_stdout(sys.stderr):  # libraries print when they are loaded
        report = measure_engines(
            folder,
            device=arguments.device,
            threads=arguments.threads,
            batches=arguments.batch,
            count=arguments.segments,
            turns=arguments.turns,
            told=_say,
        )
        with TemporaryDirectory() as work:
            place = Place(
                model=folder,
                work=Path(work),
                environments=environments,
                detector=arguments.detector,
                device=arguments.device,
                threads=arguments.threads,
            )
            report |= measure_servers(place, names, clients=arguments.clients, count=arguments.clips, told=_say)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    report = {"command": command_of("peers", arguments, parser), "machine": machine(), "gpu": gpu_name(arguments.device), **report}
    write_outputs(arguments, report, _tables(report), lambda: _draw(report))
    return 0


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _tables(report: dict[str, Any]) -> str:
    from streamer.bench.machine import markdown, spread

    limit = report["limit"]
    reachable = next((row for row in limit if row["numbers"] == "TF32"), limit[-1])  # on a CPU the one with all threads
    head = ["engine", "audio s per s", "per CPU s", "times as long", "times the CPU", f"of the {reachable['numbers']} limit", "same text"]
    engines = [
        [
            row["engine"],
            row["audio_s_per_s"],
            row["audio_s_per_cpu_s"],
            row["times_as_long"],
            row["times_the_cpu"],
            f"{100 * row['audio_s_per_s'] / reachable['audio_s_per_s']:.0f} %",
            f"{100 * row['same_text']:.2f} %",
        ]
        for row in report["engines"]
    ]
    servers = [
        [
            row["server"],
            f"{row['clients']} {'in real time' if row['paced'] else 'as fast as they go'}",
            spread(row["final_ms"]) if row["paced"] else None,
            row["times_as_long"],
            row["audio_s_per_s"],
            row["cpu_s_per_audio_s"],
            row["times_the_cpu"],
            row["rss_mb"],
            row["partials_per_s"],
            row["silent"],
            "; ".join(row["failures"]) or None,
        ]
        for row in report["servers"]
    ]
    tables = [
        markdown(head, engines),
        markdown(["numbers", "GFLOP per s", "GFLOP per audio s", "audio s per s at most"], [list(row.values()) for row in limit]),
        markdown(SERVER_HEAD, servers) if servers else "",
        "\n".join(f"{name}: {reason}" for name, reason in report["absent"].items()),
    ]
    return "\n\n".join(table for table in tables if table)


def _draw(report: dict[str, Any]) -> str:
    from streamer.bench.svg import Axis, Series, chart

    paced = [row for row in report["servers"] if row["paced"]]
    series = [
        Series(name, [(row["clients"], row["final_ms"]["p50"]) for row in paced if row["server"] == name])
        for name in dict.fromkeys(row["server"] for row in paced)
    ]
    return chart("Last sample to final text", Axis("clients in real time"), Axis("ms, p50", log=True), series)
