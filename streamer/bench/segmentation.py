"""Segments against marked speech.

- *frame*: 10 ms, judged at its middle. It is speech by the label where it lies in a marked stretch, and heard as speech where it lies
  in a segment and the judge gave at least ``endpointer.RELEASE``: pads and bridged pauses of a segment are deliberate and no error.
- *utterance*: marked stretches that lie no more than ``UTTERANCE_GAP_MS`` apart.
- *cut*: an endpoint, or the end of a segment that grew too long, more than ``EDGE_MS`` within an utterance.
- *merge*: one segment that holds the end of one utterance and the begin of the next (``EDGE_MS`` of each), with a marked pause of at
  least ``MERGE_PAUSE_MS`` between them. Cuts and merges are per minute of audio.
- *onset clipped*: from an utterance's begin to the begin of the first segment that holds some of it, 0 where that lies earlier;
  *tail clipped* likewise at its end. An utterance that no segment holds is missed, and counts in recall alone.
- *endpoint*: from the end of the last utterance that a segment holds to the moment at which its end was decided, in audio time.
  Segments that were cut, or that a stop ended, have none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from streamer.bench.replay import Recording
from streamer.bench.spans import Spans, joined
from streamer.bench.tally import Tally, nearest_rank, ratio
from streamer.core.endpointer import RELEASE, EndReason
from streamer.core.events import SpeechEnded, SpeechStarted

FRAME_MS: Final = 10
UTTERANCE_GAP_MS: Final = 300
MERGE_PAUSE_MS: Final = 1000
EDGE_MS: Final = 200
MINUTE_MS: Final = 60_000

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of channel 0, and when and why it was decided to end."""

    id: int
    begin: int
    end: int
    decided: float
    reason: str


def segments_of(recording: Recording, channel: int = 0) -> list[Segment]:
    begins = {message.segment: message.begin_ms for _, message in recording.of(SpeechStarted) if message.channel == channel}
    return [
        Segment(ended.segment, begins[ended.segment], ended.end_ms, at, ended.reason)
        for at, ended in recording.of(SpeechEnded)
        if ended.channel == channel
    ]


@dataclass(frozen=True)
class SegmentationTally(Tally):
    """Counts over recordings whose labels tell where speech is. ``span_*`` take all of a segment, pads and pauses too, for heard."""

    ms: int = 0
    marked: int = 0
    heard: int = 0
    hits: int = 0
    span_heard: int = 0
    span_hits: int = 0
    cuts: int = 0
    merges: int = 0
    utterances: int = 0
    missed: int = 0
    onsets: tuple[int, ...] = ()
    tails: tuple[int, ...] = ()
    endpoints: tuple[float, ...] = ()

    def figures(self) -> dict[str, float | None]:
        return {
            **_accuracy(self.hits, self.heard, self.marked),
            "cuts_per_min": ratio(self.cuts * MINUTE_MS, self.ms),
            "merges_per_min": ratio(self.merges * MINUTE_MS, self.ms),
            "onset_clipped_ms_p95": nearest_rank(self.onsets, 0.95),
            "tail_clipped_ms_p95": nearest_rank(self.tails, 0.95),
        }

    def endpoint_figures(self) -> dict[str, float | None]:
        return {"p50": nearest_rank(self.endpoints, 0.5), "p95": nearest_rank(self.endpoints, 0.95)}

    def span_figures(self) -> dict[str, float | None]:
        return _accuracy(self.span_hits, self.span_heard, self.marked)


def _accuracy(hits: int, heard: int, marked: int) -> dict[str, float | None]:
    return {"precision": ratio(hits, heard), "recall": ratio(hits, marked), "f1": ratio(2 * hits, heard + marked)}


def compare(recording: Recording, marked: Spans) -> SegmentationTally:
    """Channel 0 of a replay against where speech was marked."""
    segments = segments_of(recording)
    frames = recording.duration_ms // FRAME_MS
    truth, within = _mask(marked, frames), _mask([(segment.begin, segment.end) for segment in segments], frames)
    heard = within & _heard(recording, frames)
    utterances = joined(marked, UTTERANCE_GAP_MS)
    held = [(utterance, [one for one in segments if _overlap(one, utterance) > 0]) for utterance in utterances]
    return SegmentationTally(
        ms=recording.duration_ms,
        marked=int(truth.sum()),
        heard=int(heard.sum()),
        hits=int((truth & heard).sum()),
        span_heard=int(within.sum()),
        span_hits=int((truth & within).sum()),
        cuts=sum(_is_cut(segment, utterances) for segment in segments),
        merges=sum(_merges(segment, utterances) for segment in segments),
        utterances=len(utterances),
        missed=sum(not holders for _, holders in held),
        onsets=tuple(max(0, holders[0].begin - begin) for (begin, _), holders in held if holders),
        tails=tuple(max(0, end - holders[-1].end) for (_, end), holders in held if holders),
        endpoints=tuple(_endpoints(segments, utterances)),
    )


def _mask(spans: Sequence[tuple[int, int]], frames: int) -> Mask:
    mask = np.zeros(frames, np.bool_)
    for begin, end in spans:
        # A frame belongs to a span by its middle.
        mask[max(0, (begin + FRAME_MS // 2 - 1) // FRAME_MS) : max(0, (end + FRAME_MS // 2 - 1) // FRAME_MS)] = True
    return mask


def _heard(recording: Recording, frames: int) -> Mask:
    judged = np.array([row[0] >= RELEASE for row in recording.probabilities], np.bool_)
    middles = ((np.arange(frames) + 0.5) * FRAME_MS / recording.frame_ms).astype(int)
    # What is shorter than the judge's frame, at the end, was not judged.
    heard: Mask = np.append(judged, False)[np.minimum(middles, len(judged))]
    return heard


def _overlap(segment: Segment, span: tuple[int, int]) -> int:
    return min(segment.end, span[1]) - max(segment.begin, span[0])


def _is_cut(segment: Segment, utterances: Spans) -> bool:
    chosen = segment.reason in (EndReason.ENDPOINT, EndReason.MAX_LENGTH)
    return chosen and any(begin + EDGE_MS < segment.end < end - EDGE_MS for begin, end in utterances)


def _merges(segment: Segment, utterances: Spans) -> int:
    return sum(
        after[0] - before[1] >= MERGE_PAUSE_MS and segment.begin < before[1] - EDGE_MS and segment.end > after[0] + EDGE_MS
        for before, after in zip(utterances, utterances[1:], strict=False)
    )


def _endpoints(segments: list[Segment], utterances: Spans) -> list[float]:
    latencies = []
    for segment in segments:
        held = [utterance for utterance in utterances if _overlap(segment, utterance) > 0]
        if segment.reason == EndReason.ENDPOINT and held and not _is_cut(segment, utterances):
            latencies.append(round(segment.decided - held[-1][1], 1))
    return latencies
