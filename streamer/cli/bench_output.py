"""What the benches of load, engine and simulation leave behind: a table, a JSON report, a plot."""

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

from streamer.errors import ConfigurationError

NOT_OURS: Final = ("command", "bench", "json", "plot", "table")


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="OUT", help="write all figures")
    parser.add_argument("--plot", type=Path, metavar="OUT.svg", help="draw them")
    parser.add_argument("--table", action="store_true", help="print a Markdown table, with the command below it")


def check_outputs(arguments: argparse.Namespace) -> None:
    """Before the minutes that it takes, not after. Raises ``ConfigurationError``."""
    for name in ("json", "plot"):
        path: Path | None = getattr(arguments, name)
        if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
            raise ConfigurationError(f"--{name} is {path}, expected a file in a folder that exists")


def write_outputs(arguments: argparse.Namespace, report: dict[str, Any], table: str, draw: Callable[[], str]) -> None:
    """Print the table; write what else was asked for. ``draw`` raises ``ValueError`` where there is nothing to draw."""
    print(table)
    if arguments.table:
        print(f"\n`{report['command']}`")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if arguments.plot:
        try:
            arguments.plot.write_text(draw(), encoding="utf-8")
        except ValueError as error:
            print(f"streamer: {arguments.plot} was not drawn: {error}", file=sys.stderr)


def command_of(bench: str, arguments: argparse.Namespace, parser: argparse.ArgumentParser, positional: Collection[str] = ()) -> str:
    """What to type for the same figures: all that differs from the defaults, outputs left out."""
    words, last = ["streamer", "bench", bench], []
    for name, value in sorted(vars(arguments).items()):
        if name in NOT_OURS or value is None or value is False or value == parser.get_default(name):
            continue
        values = [] if value is True else [str(item) for item in value] if isinstance(value, list) else [str(value)]
        if name in positional:
            last += values
        else:
            words += ["--" + name.replace("_", "-"), *values]
    return shlex.join([*words, *last])


def positive(text: str) -> float:
    """An argument that is a number above zero."""
    value = not_negative(text)
    if not value:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def not_negative(text: str) -> float:
    """An argument that is a number from zero up."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 up")
    return value


def count(text: str) -> int:
    """An argument that is a whole number from one up."""
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
