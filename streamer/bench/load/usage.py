"""What the server costs while the clients speak: processor time, memory, and its own count of partials."""

import os
import re
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

SAMPLE_S: Final = 0.5
TIMEOUT_S: Final = 2.0
REFRESHES: Final = tuple(f'streamer_jobs_total{{kind="{kind}"}}' for kind in ("partial", "speculative"))


@dataclass(frozen=True, slots=True)
class Usage:
    """Since the process began: processor seconds of all its threads and children; memory now, in MB."""

    at: float
    cpu_s: float
    rss_mb: float


def usage_of(pid: int) -> Usage | None:
    """Of a process of this machine and its children, from /proc; ``None`` where that cannot be read."""
    cpu_s = rss_mb = 0.0
    waiting = [pid]
    ticks, page_mb = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE") / 1e6
    while waiting:
        folder = Path("/proc") / str(waiting.pop())
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()  # the name before it may hold anything
            cpu_s += (int(fields[11]) + int(fields[12])) / ticks
            rss_mb += int((folder / "statm").read_text().split()[1]) * page_mb
            waiting += [int(child) for task in (folder / "task").iterdir() for child in (task / "children").read_text().split()]
        except (OSError, IndexError):
            if folder.name == str(pid):
                return None
    return Usage(monotonic(), cpu_s, rss_mb)


def metrics_of(address: str) -> dict[str, float]:
    """The server's own numbers; empty where it gives none."""
    try:
        with urllib.request.urlopen(f"{address}/metrics", timeout=TIMEOUT_S) as response:
            text = response.read().decode()
    except (OSError, urllib.error.URLError, ValueError):
        return {}
    return {name: float(value) for name, value in re.findall(r"^(\w+(?:\{[^}]*\})?) ([-+.\deE]+)$", text, re.MULTILINE)}


def http_address(url: str) -> str:
    """Where the metrics of the server behind a WebSocket address are."""
    parts = urlsplit(url)
    return f"{'https' if parts.scheme in ('wss', 'https') else 'http'}://{parts.netloc}"


class Watch:
    """Samples a server in a thread while a load runs. Of a local one give the ``pid``; of another its metrics are asked."""

    def __init__(self, address: str, pid: int | None = None) -> None:
        self._address, self._pid = address, pid
        self._samples: list[Usage] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._decoded_before: float | None = None

    def __enter__(self) -> Self:
        self._decoded_before = self._decoded()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def decoded(self) -> float | None:
        """Partials and speculations in the run so far; ``None`` where the server does not count."""
        now = self._decoded()
        return None if now is None else now - (self._decoded_before or 0.0)

    def memory_mb(self) -> float | None:
        """Now; ``None`` where neither way is open."""
        now = self._look()
        return None if now is None else round(now.rss_mb, 1)

    def figures(self, begin: float, end: float) -> dict[str, Any]:
        """``cpu`` in percent of one core over that time, ``rss_mb`` at its highest; ``None`` where neither way is open."""
        inside = [one for one in self._samples if begin <= one.at <= end]
        if len(inside) < 2:
            return {"cpu": None, "rss_mb": None}
        first, last = inside[0], inside[-1]
        return {
            "cpu": round(100 * (last.cpu_s - first.cpu_s) / (last.at - first.at), 1),
            "rss_mb": round(max(one.rss_mb for one in inside), 1),
        }

    def _decoded(self) -> float | None:
        numbers = metrics_of(self._address)
        return sum(numbers.get(name, 0.0) for name in REFRESHES) if numbers else None

    def _look(self) -> Usage | None:
        return self._remote() if self._pid is None else usage_of(self._pid)

    def _watch(self) -> None:
        while True:
            if found := self._look():
                self._samples.append(found)
            if self._over.wait(SAMPLE_S):
                return

    def _remote(self) -> Usage | None:
        numbers = metrics_of(self._address)
        try:
            return Usage(monotonic(), numbers["process_cpu_seconds_total"], numbers["process_resident_memory_bytes"] / 1e6)
        except KeyError:
            return None
