"""Model hubs: what they are called, whether they answer, and how they are asked."""

import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from streamer import __version__
from streamer.engine.weights import WeightFile


@dataclass(frozen=True, slots=True)
class Hub:
    """A place that serves the files, each at ``<url>/<name>``."""

    name: str
    url: str

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


def out_of_reach(hubs: Sequence[Hub], file: WeightFile, timeout_s: float) -> list[str | None]:
    """For each hub the reason why it cannot be used, or ``None``. Asks all at once, and never takes longer than ``timeout_s``.

    Each hub is asked from a thread of its own because no timeout of a socket covers name resolution, which can take half a minute
    where a network drops the packets. A thread that is late is left to end by itself.
    """
    answers: queue.SimpleQueue[tuple[int, str | None]] = queue.SimpleQueue()

    def ask(index: int) -> None:
        answers.put((index, _refusal(hubs[index], file, timeout_s)))

    for index in range(len(hubs)):
        threading.Thread(target=ask, args=(index,), name=f"reach-{hubs[index].name}", daemon=True).start()
    reasons: list[str | None] = [f"{hub.name} ({hub.host}) did not answer within {timeout_s:g} s" for hub in hubs]
    deadline = time.monotonic() + timeout_s
    for _ in hubs:
        try:
            index, reason = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        reasons[index] = reason
    return reasons


def _refusal(hub: Hub, file: WeightFile, timeout_s: float) -> str | None:
    try:
        with client_of(hub, timeout_s, stall_s=timeout_s) as client, client.stream("GET", f"{hub.url}/{file.name}") as response:
            if response.status_code == httpx.codes.OK:
                return None
            return f"{hub.name} ({hub.host}) answered HTTP {response.status_code}"
    except httpx.TimeoutException:
        return f"{hub.name} ({hub.host}) did not answer within {timeout_s:g} s"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ImportError, ValueError) as fault:
        # ImportError and ValueError come from proxy settings that httpx cannot follow.
        return f"{hub.name} ({hub.host}) could not be reached: {said(fault)}"


def client_of(hub: Hub, timeout_s: float, *, stall_s: float) -> httpx.Client:
    """A client for this hub: ``timeout_s`` to connect, ``stall_s`` without a byte. Follows the proxy settings of the system."""
    loopback = urlsplit(hub.url).hostname in {"localhost", "127.0.0.1", "::1"}
    return httpx.Client(
        timeout=httpx.Timeout(timeout_s, read=stall_s),
        follow_redirects=True,
        trust_env=not loopback,  # a proxy that leads out does not lead to ourselves
        headers={"User-Agent": f"streamer/{__version__}", "Accept-Encoding": "identity"},
    )


def said(fault: BaseException) -> str:
    """What a fault says for itself; some of httpx's say nothing."""
    return str(fault) or type(fault).__name__
