"""``streamer doctor``: what to run when it is slow or broken."""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Final, TextIO

from streamer import __version__

if TYPE_CHECKING:
    from streamer.doctor import Check
    from streamer.engine.models import Models
    from streamer.settings import Settings

_ADVICE_INDENT: Final = " " * 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="NAME|PATH", help="the model to look for and to measure")
    parser.add_argument("--device", metavar="DEVICE", help="where to run it: auto, cpu, cuda:0")
    parser.add_argument("--no-benchmark", action="store_true", help="load no model: a quick look only")
    parser.add_argument("--json", action="store_true", help="findings as JSON, for programs")


def run(arguments: argparse.Namespace, settings: "Settings") -> int:
    """Exit code 1 when the main job cannot run here."""
    from streamer.engine.device import devices
    from streamer.engine.models import Models

    models = Models(settings.models, say=lambda sentence: print(sentence, file=sys.stderr))
    checks = all_checks(
        models,
        arguments.model or settings.model,
        devices(arguments.device or settings.device)[0],
        host=settings.host,
        port=settings.port,
        benchmark=not arguments.no_benchmark,
    )
    return report(checks, sys.stdout, as_json=arguments.json)


def all_checks(models: "Models", wanted: str | None, device: str, *, host: str, port: int, benchmark: bool) -> "list[Check]":
    """Every check, the cheap and basic ones first."""
    from streamer.doctor import Check, gpu, machine, speed
    from streamer.engine.load import load_engine
    from streamer.engine.weights import total_size

    model = speed.ModelCheck(models, wanted)
    checks = [
        Check("python", machine.python),
        Check("machine", machine.machine),
        Check("packages", machine.packages),
        Check("torch", lambda: gpu.accelerator(device)),
        Check("funasr", machine.funasr),
        Check("decoders", machine.decoders),
        Check("model", model),
        Check("disk", lambda: machine.disk(models.settings.cache, total_size(models.files))),
        Check("port", lambda: machine.port(host, port)),
    ]
    if benchmark:
        checks.append(Check("speed", lambda: speed.measure(model.found, device, load_engine)))
    return checks


def report(checks: "Sequence[Check]", out: TextIO, *, as_json: bool) -> int:
    """Make the checks and write what they find, line by line as it is found; the exit code."""
    from streamer.doctor import Verdict, examine

    failed = warned = 0
    rows = []
    named = ""

    def begin(check: "Check") -> None:
        # The name goes out before the look: where a library takes the process down, the last name tells which.
        nonlocal named
        named = f"{check.name:12}"
        if not as_json:
            out.write(named)
            out.flush()

    # Libraries print on import and on load; what is ours must stay readable by programs.
    with redirect_stdout(sys.stderr):
        for check, line in examine(checks, begin=begin):
            failed += line.verdict is Verdict.FAIL
            warned += line.verdict is Verdict.WARN
            rows.append({"check": check.name, "verdict": line.verdict.lower(), "said": line.said, "advice": line.advice, **line.values})
            if not as_json:
                out.write(f"{'' if named else ' ' * 12}{line.verdict:6}  {line.said}\n")
                out.write(f"{_ADVICE_INDENT}-> {line.advice}\n" if line.advice else "")
                named = ""
    if as_json:
        out.write(json.dumps({"streamer": __version__, "ok": not failed, "lines": rows}, indent=1) + "\n")
    elif failed:
        out.write(f"\nThe main job cannot run here: {failed} FAIL, {warned} warn. Begin with the first FAIL.\n")
    else:
        out.write(f"\nThe main job can run here{f', with what is marked warn ({warned})' if warned else ''}.\n")
    return 1 if failed else 0
