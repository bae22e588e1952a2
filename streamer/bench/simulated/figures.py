"""What a simulation says: latencies, how much of the nominal refreshes came, how evenly, and what the device did."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, Final

from streamer.bench.latency import fairness, quantiles
from streamer.bench.simulated.clients import Client, Outcome, Simulation, simulate
from streamer.bench.simulated.device import Cost, OpenDevice, VirtualDevice
from streamer.bench.simulated.threaded import ThreadedDevice
from streamer.engine import BatchLimits

LATENCIES: Final = ("first_partial", "partial_lag", "endpoint_to_final", "speech_end_to_final")
FEW: Final = 5  # refreshes: of fewer, a share is chance


@dataclass(frozen=True, slots=True)
class Nominal:
    """Refreshes of each client by an engine that costs nothing: what the cadence alone would give."""

    refreshes: dict[str, int]

    @classmethod
    def of(cls, plan: Simulation) -> "Nominal":
        free = partial(VirtualDevice, lambda jobs: 0.0, BatchLimits(max_items=1, max_audio_s=60.0, buckets_s=(60.0,)))
        return cls({client.name: len(client.partial_lag) for client in simulate(plan, free).clients})

    def shares(self, clients: Sequence[Client]) -> list[float]:
        """What each client received of its own."""
        return [len(client.partial_lag) / nominal for client in clients if (nominal := self.refreshes[client.name]) >= FEW]


def figures(outcome: Outcome, nominal: Nominal) -> dict[str, Any]:
    """Times in ms; shares 0 to 1; ``device`` is busy time and items a batch, padding and decoded audio for one second of speech."""
    clients, spent = outcome.clients, outcome.spent
    received = sum(len(client.partial_lag) for client in clients)
    expected = sum(nominal.refreshes[client.name] for client in clients)
    shares = nominal.shares(clients)
    spoken_s = sum(client.spoken_s for client in clients)
    latencies = {f"{name}_ms": quantiles(chain.from_iterable(getattr(client, name) for client in clients)) for name in LATENCIES}
    even = fairness(shares)
    return {
        "clients": len(clients),
        **latencies,
        "partial_rate": _share(received, expected),
        "fairness": even and round(even, 4),
        "least_served": round(min(shares), 3) if shares else None,
        "finals": sum(len(client.endpoint_to_final) for client in clients),
        "finals_passed": spent.finals_passed,
        "device": {
            "busy": _share(spent.busy_s, outcome.seconds),
            "items": _share(spent.items, spent.batches),
            "padded": _share(spent.padded_s, spent.audio_s),
            "decoded_s_per_s": _share(spent.audio_s, spoken_s),
        },
    }


def sweep(plan: Simulation, clients: Sequence[int], cost: Cost, limits: BatchLimits) -> list[dict[str, Any]]:
    """A row of figures for each number of clients."""
    nominal = Nominal.of(replace(plan, clients=max(clients)))
    device: OpenDevice = partial(VirtualDevice, cost, limits)
    return [figures(simulate(replace(plan, clients=number), device), nominal) for number in clients]


def beside_the_thread(plan: Simulation, cost: Cost, limits: BatchLimits) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same plan simulated, and in real time before the real scheduler."""
    nominal = Nominal.of(plan)
    threads: list[ThreadedDevice] = []

    def open_thread(answered: Any) -> ThreadedDevice:
        threads.append(ThreadedDevice(cost, limits, answered))
        return threads[-1]

    try:
        real = figures(simulate(plan, open_thread), nominal)
    finally:
        for thread in threads:
            thread.close()
    return figures(simulate(plan, partial(VirtualDevice, cost, limits)), nominal), real


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 3) if whole else None
