"""`streamer status`: what a running server says of itself."""

import argparse
import sys
import time
import urllib.error
import urllib.request
from typing import Final

from streamer.cli.bench_output import count
from streamer.errors import ConfigurationError, ConnectionFailed
from streamer.settings import DEFAULT_PORT, Settings
from streamer.status import Numbers, read_numbers, summary

TIMEOUT_S: Final = 10.0
CLEAR: Final = "\x1b[2J\x1b[H"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", nargs="?", default=f"http://127.0.0.1:{DEFAULT_PORT}", metavar="URL", help="(default: %(default)s)")
    parser.add_argument("--watch", nargs="?", type=count, const=2, metavar="SECONDS", help="again and again (default: every 2)")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """0 where the server is ready, 1 where it is not."""
    url = arguments.url.replace("ws", "http", 1) if arguments.url.startswith("ws") else arguments.url
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"URL is {arguments.url!r}, expected http://HOST:PORT")
    base = url.rstrip("/").removesuffix("/ws")
    before: Numbers | None = None
    while True:
        ready, text = _get(base + "/readyz")
        try:
            numbers = read_numbers(_get(base + "/metrics")[1])
        except ValueError as error:
            raise ConnectionFailed(f"{base} is no streamer: {error}") from None
        lines = [f"{base}: {text.strip()}", *summary(numbers, before)]
        print((CLEAR if arguments.watch and sys.stdout.isatty() else "") + "\n".join(lines), flush=True)
        if not arguments.watch:
            return 0 if ready else 1
        before = numbers
        time.sleep(arguments.watch)


def _get(url: str) -> tuple[bool, str]:
    """Whether it went well, and what was said. Raises ``ConnectionFailed``."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
            return True, response.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        with error:
            return False, error.read().decode(errors="replace")
    except (OSError, ValueError) as error:
        raise ConnectionFailed(f"{url} cannot be reached: {getattr(error, 'reason', error)}; is the server running there?") from None
