"""Any rate to 16 kHz: what comes out, how late, and at what cost. That the cut does not matter is tested with the decoder."""

import tracemalloc

import numpy as np
import pytest

from streamer.core.resampler import Resampler

RATES = [4_000, 4_025, 8_000, 11_025, 12_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 191_975, 192_000]


def tone(frequency, rate, seconds=1.0):
    return np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_comes_out_as_itself_at_16_khz(rate):
    resampler = Resampler(rate, 1)
    heard = np.concatenate((resampler.push(tone(1000, rate)[None]), resampler.finish()), axis=1)[0]

    assert abs(len(heard) - 16_000) <= 1
    inner = slice(100, 15_900)
    assert np.abs(heard[inner] - tone(1000, 16_000)[inner]).max() < 1e-3


@pytest.mark.parametrize("rate", [24_000, 32_000, 44_100, 48_000, 96_000, 191_975, 192_000])
def test_what_16_khz_cannot_hold_is_removed(rate):
    heard = Resampler(rate, 1).push(tone(10_500, rate)[None])[0]

    assert np.abs(heard[200:]).max() < 1e-3


@pytest.mark.parametrize("rate", RATES)
def test_a_resampler_holds_back_four_ms_at_the_most_and_keeps_no_more_than_it_needs(rate):
    resampler = Resampler(rate, 1)
    heard = sum(resampler.push(np.zeros((1, rate // 25))).shape[1] for _ in range(25))

    assert 16_000 - heard <= 64
    assert resampler._input.shape[1] <= 384 + 12
    assert resampler._filters.size <= 640 * 384


@pytest.mark.parametrize("rate", [4_000, 192_000])
def test_a_long_message_takes_no_more_windows_than_a_short_one(rate):
    resampler, seconds = Resampler(rate, 1), np.zeros((1, 10 * rate))
    tracemalloc.start(1)
    try:
        heard = resampler.push(seconds)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < seconds.nbytes + heard.nbytes + 1_000_000  # all windows of ten seconds would be 40 MB and 490 MB
