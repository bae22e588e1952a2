"""Frames in, segments out. Frames are 20 ms (320 samples); probabilities are strings: # speech, . silence, 0 to 9 in tenths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.endpointer import Ended, Endpointer, EndReason, Opened, Paused, Resumed
from streamer.core.events import Settings, to_samples

FRAME = 320
PROBABILITIES = {"#": 1.0, ".": 0.0, **{str(tenths): tenths / 10 for tenths in range(10)}}


class Hearing(Endpointer):
    """Knows the levels of the frames that it was told of."""

    def __init__(self, frame, settings):
        self.heard = []
        super().__init__(frame, settings, lambda begin, end: self.heard[begin // frame : end // frame])


def run(script, settings=None, levels=None, endpointer=None, frame=FRAME):
    endpointer = endpointer or Hearing(frame, settings or Settings(endpoint_silence_ms=600))
    events = []
    for n, mark in enumerate(script):
        endpointer.heard.append(levels[n] if levels else (-20.0 if mark == "#" else -60.0))
        events += endpointer.push(PROBABILITIES[mark])
    return events


def test_speech_opens_a_segment_that_begins_before_it_and_ends_after_it():
    # 1 s of silence, 0.4 s of speech, 0.6 s of silence.
    assert run("." * 50 + "#" * 20 + "." * 30) == [
        Opened(16_000 - to_samples(300)),
        Paused(16_000 + 6_400 + to_samples(300)),
        Ended(16_000 + 6_400 + to_samples(300), EndReason.ENDPOINT),
    ]


def test_a_click_opens_nothing():
    assert run("." * 10 + "##" + "." * 50) == []


def test_two_clicks_far_apart_open_nothing():
    assert run(("##" + "." * 10) * 5) == []


@pytest.mark.parametrize(
    ("frame", "script", "opens"),
    [(320, "###", 3), (320, "6666", 4), (320, "5..55.5", None), (512, "##", 2), (512, "87", 2), (512, "555", 3), (512, "6.6.6", None)],
)
def test_a_segment_opens_with_the_frame_that_completes_45_ms_of_evidence(frame, script, opens):
    heard = [run(script[:count], frame=frame) for count in range(len(script) + 1)]

    assert next((count for count, events in enumerate(heard) if events), None) == opens


def test_doubtful_sound_opens_nothing_however_long_it_lasts():
    assert run("3" * 300) == []


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
    assert events[-1].end == 35 * FRAME + to_samples(300)


def test_a_click_within_a_pause_does_not_hold_the_segment_open():
    events = run("#" * 10 + "." * 15 + "#" + "." * 14)

    assert events[-1] == Ended(10 * FRAME + to_samples(300), EndReason.ENDPOINT)


def test_one_clear_frame_of_32_ms_ends_a_pause_and_a_doubtful_one_does_not():
    clear = run("####" + "." * 10 + "#" + "." * 4, frame=512)
    doubtful = run("####" + "." * 10 + "5" + "." * 4, frame=512)

    assert [type(event) for event in clear] == [Opened, Paused, Resumed]
    assert [type(event) for event in doubtful] == [Opened, Paused]


def test_speech_that_begins_with_the_end_of_a_segment_opens_the_next_one():
    # The first of three frames comes too late to hold the segment, and is not forgotten.
    events = run("###" + "." * 4 + "###", Settings(endpoint_silence_ms=100))

    assert events[1:] == [Ended(3 * FRAME + 1_600, EndReason.ENDPOINT), Opened(3 * FRAME + 1_600)]


@pytest.mark.parametrize(("spoken_s", "silence_ms"), [(1, 600), (5, 600), (10, 460), (15, 300), (18, 300)])
def test_the_longer_a_segment_the_less_silence_ends_it(spoken_s, silence_ms):
    # Of 20 s at the most: all of 600 ms up to a quarter, half of it from three quarters on, and whole frames in between.
    settings = Settings(endpoint_silence_ms=600, max_segment_ms=20_000)
    spoken = "#" * (spoken_s * 50)
    frames = next(n for n in range(1, 60) if isinstance(run(spoken + "." * n, settings)[-1], Ended))

    assert frames * 20 == silence_ms


def test_the_pause_is_told_with_the_end_that_the_segment_gets_whatever_its_length():
    for spoken in range(10, 1_000, 45):
        for silence in (100, 350, 600, 2_000):
            events = run("#" * spoken + "." * 110, Settings(endpoint_silence_ms=silence))
            told, ended = [event for event in events if isinstance(event, Paused)], events[-1]
            assert isinstance(ended, Ended)
            assert not told or told[-1].end == ended.end


@pytest.mark.parametrize(("silence_ms", "kept_ms"), [(100, 100), (200, 200), (300, 200), (500, 250), (600, 300), (2_000, 300)])
def test_half_of_the_silence_stays_within_200_and_300_ms(silence_ms, kept_ms):
    events = run("#" * 10 + "." * 110, Settings(endpoint_silence_ms=silence_ms))

    assert events[-1].end == 10 * FRAME + to_samples(kept_ms)


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


def test_music_below_speech_does_not_hide_the_pause_from_the_cut():
    script = "#" * 70 + "1" * 8 + "#" * 82
    levels = [-20.0] * 160
    levels[120:128] = [-25.0] * 8  # a softer word
    events = run(script, Settings(max_segment_ms=2_000), levels)

    assert events[1] == Ended(74 * FRAME, EndReason.MAX_LENGTH)


def test_a_cut_after_the_last_speech_opens_no_segment_of_silence():
    # 1.9 s of speech and a silence that is too short for a pause.
    events = run("#" * 95 + "." * 60, Settings(max_segment_ms=2_000))

    assert events[0] == Opened(0)
    assert [type(event) for event in events[1:]] == [Ended]
    assert events[1].reason is EndReason.MAX_LENGTH
    assert events[1].end >= 95 * FRAME


def test_a_cut_in_a_pause_ends_where_the_pause_said():
    events = run("#" * 84 + "." * 16, Settings(max_segment_ms=2_000, endpoint_silence_ms=1_000))

    assert events[1:] == [Paused(84 * FRAME + to_samples(250)), Ended(84 * FRAME + to_samples(250), EndReason.MAX_LENGTH)]


def test_where_the_client_decides_no_silence_ends_a_segment_but_pauses_are_told():
    settings = Settings(endpoints=False, endpoint_silence_ms=2_000)
    events = run("#" * 10 + "." * 300 + "#" * 10 + "." * 300, settings)

    assert events == [Opened(0), Paused(10 * FRAME + 4_800), Resumed(), Paused(320 * FRAME + 4_800)]


def test_where_the_client_decides_a_segment_of_silence_is_still_cut_at_its_longest():
    events = run("#" * 10 + "." * 300, Settings(endpoints=False, max_segment_ms=2_000))

    assert events == [Opened(0), Paused(10 * FRAME + 4_800), Ended(10 * FRAME + 4_800, EndReason.MAX_LENGTH)]


def test_a_silence_that_was_long_enough_ends_the_segment_once_it_may():
    endpointer = Hearing(FRAME, Settings(endpoints=False))
    assert [type(event) for event in run("#" * 10 + "." * 100, endpointer=endpointer)] == [Opened, Paused]
    endpointer.configure(Settings())

    assert run(".", endpointer=endpointer) == [Ended(10 * FRAME + 4_800, EndReason.ENDPOINT)]


def test_a_flush_ends_the_segment_in_the_middle_of_a_frame():
    endpointer = Hearing(FRAME, Settings())
    run("#" * 10, endpointer=endpointer)

    assert endpointer.end(3_333, EndReason.FLUSH) == [Ended(3_333, EndReason.FLUSH)]
    assert endpointer.end(3_333, EndReason.FLUSH) == []
    assert run("#" * 3, endpointer=endpointer) == [Opened(3_333)]


@given(script=st.text("#.", max_size=600), silence=st.integers(100, 1000), longest=st.integers(2_000, 4_000), ends=st.booleans())
def test_segments_never_overlap_never_exceed_their_length_and_cover_all_lasting_speech(script, silence, longest, ends):
    settings = Settings(endpoints=ends, endpoint_silence_ms=silence, max_segment_ms=longest)
    endpointer = Hearing(FRAME, settings)
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
