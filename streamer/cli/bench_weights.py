"""`streamer bench weights`: a SenseVoiceSmall of the full size with random weights, for machines that have no real ones."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.errors import ConfigurationError

if TYPE_CHECKING:
    from streamer.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where to write it, 937 MB; for --model of the other benches")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the weights (default: 0)")


def run(arguments: argparse.Namespace, settings: "Settings") -> int:
    from streamer.bench.fullsize import build

    folder: Path = arguments.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(f"FOLDER is {folder}, which has something in it; expected an empty folder or a new one")
    try:
        print(build(folder, arguments.seed))
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written ({error.strerror or error}); choose another folder") from error
    return 0
