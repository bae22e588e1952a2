"""The door: arguments and environment to settings, settings to a command. Nothing happens at import."""

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import Final

from streamer import __version__
from streamer.errors import ProcessError
from streamer.settings import read_settings

COMMANDS: Final = {
    "serve": "listen for clients, and serve the page",
    "status": "what a running server says of itself: how many, how late, how full, what fails",
    "transcribe": "files to text, or to subtitles",
    "keys": "make, list and revoke the keys that let people in",
    "token": "a short-lived token of a key, for a browser",
    "transcripts": "list, search, show, export and delete what was kept",
    "models": "list, pull and verify weights",
    "bench": "measure the quality of segmentation, text and tags on labelled audio",
    "doctor": "what is slow or broken on this machine, and what to do about it",
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit code is 0 when it did what was asked."""
    parser = argparse.ArgumentParser(prog="streamer", description="Live transcription: words, language, emotion and sound events.")
    parser.add_argument("--version", action="version", version=f"streamer {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    argv = sys.argv[1:] if argv is None else argv
    module = None
    for name, meaning in COMMANDS.items():
        command = commands.add_parser(name, help=meaning, description=meaning)
        if argv[:1] == [name]:  # only the one that runs is loaded
            module = importlib.import_module(f"streamer.cli.{name}")
            module.add_arguments(command)
    arguments = parser.parse_args(argv)
    assert module
    try:
        return int(module.run(arguments, read_settings(os.environ, Path.home(), getattr(arguments, "config", None))))
    except ProcessError as error:
        print(f"streamer: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
