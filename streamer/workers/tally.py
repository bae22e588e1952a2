"""The numbers of several processes as those of one server: sums, but for what can only be the least or the most of them.

What a process that is gone had counted stays in the sums, or else its end would look like a restart of all.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

LEAST: Final = ("streamer_ready", "process_start_time_seconds", "_created")
MOST: Final = ("streamer_queue_audio_seconds", "streamer_queue_delay_seconds", "streamer_max_sessions")  # which all gateways repeat
COUNTED: Final = ("counter", "histogram")

Key = tuple[str, tuple[tuple[str, str], ...]]


class Tally(Collector):
    """Adds up expositions, in Prometheus's text format."""

    def __init__(self) -> None:
        self._gone: dict[str, Metric] = {}
        self._families: dict[str, Metric] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def leave(self, exposition: bytes) -> None:
        """A process that had said this last is gone."""
        counted = [family for family in _families(exposition) if family.type in COUNTED]
        self._gone = _sum([*self._gone.values(), *counted])

    def exposition(self, expositions: Iterable[bytes]) -> bytes:
        families = [family for exposition in expositions for family in _families(exposition)]
        self._families = _sum([*families, *self._gone.values()])
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        yield from self._families.values()


def _families(exposition: bytes) -> "Iterable[Metric]":
    families: Iterable[Metric] = text_string_to_metric_families(exposition.decode())
    return families


def _sum(families: Iterable[Metric]) -> dict[str, Metric]:
    """One family of each name, in the order in which they first came."""
    sums: dict[str, Metric] = {}
    values: dict[str, dict[Key, float]] = {}
    for family in families:
        sums.setdefault(family.name, Metric(family.name, family.documentation, family.type))
        mine = values.setdefault(family.name, {})
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            mine[key] = _add(sample.name, mine[key], sample.value) if key in mine else sample.value
    for name, family in sums.items():
        family.samples = [Sample(key, dict(labels), value) for (key, labels), value in values[name].items()]
    return sums


def _add(name: str, a: float, b: float) -> float:
    if name.endswith(LEAST):
        return min(a, b)
    return max(a, b) if name.endswith(MOST) else a + b
