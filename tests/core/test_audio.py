"""Bytes to samples: every format, every rate, any cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.audio import PcmDecoder, Timeline
from streamer.core.events import AudioFormat, Encoding
from streamer.errors import InvalidSetting

RATES = [4_000, 4_025, 8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 191_975, 192_000]
WIDTHS = {Encoding.PCM_S16LE: 2, Encoding.PCM_F32LE: 4, Encoding.MULAW: 1, Encoding.ALAW: 1}


def test_mulaw_and_alaw_codes_are_those_of_g711():
    mulaw = PcmDecoder(AudioFormat(encoding=Encoding.MULAW)).decode(bytes([0x00, 0x7F, 0x80, 0xFF, 0x0F, 0x8F]))
    alaw = PcmDecoder(AudioFormat(encoding=Encoding.ALAW)).decode(bytes([0x55, 0xD5, 0x2A, 0xAA, 0x80, 0x00]))

    assert mulaw.tolist() == [[-32124, 0, 32124, 0, -16764, 16764]]
    assert alaw.tolist() == [[-8, 8, -32256, 32256, 5504, -5504]]


def test_float_samples_are_scaled_and_hostile_ones_are_tamed():
    data = np.array([0.0, 0.5, -1.0, 2.0, np.nan, np.inf, -np.inf], "<f4").tobytes()

    assert PcmDecoder(AudioFormat(encoding=Encoding.PCM_F32LE)).decode(data).tolist() == [[0, 16384, -32767, 32767, 0, 32767, -32767]]


def test_channels_are_taken_apart():
    data = np.array([1, 2, 3, 4, 5, 6], "<i2").tobytes()

    assert PcmDecoder(AudioFormat(channels=3)).decode(data).tolist() == [[1, 4], [2, 5], [3, 6]]


@pytest.mark.parametrize("encoding", [Encoding.PCM_S16LE, Encoding.CONTAINER])
def test_channels_are_mixed_to_their_average_rounded_and_never_clipped(encoding):
    data = np.array([[1, 2, 4], [-32768, -32768, -32768], [32767, 32767, 32767], [30_000, 30_000, -1], [-5, 0, 0]], "<i2").tobytes()

    assert PcmDecoder(AudioFormat(encoding=encoding, channels=3, mix=True)).decode(data).tolist() == [[2, -32768, 32767, 20_000, -2]]


def test_every_encoding_is_mixed_after_it_was_decoded():
    floats = np.array([0.5, -1.0, 1.0, 1.0], "<f4").tobytes()
    loudest = bytes([0x00, 0x80, 0x00, 0x00])  # mu-law's -32124, 32124, -32124, -32124

    assert PcmDecoder(AudioFormat(encoding=Encoding.PCM_F32LE, channels=2, mix=True)).decode(floats).tolist() == [[-8192, 32767]]
    assert PcmDecoder(AudioFormat(encoding=Encoding.MULAW, channels=2, mix=True)).decode(loudest).tolist() == [[0, -32124]]


@given(st.integers(1, 8), st.sampled_from([8_000, 16_000, 44_100]))
def test_a_mix_of_equal_channels_is_each_of_them(channels, rate):
    one = np.random.default_rng(channels).integers(-32768, 32767, 500).astype(np.int16)

    def decoded(samples, **shape):
        decoder = PcmDecoder(AudioFormat(sample_rate=rate, **shape))
        return np.concatenate((decoder.decode(samples.tobytes()), decoder.finish()), axis=1)

    assert np.array_equal(decoded(one.repeat(channels), channels=channels, mix=True), decoded(one))


@given(
    encoding=st.sampled_from(list(WIDTHS)),
    rate=st.sampled_from(RATES),
    channels=st.integers(1, 8),
    mix=st.booleans(),
    seed=st.integers(0, 9),
    cuts=st.lists(st.integers(0, 4000), max_size=12),
)
def test_the_same_bytes_give_the_same_samples_however_they_are_cut(encoding, rate, channels, mix, seed, cuts):
    rng = np.random.default_rng(seed)
    if encoding is Encoding.PCM_F32LE:
        data = rng.uniform(-1, 1, 1000).astype("<f4").tobytes()
    else:
        data = rng.bytes(4000)
    audio_format = AudioFormat(encoding=encoding, sample_rate=rate, channels=channels, mix=mix)

    def decoded(pieces):
        decoder = PcmDecoder(audio_format)
        parts = [decoder.decode(piece) for piece in pieces]
        return np.concatenate([*parts, decoder.finish()], axis=1)

    edges = [0, *sorted(cuts), len(data)]
    pieces = [data[a:b] for a, b in zip(edges, edges[1:], strict=False)]

    assert np.array_equal(decoded(pieces), decoded([data]))


def test_half_a_sample_waits_for_its_other_half():
    decoder = PcmDecoder(AudioFormat(channels=2))

    assert decoder.decode(b"\x01\x00\x02").shape == (2, 0)
    assert decoder.incomplete_bytes == 3
    assert decoder.decode(b"\x00").tolist() == [[1], [2]]
    assert decoder.incomplete_bytes == 0


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("sample_rate", 0, "a multiple of 25 from 4000 to 192000"),
        ("sample_rate", 3_975, "a multiple of 25 from 4000 to 192000"),
        ("sample_rate", 11_026, "a multiple of 25 from 4000 to 192000"),
        ("sample_rate", 192_025, "a multiple of 25 from 4000 to 192000"),
        ("channels", 0, "1 to 8"),
        ("channels", 9, "1 to 8"),
    ],
)
def test_a_format_that_cannot_be_is_refused_with_its_value_and_what_was_expected(name, value, expected):
    with pytest.raises(InvalidSetting, match=f"^{name} is {value}, expected {expected}$"):
        AudioFormat(**{name: value})


def test_the_timeline_reads_by_absolute_index_and_forgets():
    timeline = Timeline(2)
    for start in range(0, 60_000, 700):
        timeline.append(np.arange(start, start + 700).astype(np.int16)[None].repeat(2, axis=0))
        timeline.forget(start - 16_000)

    assert timeline.end == 60_200
    assert timeline.read(50_000, 50_003).tolist() == np.arange(50_000, 50_003).astype(np.int16)[None].repeat(2, 0).tolist()
    with pytest.raises(IndexError, match="samples 0 to 10 asked for, 43500 to 60200 are kept"):
        timeline.read(0, 10)
    with pytest.raises(IndexError):
        timeline.read(60_000, 60_300)


def test_the_timeline_stays_small_over_hours():
    timeline = Timeline(1)
    second = np.zeros((1, 16_000), np.int16)
    for n in range(3600):
        timeline.append(second)
        timeline.forget((n - 20) * 16_000)

    assert timeline._buffer.size <= 16_000 * 100
