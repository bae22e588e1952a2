"""`streamer transcribe`: any audio or video files to text or subtitles, as fast as this machine can, or like a microphone."""

import argparse
import asyncio
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path

from streamer.cli.backends import Backend, InProcess, Remote, SelfServed
from streamer.cli.hearing import Hearing, hear_all
from streamer.cli.live import Live
from streamer.cli.output import open_output
from streamer.core.events import LANGUAGES, MAX_CHANNELS
from streamer.errors import ConfigurationError
from streamer.settings import Settings
from streamer.transcript import FORMATS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="mp3, wav, flac, m4a, ogg, webm, mp4 … with sound")
    parser.add_argument("--format", choices=tuple(FORMATS), help="default: what --output ends in, else txt")
    parser.add_argument("--output", metavar="PATH", help="a file, or a folder for one file each (default: standard output)")
    parser.add_argument("--language", choices=LANGUAGES, default="auto", help="default: auto, the model decides for each sentence")
    parser.add_argument("--no-itn", action="store_true", help="numbers and punctuation as spoken, not as written")
    parser.add_argument("--channels", type=_channels, default=1, metavar="N|split", help="1 mixes them (default), split keeps them apart")
    parser.add_argument(
        "--model", help="a model's name (sensevoice, bundled, miniature) or the folder of its weights (default: SenseVoiceSmall)"
    )
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument(
        "--realtime", action="store_true", help="at the speed of a microphone, through a server, with partials as they come"
    )
    parser.add_argument("--url", help="through this server, such as ws://127.0.0.1:8765/ws, instead of a model of its own")
    parser.add_argument("--quiet", action="store_true", help="results, warnings and errors only")


def _channels(text: str) -> int | None:
    if text == "split":
        return None
    if text.isdigit() and 1 <= int(text) <= MAX_CHANNELS:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is neither split nor a number from 1 to {MAX_CHANNELS}")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Exit code 1 when a file could not be transcribed; the others were."""
    # Failed jobs are told with their file and time; the engine's own words for them are for a server's log.
    logging.basicConfig(level=logging.CRITICAL, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    live = Live(sys.stderr, quiet=arguments.quiet, bar=not arguments.realtime)
    output = open_output(arguments.files, arguments.format, arguments.output, live.room)
    backend = _backend(arguments, settings)
    wanted = Hearing(
        channels=arguments.channels,
        start={"language": arguments.language, "itn": not arguments.no_itn, "partials": arguments.realtime},
        at_once=1 if arguments.realtime else backend.at_once,
    )
    try:
        failed = asyncio.run(hear_all(arguments.files, wanted, backend, output, live))
    except BrokenPipeError:
        # The reader of standard output left, as `head` does; without this, Python would complain about it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 1 if failed else 0


def _backend(arguments: argparse.Namespace, settings: Settings) -> Backend:
    if arguments.url is not None:
        for name in ("model", "device"):
            if getattr(arguments, name) is not None:
                raise ConfigurationError(
                    f"--{name} is {getattr(arguments, name)!r}, but with --url the server chooses it; leave one of them out"
                )
        return Remote(arguments.url, paced=arguments.realtime)
    given = {name: value for name in ("model", "device") if (value := getattr(arguments, name)) is not None}
    return (SelfServed if arguments.realtime else InProcess)(replace(settings, **given))
