"""Features without torch: those of the torch engine, number for number."""

import numpy as np
import pytest
import torch

from streamer.core.events import SAMPLE_RATE
from streamer.engine.features import NumpyFrontend
from streamer.engine.folder import describe
from streamer.engine.frontend import Frontend

TOLERANCE = 2e-4
"""As against upstream's own: float32 Fourier transforms of the same window differ by this at most."""


@pytest.fixture(scope="module")
def both(checkpoint):
    found = describe(checkpoint)
    with_torch = Frontend(torch.from_numpy(found.cmvn), found.layout, torch.device("cpu"))
    return NumpyFrontend(found.cmvn, found.layout), with_torch


def test_features_of_a_mixed_batch_are_those_of_torch(both, speech):
    generator = np.random.default_rng(0)
    clock = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    audio = [
        speech[: 12 * SAMPLE_RATE],
        *(speech[30_000 : 30_000 + length] for length in (0, 1, 399, 400, 559, 560, 1_359, 1_360, 1_361, 4_800)),
        generator.integers(-32_768, 32_767, 20_000, np.int16),
        generator.integers(-1, 2, 20_000, np.int16),
        (30_000 * np.sin(2 * np.pi * 1000 * clock)).astype(np.int16),
        np.zeros(8_000, np.int16),
        np.full(8_000, 12_345, np.int16),
    ]
    (ours, rows), (theirs, their_rows) = (frontend(audio) for frontend in both)
    assert ours.dtype == np.float32
    assert rows.tolist() == their_rows.tolist()
    assert np.abs(ours - theirs.numpy()).max() < TOLERANCE
    assert not any(features[count:].any() for features, count in zip(ours, rows, strict=True))


def test_company_changes_no_bit(both, speech):
    numpy_frontend, _ = both
    short, long = speech[:9_000], speech[: 5 * SAMPLE_RATE]
    alone, (count,) = numpy_frontend([short])
    together, _ = numpy_frontend([long, short])
    assert (together[1, :count] == alone[0]).all()
