"""`streamer bench`: figures of this machine, this model and these recordings."""

import argparse
import json
import shlex
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import fields
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from streamer.errors import ConfigurationError, InvalidSetting
from streamer.vad.choose import DEFAULT, NAMES, choose_judge

if TYPE_CHECKING:
    from streamer.bench.manifest import Corpus, Item
    from streamer.core.events import Settings as SessionSettings
    from streamer.engine import Engine
    from streamer.settings import Settings

OTHERS: Final = {
    "load": "clients that speak in real time: latencies, and how many a server bears",
    "engine": "audio seconds per second against batch size and length",
    "cpu": "torch, ONNX Runtime and OpenVINO on the same weights, by turns",
    "peers": "our engine and server beside other people's on the same weights, and the physical limit",
    "weights": "writes a SenseVoice of the full size with random weights, to measure with",
    "precision": "TF32 and bfloat16 beside upstream's float32, on a GPU",
    "host": "what a stream costs before any model is asked, beside a bare sink",
    "process": "what a job costs an engine process of `serve --workers`, beside the model",
    "simulate": "how many clients an engine of a known cost would carry, on a virtual clock",
}
"""Benches with a module of their own."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    benches = parser.add_subparsers(dest="bench", required=True, metavar="BENCH")
    quality = benches.add_parser("quality", help="segmentation, text, partials and tags on labelled audio")
    quality.add_argument(
        "folder", nargs="?", type=Path, metavar="DIR", help="recordings with a manifest.csv (default: a set made on the spot)"
    )
    quality.add_argument("--json", type=Path, metavar="OUT", help="write all figures, overall and per file")
    quality.add_argument("--model", metavar="NAME|PATH", help="a model's name, or the folder of its weights (default: as serve)")
    quality.add_argument("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N (default: auto)")
    quality.add_argument("--vad", metavar="JUDGE", choices=NAMES, help=f"what finds speech (default: {DEFAULT})")
    quality.add_argument("--telephone", action="store_true", help="send everything as 8 kHz mu-law")
    quality.add_argument("--ablate", action="store_true", help="also without the stabiliser and without speculative finals")
    quality.add_argument("--quick", action="store_true", help="a sixth of the built-in set")
    quality.add_argument("--only", metavar="PATTERN", help="recordings whose names match, such as 'meeting/*'")
    quality.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], help="a session's setting, such as endpoint_silence_ms=400"
    )
    quality.add_argument("--chunk-ms", type=_milliseconds(1, 5000), default=100, metavar="MS", help="audio per message (default: 100)")
    quality.add_argument(
        "--engine-latency-ms",
        type=_milliseconds(0, 10_000),
        default=100,
        metavar="MS",
        help="when answers come, in audio time, whatever a decode costs here (default: 100)",
    )
    quality.add_argument("--seed", type=int, default=0, metavar="N", help="of the built-in set's noises (default: 0)")
    for name, meaning in OTHERS.items():
        import_module(f"streamer.cli.bench_{name}").add_arguments(benches.add_parser(name, help=meaning, description=meaning))


def _milliseconds(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if text.isdecimal() and low <= int(text) <= high:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low} to {high}")

    return parse


def run(arguments: argparse.Namespace, settings: "Settings") -> int:
    """Exit code 1 when nothing could be measured."""
    if arguments.bench in OTHERS:
        return int(import_module(f"streamer.cli.bench_{arguments.bench}").run(arguments, settings))
    from streamer.bench.quality import Bench
    from streamer.bench.replay import Pace
    from streamer.bench.report import as_json, notes, table

    session = session_settings(arguments.set)
    _require_writable(arguments.json)
    corpus = _corpus(arguments)
    vad = arguments.vad or settings.vad
    judge = choose_judge(vad)
    # Libraries print on import and on load; standard output is the report's.
    with redirect_stdout(sys.stderr):
        engine = _engine(arguments.model or settings.model, arguments.device or settings.device, settings)
        pace = Pace(chunk_ms=arguments.chunk_ms, latency_ms=arguments.engine_latency_ms, telephone=arguments.telephone)
        bench = Bench(engine, judge, settings=session, pace=pace, with_ablation=arguments.ablate)
        began = perf_counter()
        result = bench.measure(corpus, _progress(len(corpus.items)))
        took = perf_counter() - began
    model = engine.info.name
    engine.close()
    for line in (*table(result), "", *notes(result, model=model, with_ablation=arguments.ablate)):
        print(line)
    print(f"{model} with {vad}: {result.overall.ms / 1000:.0f} s of audio in {took:.0f} s", file=sys.stderr)
    if arguments.json:
        report = as_json(result, model=model, vad_judge=vad, command=command_of(arguments), with_ablation=arguments.ablate)
        arguments.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if not result.files:
        print("streamer: nothing could be measured; the lines above tell why", file=sys.stderr)
        return 1
    return 0


def session_settings(given: list[str]) -> "SessionSettings":
    """``NAME=VALUE`` pairs to settings of a session. Raises ``ConfigurationError``."""
    from streamer.core.events import Settings as SessionSettings

    defaults = SessionSettings()
    known = {field.name: type(getattr(defaults, field.name)) for field in fields(SessionSettings)}
    changes: dict[str, Any] = {}
    for pair in given:
        name, _, text = pair.partition("=")
        if known.get(name) not in (int, float, str, bool):
            names = ", ".join(name for name, kind in known.items() if kind is not tuple)
            raise ConfigurationError(f"--set is {pair!r}, expected NAME=VALUE with a name of: {names}")
        try:
            changes[name] = {"true": True, "false": False}[text.lower()] if known[name] is bool else known[name](text)
        except (ValueError, KeyError):
            raise ConfigurationError(f"--set is {pair!r}, expected a value like {name}={getattr(defaults, name)}") from None
    try:
        return SessionSettings(**changes)
    except InvalidSetting as error:
        raise ConfigurationError(f"--set: {error}") from None


def command_of(arguments: argparse.Namespace) -> str:
    """What to type for the same report."""
    words = ["streamer", "bench", "quality", *([str(arguments.folder)] if arguments.folder else [])]
    for name in ("model", "device", "vad", "telephone", "ablate", "quick", "only", "chunk_ms", "engine_latency_ms", "seed"):
        value = getattr(arguments, name)
        option = "--" + name.replace("_", "-")
        words += [option] if value is True else [] if value is None or value is False else [option, str(value)]
    for pair in arguments.set:
        words += ["--set", pair]
    return shlex.join(words)


def _corpus(arguments: argparse.Namespace) -> "Corpus":
    from streamer.bench.builtin import builtin
    from streamer.bench.manifest import Corpus, read_manifest

    if arguments.folder and arguments.quick:
        raise ConfigurationError("--quick is a part of the built-in set; with DIR use --only")
    corpus = read_manifest(arguments.folder) if arguments.folder else builtin(seed=arguments.seed, quick=arguments.quick)
    if not arguments.only:
        return corpus
    items = tuple(item for item in corpus.items if fnmatch(item.name, arguments.only))
    if not items:
        raise ConfigurationError(f"--only is {arguments.only!r}, which none of the {len(corpus.items)} recordings matches")
    return Corpus(items, {name: reason for name, reason in corpus.skipped.items() if fnmatch(name, arguments.only)})


def _require_writable(path: Path | None) -> None:
    """Before the minutes that it takes, not after."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise ConfigurationError(f"--json is {path}, expected a file in a folder that exists")


def _engine(wanted: str | None, device: str, settings: "Settings") -> "Engine":
    from streamer.engine.load import load_engine
    from streamer.engine.models import Models

    models = Models(settings.models, say=lambda sentence: print(sentence, file=sys.stderr, flush=True))
    return load_engine(models.find(wanted), device)


def _progress(count: int) -> "Callable[[Item, int], None]":
    from tqdm import tqdm

    bar = tqdm(total=count, unit="file", file=sys.stderr, disable=None)

    def done(item: "Item", ms: int) -> None:
        bar.set_postfix_str(item.name, refresh=False)
        bar.update()
        if bar.n == count:
            bar.close()

    return done
