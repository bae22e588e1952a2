"""Percentiles, slopes and fairness, by hand."""

import pytest

from streamer.bench.latency import fairness, quantiles, slope


def test_percentiles_are_values_that_were_measured():
    assert quantiles(range(1, 101)) == {"p50": 50, "p95": 95, "p99": 99}
    assert quantiles([7.0]) == {"p50": 7.0, "p95": 7.0, "p99": 7.0}
    assert quantiles([3.0, 1.0]) == {"p50": 1.0, "p95": 3.0, "p99": 3.0}
    assert quantiles([]) == {"p50": None, "p95": None, "p99": None}


def test_a_slope_is_the_change_for_one():
    assert slope([(0.0, 5.0), (1.0, 7.0), (2.0, 9.0)]) == pytest.approx(2.0)
    assert slope([(0.0, 1.0), (1.0, 3.0), (2.0, 1.0)]) == pytest.approx(0.0)
    assert slope([(1.0, 2.0), (1.0, 3.0)]) is None
    assert slope([]) is None


def test_fairness_is_one_for_all_alike_and_a_share_for_one_alone():
    assert fairness([0.3, 0.3, 0.3]) == pytest.approx(1.0)
    assert fairness([1.0, 0.0, 0.0, 0.0]) == 0.25
    assert fairness([0.0]) is None
