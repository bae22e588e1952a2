"""Traces to figures, with numbers that can be followed by hand. One chunk is 100 ms, so sample 0 is sent at 0.1 s."""

from array import array

import pytest

from streamer.bench.load.cadence import nominal_partials
from streamer.bench.load.capacity import Bounds, largest
from streamer.bench.load.figures import Window, measure
from streamer.bench.load.trace import Heard, Trace


def trace(*heard, speech=((16_000, 32_000),), begin=100.0, seconds=10, **more):
    """Somebody speaks from 1 s to 2 s; times of messages count from the begin."""
    return Trace(
        chunk_s=0.1,
        speech=speech,
        samples=seconds * 16_000,
        begin=begin,
        heard=[Heard(begin + at, *rest) for at, *rest in heard],
        **more,
    )


ONE = (
    (1.5, "speech.started", 0, 700),
    (1.6, "partial", 0, 1500, " "),
    (1.9, "partial", 0, 1800, "hello"),
    (2.7, "speech.ended", 0, 2200, "endpoint"),
    (2.75, "final", 0, 2200, "hello you"),
)


def test_latencies_count_from_the_chunk_that_holds_the_sample():
    figures = measure([trace(*ONE)])

    assert figures["first_partial_ms"] == {"p50": 800.0, "p95": 800.0, "p99": 800.0}
    assert figures["partial_lag_ms"] == {"p50": 100.0, "p95": 100.0, "p99": 100.0}
    assert figures["endpoint_to_final_ms"]["p50"] == 50.0
    assert figures["speech_end_to_final_ms"]["p50"] == 750.0
    assert (figures["finals"], figures["errors"], figures["partials"]) == (1, 0, 2)


def test_the_schedule_counts_and_not_when_the_generator_got_round_to_it():
    late = trace(*ONE, late_ms=array("f", [0.0, 80.0]))
    figures = measure([late])

    assert figures["partial_lag_ms"]["p50"] == 100.0
    assert figures["late_ms"]["p99"] == 80.0
    assert list(Bounds().missed(figures))[0] == "late_ms p99 is 80, at most 50"


def test_only_the_time_in_which_all_speak_counts():
    traces = [trace(*ONE), trace(begin=102.5), Trace(chunk_s=0.1, speech=(), samples=0, failure="refused")]

    assert Window.of(traces) == Window(102.5, 110.0)
    figures = measure(traces)
    assert figures["partial_lag_ms"]["p50"] is None
    assert figures["endpoint_to_final_ms"]["p50"] == 50.0
    assert figures["seconds"] == 7.5


def test_a_final_that_never_came_an_error_and_a_lost_connection_are_three_errors():
    lost = trace(ONE[0], ONE[3])
    told = trace(ONE[0], ONE[3], (2.8, "error", 0, 0, "transcription_failed"))
    gone = trace(failure="the connection was lost")
    figures = measure([lost, told, gone])

    assert figures["errors"] == 3
    assert figures["failures"] == ["the connection was lost"]


def test_a_segment_that_holds_several_utterances_tells_nothing_of_their_onsets():
    merged = ((1.5, "speech.started", 0, 700), (4.0, "partial", 0, 3900, "hello"), (6.0, "speech.ended", 0, 5000, "endpoint"))
    figures = measure([trace(*merged, speech=((16_000, 32_000), (48_000, 72_000)))])

    assert figures["first_partial_ms"]["p50"] == 2900.0  # of the first one only
    assert figures["speech_end_to_final_ms"]["p50"] is None


def test_a_server_that_falls_behind_has_a_slope():
    behind = trace(*((at, "partial", 0, int(1000 * (at - 0.1 * at)), "x") for at in (1.0, 2.0, 3.0, 4.0)))
    figures = measure([behind])

    assert figures["lag_slope"] == pytest.approx(6000, rel=0.1)
    assert any("grew" in sentence for sentence in Bounds().missed({**figures, "finals": 1}))


def test_partials_are_a_share_of_what_the_cadence_asks_for():
    segment = ((1.0, "speech.started", 0, 1000), (3.5, "speech.ended", 0, 3000, "endpoint"), (3.5, "final", 0, 3000, "x"))
    partials = tuple((1.7 + 0.3 * n, "partial", 0, 1600 + 300 * n, "x") for n in range(4))

    assert nominal_partials(1000, 3000, windowed=False) == 5
    assert measure([trace(*segment, *partials)])["partial_rate"] == 0.8
    assert measure([trace(*segment, *partials)], decoded=6.0)["partial_rate"] == 1.0


def test_the_nominal_interval_grows_with_what_is_decoded_and_a_window_stops_that():
    assert nominal_partials(0, 500, windowed=False) == 0
    assert nominal_partials(0, 580, windowed=False) == 1
    assert nominal_partials(0, 20_000, windowed=False) == 25
    assert nominal_partials(0, 20_000, windowed=True) == 34


def figures(**changes):
    good = {"p50": 10.0, "p95": 20.0, "p99": 30.0}
    names = ("late_ms", "partial_lag_ms", "endpoint_to_final_ms")
    return {**dict.fromkeys(names, good), "errors": 0, "finals": 9, "lag_slope": 1.0, "seconds": 60.0, "partial_rate": 1.0, **changes}


def test_bounds_say_which_one_was_missed():
    slow = {"p50": 10.0, "p95": 301.0, "p99": 400.0}

    assert list(Bounds().missed(figures())) == []
    assert list(Bounds().missed(figures(partial_lag_ms=slow))) == ["partial_lag_ms p95 is 301, at most 300"]
    assert list(Bounds().missed(figures(endpoint_to_final_ms=slow))) == ["endpoint_to_final_ms p95 is 301, at most 150"]
    assert list(Bounds().missed(figures(errors=2))) == ["2 errors"]
    assert list(Bounds().missed(figures(partial_rate=0.85))) == ["partial_rate is 0.85, at least 0.90"]
    assert list(Bounds().missed(figures(lag_slope=110.0))) == ["partial_lag_ms grew by 110 over 60 s, at most 100"]
    assert list(Bounds().missed(figures(finals=0))) == ["no final came while all spoke"]


@pytest.mark.parametrize("real", [0, 1, 2, 3, 7, 50, 99, 100, 640, 5000])
def test_the_search_finds_the_largest_number_within_a_twentieth(real):
    asked = []

    def serves(clients):
        asked.append(clients)
        return clients <= real

    found = largest(serves, 10, 1000)

    assert min(real, 1000) * 0.95 - 1 <= found <= real
    assert len(asked) == len(set(asked))
    assert max(asked) <= 1000
    assert len(asked) < 14
