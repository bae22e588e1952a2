"""Traces to figures. Every definition is here:

- *first partial*: from the chunk that holds the first sample of an utterance to the first partial with words in it.
- *partial lag*: from the chunk that holds the newest sample a partial covers to the partial.
- *endpoint to final*: from ``speech.ended`` to the ``final`` of the same segment.
- *end of speech to final*: from the chunk that holds the last sample of an utterance to its final, endpoint silence included.
- *partial rate*: how often open segments were decoded, by the server's own count of partials and speculations, of how often the cadence
  asks for it; where the server gives no count, partials received, of which those are missing that said nothing new.
- *lag slope*: least squares of partial lag over time; a server that falls behind has one.

Latencies count between the last client's begin and the first one's end, so that all of them were speaking.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from streamer.bench.latency import quantiles, slope
from streamer.bench.load.cadence import nominal_partials
from streamer.bench.load.trace import Heard, Trace
from streamer.core.events import SAMPLES_PER_MS

NEAR_MS: Final = 700  # a segment that begins or ends this near to an utterance is its own, and not several in one
LATE_MS: Final = 50.0  # of the generator, at the 99th percentile: later, and it does not speak in real time


@dataclass(frozen=True, slots=True)
class Window:
    """When all clients spoke."""

    begin: float
    end: float

    @classmethod
    def of(cls, traces: Sequence[Trace]) -> "Window":
        """Empty where nobody got a connection."""
        begun = [trace for trace in traces if trace.begin]
        if not begun:
            return cls(0.0, 0.0)
        return cls(max(trace.begin for trace in begun), min(trace.end for trace in begun))

    def __contains__(self, at: float) -> bool:
        return self.begin <= at <= self.end


@dataclass(slots=True)
class Segment:
    """What a client heard of one segment, in order of arrival."""

    begin_ms: int = 0
    partials: tuple[Heard, ...] = ()
    ended: Heard | None = None
    final: Heard | None = None
    failed: bool = False


def segments_of(trace: Trace) -> dict[int, Segment]:
    found: dict[int, Segment] = {}
    for heard in trace.heard:
        if heard.segment < 0:
            continue
        segment = found.setdefault(heard.segment, Segment())
        match heard.kind:
            case "speech.started":
                segment.begin_ms = heard.audio_ms
            case "partial":
                segment.partials += (heard,)
            case "speech.ended":
                segment.ended = heard
            case "final":
                segment.final = heard
            case "error":
                segment.failed = True
    return found


def measure(traces: Sequence[Trace], *, decoded: float | None = None) -> dict[str, Any]:
    """Times in ms, ``lag_slope`` in ms per minute, shares 0 to 1. ``decoded``: partials and speculations that the server counted."""
    window = Window.of(traces)
    segments = [(trace, segments_of(trace)) for trace in traces]
    partials = [(heard, trace) for trace, own in segments for segment in own.values() for heard in segment.partials if heard.at in window]
    lags = [(heard.at, 1000 * (heard.at - trace.sent(heard.audio_ms * SAMPLES_PER_MS - 1))) for heard, trace in partials]
    nominal = sum(
        nominal_partials(segment.begin_ms, segment.ended.audio_ms, windowed=trace.windowed)
        for trace, own in segments
        for segment in own.values()
        if segment.ended
    )
    received = sum(len(segment.partials) for _, own in segments for segment in own.values())
    endings = [segment for _, own in segments for segment in own.values() if segment.ended and segment.final]
    lag_slope = slope([(at / 60, lag) for at, lag in lags])
    late = quantiles(chain.from_iterable(trace.late_ms for trace in traces))
    return {
        "clients": len(traces),
        "seconds": round(max(0.0, window.end - window.begin), 1),
        "first_partial_ms": quantiles(_first_partials(segments, window)),
        "partial_lag_ms": quantiles(lag for _, lag in lags),
        "endpoint_to_final_ms": quantiles(
            1000 * (one.final.at - one.ended.at) for one in endings if one.final and one.ended and one.final.at in window
        ),
        "speech_end_to_final_ms": quantiles(_after_speech(segments, window)),
        "partial_rate": _rate(received, decoded, nominal, sum(one.ended is not None and one.ended.note == "endpoint" for one in endings)),
        "partials": received,
        "lag_slope": None if lag_slope is None else round(lag_slope, 1),
        "finals": sum(segment.final is not None for _, own in segments for segment in own.values()),
        "errors": sum(_errors(trace, own) for trace, own in segments),
        "failures": sorted({trace.failure for trace in traces if trace.failure}),
        "late_ms": late,
    }


def _rate(received: int, decoded: float | None, nominal: int, endpoints: int) -> float | None:
    """Every endpoint has its speculation, which is counted where decodes are."""
    if not nominal:
        return None
    return round(received / nominal if decoded is None else decoded / (nominal + endpoints), 3)


def _first_partials(segments: Sequence[tuple[Trace, dict[int, Segment]]], window: Window) -> Iterator[float]:
    for trace, own in segments:
        for begin, end in trace.speech:
            first = next(
                (one for one in own.values() if one.begin_ms * SAMPLES_PER_MS < end and _end_ms(one) * SAMPLES_PER_MS > begin), None
            )
            if first is None or abs(first.begin_ms - begin // SAMPLES_PER_MS) > NEAR_MS:
                continue
            partial = next((heard for heard in first.partials if heard.note.strip()), None)
            if partial and partial.at in window:
                yield 1000 * (partial.at - trace.sent(begin))


def _after_speech(segments: Sequence[tuple[Trace, dict[int, Segment]]], window: Window) -> Iterator[float]:
    for trace, own in segments:
        for _, end in trace.speech:
            for one in own.values():
                if not one.final or not one.ended or one.ended.note != "endpoint" or one.final.at not in window:
                    continue
                if abs(one.ended.audio_ms - end // SAMPLES_PER_MS) <= NEAR_MS:
                    yield 1000 * (one.final.at - trace.sent(end - 1))


def _end_ms(segment: Segment) -> float:
    return segment.ended.audio_ms if segment.ended else float("inf")


def _errors(trace: Trace, own: dict[int, Segment]) -> int:
    """Errors that were told, sentences that were lost, and a connection that was."""
    told = sum(heard.kind == "error" for heard in trace.heard)
    lost = sum(not segment.final and not segment.failed for segment in own.values())
    return told + lost + (trace.failure is not None)
