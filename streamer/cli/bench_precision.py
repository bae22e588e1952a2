"""`streamer bench precision`: do TF32 and bfloat16 give the ids that upstream's float32 gives, on this GPU and these weights."""

import argparse
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streamer.cli.bench_model import sensevoice_folder
from streamer.cli.bench_output import add_output_arguments, check_outputs, command_of, count, write_outputs

if TYPE_CHECKING:
    from streamer.core.events import Samples
    from streamer.settings import Settings

HEAD: Final = ("model", "precision", "rows", "differ", "items", "differ", "rows changed by company", "largest change of a p")
COLUMNS: Final = ("model", "precision", "rows", "rows_differ", "items", "items_differ", "company_differs", "p_differs")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", nargs="+", metavar="NAME|PATH", help="one or more SenseVoice with their model.pt (default: as serve)")
    parser.add_argument("--device", metavar="DEVICE", default="cuda", help="cuda or cuda:N (default: cuda)")
    parser.add_argument("--items", type=count, default=120, metavar="N", help="pieces of speech (default: 120)")
    add_output_arguments(parser)


def run(arguments: argparse.Namespace, settings: "Settings") -> int:
    from streamer.bench.machine import gpu_name, machine

    check_outputs(arguments)
    figures: list[dict[str, Any]] = []
    for wanted in arguments.model or [settings.model]:
        folder = sensevoice_folder(settings, wanted)
        with redirect_stdout(sys.stderr):  # libraries print when they are loaded
            figures += _compare(folder, arguments.device, arguments.items)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    command = command_of("precision", arguments, parser)
    report = {"command": command, "machine": machine(), "gpu": gpu_name(arguments.device), "figures": figures}
    write_outputs(arguments, report, _table(figures), lambda: _draw(figures))
    return 0


def _compare(folder: Path, device: str, items: int) -> list[dict[str, Any]]:
    """A row for each precision; the switches of some are the process's, so one after the other."""
    import numpy as np

    from streamer.bench.load.speech import phrases_at_hand
    from streamer.bench.precision import agreement, speech_jobs
    from streamer.engine.device import Precision
    from streamer.engine.sensevoice import SenseVoice

    speech: Samples = np.concatenate(phrases_at_hand())
    jobs = speech_jobs(speech, items)
    reference = SenseVoice(folder, device=device, precision=Precision.FLOAT32, packed=False)
    wanted = [rows for job in jobs for rows in reference.rows([job])]
    reference.close()
    figures = []
    for precision in Precision:
        engine = SenseVoice(folder, device=device, precision=precision)
        engine.warm_up()
        figures.append({"model": engine.info.name, "precision": str(precision), **agreement(wanted, engine, jobs)})
        engine.close()
    return figures


def _table(figures: list[dict[str, Any]]) -> str:
    from streamer.bench.machine import markdown

    return markdown(HEAD, [[row[name] for name in COLUMNS] for row in figures])


def _draw(figures: list[dict[str, Any]]) -> str:
    raise ValueError("a handful of counts is no plot")
