"""A slow emotion."""

import pytest

from streamer.core.trend import Trend


def test_the_first_segment_stands_for_itself_and_thirty_seconds_move_it_by_63_percent():
    trend = Trend()
    assert trend.update({"happy": 1.0, "sad": 0.0}, 2_000) == {"happy": 1.0, "sad": 0.0}
    assert trend.update({"happy": 0.0, "sad": 1.0}, 30_000) == {"happy": pytest.approx(0.3679), "sad": pytest.approx(0.6321)}


def test_many_short_segments_weigh_as_much_as_one_long():
    short, long = Trend(), Trend()
    for each in (short, long):
        each.update({"happy": 1.0}, 1_000)
    for _ in range(10):
        several = short.update({"happy": 0.0}, 1_000)

    assert several == long.update({"happy": 0.0}, 10_000)
