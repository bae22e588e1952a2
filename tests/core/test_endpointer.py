"""Frames in, segments out. Frames are 20 ms (320 samples); probabilities are written as strings: # speech, . silence."""

from hypothesis import given
from hypothesis import strategies as st

from streamer.core.endpointer import Ended, Endpointer, EndReason, Opened, Paused, Resumed
from streamer.core.events import Settings, to_samples

FRAME = 320


def run(script, settings=None, levels=None, endpointer=None):
    endpointer = endpointer or Endpointer(FRAME, settings or Settings(endpoint_silence_ms=600))
    events = []
    for n, mark in enumerate(script):
        level = levels[n] if levels else (-20.0 if mark == "#" else -60.0)
        events += endpointer.push(1.0 if mark == "#" else 0.0, level)
    return events


def test_speech_opens_a_segment_that_begins_before_it_and_ends_after_it():
    # 1 s of silence, 0.4 s of speech, 0.6 s of silence.
    assert run("." * 50 + "#" * 20 + "." * 30) == [
        Opened(16_000 - to_samples(300)),
        Paused(16_000 + 6_400 + to_samples(200)),
        Ended(16_000 + 6_400 + to_samples(200), EndReason.ENDPOINT),
    ]


def test_a_click_opens_nothing():
    assert run("." * 10 + "##" + "." * 50) == []


def test_two_clicks_far_apart_open_nothing():
    assert run(("##" + "." * 10) * 5) == []


def test_the_pre_roll_stops_at_the_beginning_of_the_audio_and_at_the_last_segment():
    events = run("###" + "." * 30 + "." + "###", Settings(endpoint_silence_ms=200))

    assert events[0] == Opened(0)
    ended, reopened = events[1], events[2]
    assert ended == Ended(3 * FRAME + to_samples(200), EndReason.ENDPOINT)
    assert reopened == Opened(34 * FRAME - to_samples(300))
    assert reopened.begin >= ended.end


def test_speech_after_a_pause_resumes_the_segment():
    events = run("#" * 10 + "." * 15 + "#" * 10 + "." * 30)

    assert [type(event) for event in events] == [Opened, Paused, Resumed, Paused, Ended]
    assert events[-1].end == 35 * FRAME + to_samples(200)


def test_a_click_within_a_pause_does_not_hold_the_segment_open():
    events = run("#" * 10 + "." * 15 + "#" + "." * 14)

    assert events[-1] == Ended(10 * FRAME + to_samples(200), EndReason.ENDPOINT)


def test_a_short_endpoint_silence_bounds_the_tail_too():
    assert run("#" * 10 + "." * 5, Settings(endpoint_silence_ms=100))[-1] == Ended(10 * FRAME + 1600, EndReason.ENDPOINT)


def test_long_speech_is_cut_at_its_quietest_point_and_goes_on_without_a_gap():
    levels = [-20.0] * 160
    levels[70:75] = [-45.0] * 5  # a dip at 1.4 s, inside the last 40 % of two seconds
    levels[10:15] = [-60.0] * 5  # a deeper one, too early
    events = run("#" * 160, Settings(max_segment_ms=2_000), levels)

    assert events[0] == Opened(0)
    assert isinstance(events[1], Ended)
    assert events[1].reason is EndReason.MAX_LENGTH
    assert 70 * FRAME < events[1].end < 75 * FRAME
    assert events[2] == Opened(events[1].end)


def test_a_flush_ends_the_segment_in_the_middle_of_a_frame():
    endpointer = Endpointer(FRAME, Settings())
    run("#" * 10, endpointer=endpointer)

    assert endpointer.end(3_333, EndReason.FLUSH) == [Ended(3_333, EndReason.FLUSH)]
    assert endpointer.end(3_333, EndReason.FLUSH) == []
    assert run("#" * 3, endpointer=endpointer) == [Opened(3_333)]


@given(script=st.text("#.", max_size=600), silence=st.integers(100, 1000), longest=st.integers(2_000, 4_000))
def test_segments_never_overlap_never_exceed_their_length_and_cover_all_lasting_speech(script, silence, longest):
    settings = Settings(endpoint_silence_ms=silence, max_segment_ms=longest)
    endpointer = Endpointer(FRAME, settings)
    events = run(script, endpointer=endpointer)
    events += endpointer.end(len(script) * FRAME, EndReason.STOP)

    spans, begin = [], None
    for event in events:
        if isinstance(event, Opened):
            assert begin is None
            begin = event.begin
        elif isinstance(event, Ended):
            spans.append((begin, event.end))
            begin = None
    assert begin is None
    previous = 0
    for begin, end in spans:
        assert previous <= begin < end <= len(script) * FRAME
        assert end - begin <= to_samples(longest) + FRAME
        previous = end
    run_start = 0
    for n, mark in enumerate(script + "."):
        if mark == "#":
            continue
        if n - run_start >= 3:  # three speech frames in a row lie in some segments, wholly
            covered = sum(max(0, min(e, n * FRAME) - max(b, run_start * FRAME)) for b, e in spans)
            assert covered == (n - run_start) * FRAME
        run_start = n + 1
