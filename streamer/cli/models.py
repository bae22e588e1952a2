"""``streamer models``: which weights are here, fetching them, whether they are sound, and writing them as ONNX."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from streamer.engine.models import Kind, Models
    from streamer.engine.weights import WeightFile
    from streamer.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", help="without one: list what is here")
    pull = actions.add_parser("pull", help="fetch a model's weights from a hub; goes on where an earlier attempt broke off")
    pull.add_argument("name", nargs="?", default="sensevoice", metavar="NAME", help="sensevoice, which is the default")
    verify = actions.add_parser("verify", help="read every byte again and compare it with what was published")
    verify.add_argument("name", nargs="?", metavar="NAME|PATH", help="a model or a folder; without it, all that is here")
    export = actions.add_parser("export", help="write a SenseVoice as ONNX, for CPUs and for other programs")
    export.add_argument("name", nargs="?", default="sensevoice", metavar="NAME|PATH", help="a model or its folder (default: sensevoice)")
    export.add_argument("--int8", action="store_true", help="matrices in 8 bits: a quarter of the size, not always the same words")
    export.add_argument("--output", type=Path, metavar="DIR", help="where to (default: the folder itself, for a NAME one in the cache)")


def run(arguments: argparse.Namespace, settings: "Settings") -> int:
    """Exit code 1 when what was asked for is not there or not sound."""
    from streamer.engine.models import Models
    from streamer.errors import ProcessError

    models = Models(settings.models, say=lambda sentence: print(sentence, file=sys.stderr))
    try:
        match arguments.action:
            case "pull":
                return pull(models, arguments.name, sys.stdout)
            case "export":
                return export(models, arguments.name, arguments.output, int8=arguments.int8, out=sys.stdout)
            case "verify":
                return verify(models, arguments.name, sys.stdout)
            case _:
                return show(models, settings.model, sys.stdout)
    except ProcessError as fault:
        print(fault, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. What has arrived is kept: the same command goes on from there.", file=sys.stderr)
        return 1


def show(models: "Models", wanted: str | None, out: TextIO) -> int:
    """One line for each model here, the one that the server would use now marked, and a sentence on it."""
    from streamer.engine.models import NotFetched
    from streamer.errors import ModelNotFound

    used: Path | None = None
    try:
        found = models.find(wanted, download=False)
    except NotFetched as fault:
        sentence = f"Used now: SenseVoiceSmall, which the server would first fetch ({_size(models.files)}) from {fault.hub.name}."
    except ModelNotFound as fault:
        sentence = f"Used now: none, the server would not start. {fault}"
    else:
        used = found.path
        sentence = f"Used now: {found.kind.value} from {found.source}. {found.notice or ''}".rstrip()
    rows = [("", "NAME", "SIZE", "STATE", "SOURCE", "WHERE"), *_rows(models, wanted, used)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        out.write("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]).rstrip() + "\n")
    out.write(f"\n{sentence}\n")
    return 0


def _rows(models: "Models", wanted: str | None, used: Path | None) -> Iterator[tuple[str, str, str, str, str, str]]:
    from streamer.engine.packaged import bundled_folder

    shown = set()
    for folder, source in models.copies():
        problems = models.problems(folder)
        shown.add(folder)
        yield _mark(folder, used), "sensevoice", _size_of(folder), problems[0] if problems else "verified", source, str(folder)
    if not shown:
        yield "", "sensevoice", _size(models.files), "not here", "ModelScope, Hugging Face", "-"
    bundled = bundled_folder()
    if bundled:
        shown.add(bundled)
        yield _mark(bundled, used), "bundled", _size_of(bundled), "as installed", "package moonshine-voice", str(bundled)
    if used and used not in shown:
        yield "*", str(wanted), _size_of(used), "your own, not compared", "--model", str(used)


def _mark(folder: Path, used: Path | None) -> str:
    return "*" if folder == used else ""


def _size_of(folder: Path) -> str:
    files = folder.iterdir() if folder.is_dir() else folder.parent.glob(f"{folder.name}*")
    return f"{sum(path.stat().st_size for path in files if path.is_file()) / 1e6:,.1f} MB"


def _size(files: "tuple[WeightFile, ...]") -> str:
    return f"{sum(file.size for file in files) / 1e6:,.1f} MB"


def pull(models: "Models", name: str, out: TextIO) -> int:
    """Bring the named model here, if it is not here and sound already."""
    from streamer.engine.models import Kind
    from streamer.errors import ModelNotFound

    if Path(name).is_dir():
        raise ModelNotFound(f"{name} is a folder on this machine, there is nothing to fetch; give a name, such as sensevoice")
    found = models.find(name)
    if found.kind in (Kind.SENSEVOICE, Kind.SENSEVOICE_INT8):
        out.write(f"SenseVoiceSmall is here and verified: {found.path} (from {found.source}).\n")
    else:
        out.write(f"{name} comes with {found.source}; there is nothing to fetch.\n")
    return 0


def export(models: "Models", name: str, output: Path | None, *, int8: bool, out: TextIO) -> int:
    """Write what ``name`` is as ONNX."""
    from streamer.engine.export import export as write
    from streamer.engine.models import Kind, known
    from streamer.errors import ModelNotFound

    found = models.find(name)
    if found.kind not in (Kind.SENSEVOICE, Kind.SENSEVOICE_INT8) or found.path is None:
        raise ModelNotFound(f"{name} is of kind {found.kind}; only a SenseVoice with its model.pt can be written as ONNX")
    row = known(name)
    place = models.settings.cache / f"{row.names[0]}-onnx" if row else found.path
    path = write(found.path, output or place, int8=int8 or found.kind is Kind.SENSEVOICE_INT8)
    out.write(f"{path} ({_size_of(path)}) is written; `streamer serve --model {path}` runs it.\n")
    return 0


def verify(models: "Models", name: str | None, out: TextIO) -> int:
    """Hash everything anew. A folder of somebody's own only has to be complete: that it differs is said, and is no fault."""
    from streamer.engine.models import known

    row = known(name) if name else None
    if name and row is None and Path(name) not in [folder for folder, _ in models.copies()]:
        return _verify_own(models, Path(name), out)
    checked = [*_verify_all(models, row.kind if row else None)]
    for what, problems in checked:
        out.write(f"{'BAD' if problems else 'ok '}  {what}\n" + "".join(f"     {problem}\n" for problem in problems))
    if any(problems for _, problems in checked):
        out.write("`streamer models pull sensevoice` fetches what is damaged again, into our own cache.\n")
        return 1
    if not checked:
        out.write(f"{name or 'No model'} is not on this machine; `streamer models pull sensevoice` fetches SenseVoiceSmall.\n")
    return 0 if checked else 1


def _verify_all(models: "Models", kind: "Kind | None") -> Iterator[tuple[str, list[str]]]:
    from streamer.engine.models import Kind
    from streamer.engine.packaged import bundled_folder, bundled_problems

    if kind in (None, Kind.SENSEVOICE, Kind.SENSEVOICE_INT8):
        for folder, _ in models.copies():
            yield f"sensevoice in {folder}", models.problems(folder, rehash=True)
    if kind in (None, Kind.BUNDLED) and bundled_folder():
        yield f"bundled in {bundled_folder()}", list(bundled_problems())
    if kind is Kind.SCRIPTED:
        yield "scripted has no weights", []


def _verify_own(models: "Models", folder: Path, out: TextIO) -> int:
    models.find(str(folder))
    differing = models.problems(folder, rehash=True)
    out.write(f"ok   {folder} is complete{', and it is the published model' if not differing else ''}\n")
    for sentence in differing:
        out.write(f"     not as published: {sentence}\n")
    if differing:
        out.write("     That is right for weights of your own; if they should be the published ones, fetch them again.\n")
    return 0
