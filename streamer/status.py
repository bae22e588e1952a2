"""A server's numbers in a dozen lines: how many, how late, how full, what fails. From the text of /metrics, and nothing else.

Latencies are of all that happened between two looks, or since the server began.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]
Numbers = dict[str, dict[Labels, float]]
"""By the name of a sample and its labels."""

HEAD: Final = 12  # columns
UNKNOWN: Final = "none yet"


def read_numbers(text: str) -> Numbers:
    """Raises ``ValueError`` for what is no exposition."""
    found: Numbers = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name][tuple(sorted(sample.labels.items()))] = sample.value
    if "streamer_ready" not in found:
        raise ValueError("streamer_ready is not among the metrics")
    return found


def summary(now: Numbers, before: Numbers | None = None) -> Iterator[str]:
    """The lines. ``before`` is an earlier look."""

    def one(name: str) -> float:
        return sum(now.get(name, {}).values())

    def late(name: str) -> str:
        half, most = (quantile(now, before or {}, name, q) for q in (0.5, 0.95))
        return UNKNOWN if half is None else f"half within {_ms(half)}, 95 % within {_ms(most)}"

    def counts(name: str) -> str:
        values = ((dict(labels), value) for labels, value in sorted(now.get(name, {}).items()))
        return ", ".join(f"{' '.join(labels.values())} {value:.0f}" for labels, value in values if value) or "none"

    sessions = f"{one('streamer_open_sessions'):.0f} of {one('streamer_max_sessions'):.0f} open"
    yield _line("how many", "sessions", f"{sessions}, {one('streamer_sessions_total'):.0f} since the start")
    away, back = one("streamer_detached_sessions"), one("streamer_resumed_total")
    yield _line("", "clients", f"{away:.0f} lost and awaited, {back:.0f} came back, {one('streamer_followers'):.0f} follow")
    yield _line("", "audio", f"{one('streamer_audio_seconds_total') / 3600:.1f} hours received")
    yield _line("how late", "finals", late("streamer_endpoint_to_final_seconds"))
    yield _line("", "partials", f"{late('streamer_partial_seconds')}; the first: {late('streamer_speech_to_partial_seconds')}")
    waits = f"{one('streamer_queue_audio_seconds'):.1f} s of audio, {one('streamer_queue_delay_seconds'):.1f} s behind"
    yield _line("how full", "queue", waits)
    batches = one("streamer_batch_items_count")
    yield _line("", "batches", f"{one('streamer_batch_items_sum') / batches:.1f} jobs in one" if batches else UNKNOWN)
    yield _line(
        "", "process", f"{one('process_resident_memory_bytes') / 1e6:.0f} MB, {one('process_cpu_seconds_total'):.0f} s of processors"
    )
    yield _line("what fails", "refused", counts("streamer_refused_total"))
    yield _line("", "errors", counts("streamer_errors_total"))
    yield _line("", "restarts", counts("streamer_restarts_total"))


def quantile(now: Numbers, before: Numbers, name: str, q: float) -> float | None:
    """Of a histogram, the upper bound of the bucket that holds it; ``None`` where nothing was counted."""
    buckets: dict[float, float] = defaultdict(float)
    for labels, value in now.get(f"{name}_bucket", {}).items():
        buckets[float(dict(labels)["le"])] += value - before.get(f"{name}_bucket", {}).get(labels, 0.0)
    total = max(buckets.values(), default=0.0)
    if total <= 0:
        return None
    return next(edge for edge, value in sorted(buckets.items()) if value >= q * total)


def _ms(seconds: float | None) -> str:
    return "more" if seconds in (None, float("inf")) else f"{1000 * (seconds or 0):.0f} ms"


def _line(question: str, what: str, said: str) -> str:
    return f"{question:<{HEAD}}{what:<{HEAD}}{said}"
