"""A server of our own, in a process of its own, for as long as a bench needs it: what `streamer serve` starts."""

import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from streamer.errors import ConfigurationError

STARTED_S: Final = 60.0  # until it listens
WARM_S: Final = 600.0  # until the model is loaded, and fetched if need be
STOPPED_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class LocalServer:
    address: str
    pid: int


@contextmanager
def local_server(model: str | None, device: str | None = None, *, sessions: int, workers: int | None = None) -> Iterator[LocalServer]:
    """Warm on entry, gone on exit; takes so many sessions. Raises ``ConfigurationError`` where it does not come up; stderr says why."""
    command = [
        "env",
        f"STREAMER_MAX_SESSIONS={sessions}",
        sys.executable,
        "-m",
        "streamer",
        "serve",
        "--port",
        "0",
        "--log-level",
        "warning",
    ]
    command += ["--model", model] if model else []
    command += ["--device", device] if device else []
    command += ["--workers", str(workers)] if workers else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = _address(process)
            _until_ready(process, address)
            yield LocalServer(address, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(STOPPED_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _address(process: "subprocess.Popen[str]") -> str:
    """From its first line. A server that says nothing is ended."""
    assert process.stdout
    timer = threading.Timer(STARTED_S, process.kill)
    timer.start()
    line = process.stdout.readline()
    timer.cancel()
    words = line.split()
    if "on" not in words:
        raise ConfigurationError(f"the server did not start (exit code {process.wait()}); its own words are above")
    return words[words.index("on") + 1]


def _until_ready(process: "subprocess.Popen[str]", address: str) -> None:
    deadline = time.monotonic() + WARM_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    if process.poll() is not None:
        raise ConfigurationError(f"the server ended before it was ready (exit code {process.poll()}); its own words are above")
    raise ConfigurationError(f"the server at {address} did not become ready within {WARM_S:.0f} s; its own words are above")
