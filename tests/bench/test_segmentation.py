"""Segments against marks, on cases small enough to count by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.bench.replay import Recording
from streamer.bench.segmentation import SegmentationTally, compare
from streamer.bench.spans import joined
from streamer.bench.tally import nearest_rank, ratio
from streamer.core.events import SpeechEnded, SpeechStarted


def recording(segments, duration_ms=10_000, speech=None, frame_ms=20):
    """``segments`` are (begin, end, decided, reason); the judge hears ``speech``, by default all of the segments."""
    spans = [segment[:2] for segment in segments] if speech is None else speech
    made = Recording(duration_ms=duration_ms, frame_ms=frame_ms)
    for number, (begin, end, decided, reason) in enumerate(segments):
        made.messages.append((begin, SpeechStarted(segment=number, channel=0, begin_ms=begin)))
        made.messages.append((decided, SpeechEnded(segment=number, channel=0, end_ms=end, reason=reason)))
    frames = [(at * frame_ms) for at in range(duration_ms // frame_ms)]
    made.probabilities = [(1.0 if any(begin <= at < end for begin, end in spans) else 0.0,) for at in frames]
    return made


def test_a_perfect_segment_has_no_fault():
    tally = compare(recording([(1000, 3000, 3400, "endpoint")]), ((1000, 3000),))

    assert tally.figures() == {
        "precision": 1.0,
        "recall": 1.0,
        "f1": 1.0,
        "cuts_per_min": 0.0,
        "merges_per_min": 0.0,
        "onset_clipped_ms_p95": 0,
        "tail_clipped_ms_p95": 0,
    }
    assert tally.endpoint_figures() == {"p50": 400.0, "p95": 400.0}


def test_pads_are_no_error_of_the_frames_but_are_of_the_spans():
    tally = compare(recording([(700, 3200, 3600, "endpoint")], speech=[(1000, 3000)]), ((1000, 3000),))

    assert tally.figures()["precision"] == 1.0
    assert tally.span_figures() == {"precision": 0.8, "recall": 1.0, "f1": 0.8889}


def test_what_the_judge_hears_outside_segments_was_not_heard_by_anybody():
    tally = compare(recording([(1000, 2000, 2600, "endpoint")], speech=[(1000, 2000), (5000, 5100)]), ((1000, 2000), (5000, 5100)))

    assert (tally.hits, tally.heard, tally.marked) == (100, 100, 110)
    assert (tally.utterances, tally.missed) == (2, 1)


def test_clipping_counts_from_the_mark_to_the_segment():
    tally = compare(recording([(1150, 2920, 3500, "endpoint")]), ((1000, 3000),))

    assert (tally.onsets, tally.tails) == ((150,), (80,))


def test_an_endpoint_within_an_utterance_is_a_cut_and_no_endpoint_latency():
    tally = compare(recording([(1000, 2000, 2600, "endpoint"), (2000, 4000, 4500, "endpoint")]), ((1000, 4000),))

    assert (tally.cuts, tally.endpoints) == (1, (500.0,))
    assert tally.figures()["cuts_per_min"] == 6.0


@pytest.mark.parametrize(
    ("end", "reason", "cuts"), [(1150, "endpoint", 0), (3900, "endpoint", 0), (2000, "stop", 0), (2000, "max_length", 1)]
)
def test_ends_near_the_edge_or_by_a_stop_are_no_cuts(end, reason, cuts):
    assert compare(recording([(1000, end, 4500, reason)]), ((1000, 4000),)).cuts == cuts


@pytest.mark.parametrize(("pause", "merges"), [(999, 0), (1000, 1)])
def test_one_segment_over_a_long_pause_is_a_merge(pause, merges):
    marked = ((1000, 2000), (2000 + pause, 4000))

    assert compare(recording([(1000, 4000, 4500, "endpoint")]), marked).merges == merges


def test_marks_that_lie_close_are_one_utterance():
    tally = compare(recording([(1000, 2000, 2600, "endpoint")]), ((1000, 1400), (1700, 2000)))

    assert tally.utterances == 1
    assert compare(recording([]), ((1000, 1400), (1701, 2000))).utterances == 2


def test_a_false_alarm_costs_precision_and_has_no_endpoint():
    tally = compare(recording([(1000, 2000, 2600, "endpoint")]), ())

    assert tally.figures()["precision"] == 0.0
    assert tally.figures()["recall"] is None
    assert tally.endpoints == ()


def test_other_channels_are_not_mixed_in():
    made = recording([(1000, 2000, 2600, "endpoint")])
    made.messages += [
        (0, SpeechStarted(segment=9, channel=1, begin_ms=5000)),
        (0, SpeechEnded(segment=9, channel=1, end_ms=6000, reason="stop")),
    ]

    assert compare(made, ((1000, 2000),)) == compare(recording([(1000, 2000, 2600, "endpoint")]), ((1000, 2000),))


def test_a_judge_of_longer_frames_is_read_at_the_middle_of_each():
    tally = compare(recording([(0, 960, 1600, "endpoint")], duration_ms=960, frame_ms=32), ((0, 960),))

    assert (tally.hits, tally.marked) == (96, 96)


spans = st.lists(st.tuples(st.integers(0, 9000), st.integers(50, 900)), max_size=6).map(lambda rows: joined((b, b + n) for b, n in rows))


@settings(deadline=None)
@given(spans, spans)
def test_figures_stay_within_their_bounds(segments, marked):
    tally = compare(recording([(b, e, e + 500, "endpoint") for b, e in segments]), marked)

    assert 0 <= tally.hits <= min(tally.heard, tally.marked)
    assert tally.span_hits >= tally.hits
    assert tally.missed + len(tally.onsets) == tally.utterances
    assert all(value >= 0 for value in (*tally.onsets, *tally.tails))


@settings(deadline=None)
@given(spans)
def test_hearing_exactly_the_utterances_that_were_marked_is_perfect(marked):
    marked = joined(((10 * begin, 10 * end) for begin, end in marked), 300)
    tally = compare(recording([(b, e, e, "endpoint") for b, e in marked], duration_ms=100_000, frame_ms=10), marked)

    assert (tally.cuts, tally.merges, tally.missed, sum(tally.onsets), sum(tally.tails)) == (0, 0, 0, 0, 0)
    assert tally.hits == tally.heard == tally.marked


def test_counts_add_up_and_figures_come_from_the_sum():
    total = SegmentationTally(ms=60_000, hits=1, heard=2, marked=1, onsets=(5,)) + SegmentationTally(
        ms=60_000, hits=1, heard=1, marked=3, cuts=1, onsets=(7,)
    )

    assert total.figures()["precision"] == 0.6667
    assert total.figures()["recall"] == 0.5
    assert total.figures()["cuts_per_min"] == 0.5
    assert total.onsets == (5, 7)


def test_nearest_rank():
    assert nearest_rank([], 0.5) is None
    assert nearest_rank([3, 1, 2], 0.5) == 2
    assert nearest_rank(range(1, 101), 0.95) == 95
    assert nearest_rank([4], 0.95) == 4
    assert ratio(1, 0) is None
