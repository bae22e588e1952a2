"""Packets of a call's tracks to the channels of a session: in order, on one clock, whatever comes late, twice or not at all."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.events import Encoding
from streamer.wires.tracks import AHEAD_MS, LATE_RUN, SILENCE, WINDOW_MS, Tracks

MS = 8  # bytes of mu-law


def packet(mark, ms=20):
    return bytes([mark]) * (ms * MS)


def call(*packets, count=1, encoding=Encoding.MULAW, finish=True):
    """What a call's packets become: ``(track, mark, number, time_ms)``, each 20 ms of one byte."""
    tracks = Tracks(encoding, 8_000, count)
    out = b"".join(tracks.put(track, packet(mark), number=number, time_ms=at) for track, mark, number, at in packets)
    return out + tracks.finish() if finish else out, tracks


def ordered(count=30, track=0, first=1):
    return [(track, n % 200, n + first, n * 20) for n in range(count)]


def marks(audio):
    """One byte for each 20 ms; all of them have to be alike."""
    found = [audio[at : at + 20 * MS] for at in range(0, len(audio), 20 * MS)]
    assert all(len(set(one)) == 1 for one in found)
    return [one[0] for one in found]


def test_packets_in_order_are_given_out_as_they_come_once_the_first_is_sure_to_be_the_first():
    tracks = Tracks(Encoding.MULAW, 8_000, 1)
    sizes = [len(tracks.put(0, packet(n), number=n, time_ms=20 * n)) // MS for n in range(16)]
    assert sizes == [0] * 11 + [240] + [20] * 4
    assert tracks.finish() == b""


def test_what_comes_out_of_order_is_put_in_order():
    shuffled = [(0, n, n, 20 * n) for n in (0, 2, 1, 5, 3, 4, 9, 6, 8, 7, 10, 12, 11, 15, 14, 13)]
    assert marks(call(*shuffled)[0]) == list(range(16))


def test_what_never_comes_is_silence_and_costs_no_more_than_the_window():
    packets = [one for one in ordered(30) if one[2] != 16]
    out, tracks = call(*packets)
    assert marks(out) == [*range(15), 0xFF, *range(16, 30)]
    assert (tracks.late, tracks.duplicates) == (0, 0)
    so_far, _ = call(*packets[:27], finish=False)
    assert marks(so_far) == [*range(15), 0xFF, *range(16, 28)]


@pytest.mark.parametrize(("encoding", "silence"), SILENCE.items())
def test_silence_is_that_of_the_encoding(encoding, silence):
    tracks = Tracks(encoding, 8_000, 1)
    one = b"\1" * (160 * len(silence))
    out = tracks.put(0, one, number=1, time_ms=0) + tracks.put(0, one, number=5, time_ms=60) + tracks.finish()
    assert out == one + silence * 320 + one


def test_a_second_copy_and_what_comes_too_late_are_left_out_and_counted():
    packets = ordered(40)
    late = packets.pop(5)
    out, tracks = call(*packets[:10], packets[3], *packets[10:20], packets[18], *packets[20:], late)
    assert marks(out) == [*range(5), 0xFF, *range(6, 40)]
    assert (tracks.late, tracks.duplicates) == (1, 2)


def test_tracks_are_interleaved_on_one_clock():
    inbound = [(0, 1, n, 20 * n) for n in range(20)]
    outbound = [(1, 2, n, 20 * n) for n in range(5, 20)]
    out, _ = call(*sorted(inbound + outbound, key=lambda one: one[3]), count=2)
    assert out[::2] == packet(1, 400)
    assert out[1::2] == packet(0xFF, 100) + packet(2, 300)


def test_a_sample_of_two_bytes_stays_together():
    tracks = Tracks(Encoding.PCM_S16LE, 8_000, 2)
    assert not tracks.put(0, b"\1\2\3\4\5", time_ms=0)  # half a sample is left out
    assert not tracks.put(1, b"\6\7", time_ms=0)
    assert tracks.finish() == b"\1\2\6\7\3\4\0\0"


def test_a_track_that_never_comes_is_silent_and_is_waited_for_no_longer_than_the_window():
    tracks = Tracks(Encoding.MULAW, 8_000, 2)
    out = b"".join(tracks.put(0, packet(1), number=n, time_ms=20 * n) for n in range(50))
    assert len(out) == 2 * MS * (49 * 20 - WINDOW_MS)
    assert set(out[::2]) == {1}
    assert set(out[1::2]) == {0xFF}


def test_a_track_that_lags_loses_nothing():
    """What comes after its place was given out is moved to where there is room."""
    tracks = Tracks(Encoding.MULAW, 8_000, 2)
    out = b""
    for n in range(60):
        out += tracks.put(0, packet(1), number=n, time_ms=20 * n)
        if n >= 25:  # half a second behind
            out += tracks.put(1, packet(2), number=n - 25, time_ms=20 * (n - 25))
    out += tracks.finish()
    assert out[::2].count(1) == 60 * 20 * MS
    assert out[1::2].count(2) == 35 * 20 * MS
    assert tracks.late == 0


def test_a_pause_is_as_long_as_the_times_say():
    packets = [(0, 1, 1, 0), (0, 1, 2, 20), (0, 1, 3, 5_000), (0, 1, 4, 5_020)]
    assert marks(call(*packets)[0]) == [1, 1, *[0xFF] * 248, 1, 1]


def test_times_that_waver_tear_nothing():
    packets = [(0, n, n, 20 * n + (n * 7) % 13) for n in range(100)]
    assert marks(call(*packets)[0]) == list(range(100))
    numbered_together = [(0, n, 2 * n, 20 * n + (n * 7) % 13) for n in range(100)]
    assert marks(call(*numbered_together)[0]) == list(range(100))


def test_without_times_and_numbers_the_order_of_arrival_is_the_order():
    packets = [(0, n, None, None) for n in range(30)]
    assert marks(call(*packets)[0]) == list(range(30))
    two = [one for n in range(30) for one in ((0, n, None, None), (1, n + 100, None, None))]
    out, _ = call(*two, count=2)
    assert marks(out[::2]) == list(range(30))
    assert marks(out[1::2]) == list(range(100, 130))


def test_a_clock_that_steps_is_followed_from_where_it_was():
    packets = [(0, 1, 1, 0), (0, 2, 2, 20), (0, 3, 3, 10**12), (0, 4, 4, 10**12 + 20), (0, 5, 5, 40)]
    assert marks(call(*packets)[0]) == [1, 2, 3, 4, 5]


def test_a_track_that_counts_anew_is_heard_again():
    again = [(0, 7, n + 1, 20 * n) for n in range(LATE_RUN + 10)]
    out, tracks = call(*[(0, 1, n + 1000, 5_000 + 20 * n) for n in range(20)], *again)
    assert marks(out) == [1] * 20 + [7] * 11
    assert tracks.late == LATE_RUN


def test_numbers_decide_what_is_missing_where_times_waver():
    packets = [*ordered(20), (0, 21, 22, 414), (0, 20, 21, 406), (0, 22, 23, 440)]
    out, tracks = call(*packets)
    assert marks(out) == list(range(23))
    assert tracks.late == 0


def test_late_packets_between_others_change_nothing():
    packets = [one for n, packet in enumerate(ordered(150)) for one in ([packet, (0, 9, n, 1)] if n > 60 else [packet])]
    out, tracks = call(*packets)
    assert marks(out) == list(range(150))
    assert tracks.late > LATE_RUN


def test_a_burst_in_one_moment_does_not_fill_memory():
    tracks = Tracks(Encoding.MULAW, 8_000, 2)
    out = b"".join(tracks.put(0, packet(1), number=n, time_ms=0) for n in range(1_000))
    assert len(out) // 2 >= 20 * MS * 1_000 - MS * AHEAD_MS
    holes = Tracks(Encoding.MULAW, 8_000, 1)
    out = b"".join(holes.put(0, packet(1), number=2 * n, time_ms=100 + n % 2 * 50) for n in range(1_000))
    assert len(out) >= 20 * MS * 400


ARRIVALS = st.tuples(st.integers(0, 2**32), st.booleans(), st.integers(1, 2))


@given(ARRIVALS, st.sets(st.integers(0, 99), max_size=20))
def test_any_order_within_the_window_gives_the_same_bytes(arrivals, missing):
    seed, shared_numbers, count = arrivals
    chance = random.Random(seed)
    waver = [chance.randrange(5) for _ in range(100)]
    packets = [
        (track, n + 100 * track, count * n + track if shared_numbers else n, 20 * n + waver[n])
        for n in range(100)
        for track in range(count)
        if n not in missing or track
    ]
    expected, _ = call(*packets, count=count)
    delayed = sorted(packets, key=lambda one: one[3] + chance.uniform(0, WINDOW_MS - 40))
    twice = [one for packet in delayed for one in ((packet, packet) if chance.random() < 0.1 else (packet,))]
    out, tracks = call(*twice, count=count)
    assert out == expected
    assert tracks.late == 0
    assert tracks.duplicates == len(twice) - len(packets)


@given(
    st.lists(st.tuples(st.integers(0, 1), st.binary(max_size=40), st.none() | st.integers(), st.none() | st.integers(-(10**15), 10**15))),
    st.sampled_from(list(SILENCE)),
)
def test_no_packets_are_too_strange(packets, encoding):
    tracks = Tracks(encoding, 8_000, 2)
    out = b"".join(tracks.put(track, payload, number=number, time_ms=at) for track, payload, number, at in packets) + tracks.finish()
    assert len(out) % (2 * len(SILENCE[encoding])) == 0
