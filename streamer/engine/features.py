"""Audio to features in numpy: what ``frontend.Frontend`` computes in torch, of the same numbers, for where there is no torch."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from streamer.core.events import Samples
from streamer.engine.frontend import FFT, FLOOR, MIN_SAMPLES, PRE_EMPHASIS, SHIFT, WINDOW, Layout, mel_filters, row_count

Float = npt.NDArray[np.float32]

HAMMING: Final = np.hamming(WINDOW).astype(np.float32)


class NumpyFrontend:
    """Features of many utterances. ``cmvn`` is ``[2, stack * mels]``: what to add to a row and then what to multiply it by."""

    def __init__(self, cmvn: Float, layout: Layout) -> None:
        self._layout = layout
        self._shift, self._scale = cmvn
        # Each filter's few bins, one after the other. As a product of matrices it would wake the threads of numpy's BLAS, which then spin.
        filters, bins = np.nonzero(mel_filters(layout.mels).T)
        self._bins, self._weights = bins, mel_filters(layout.mels)[bins, filters]
        self._begins = np.searchsorted(filters, np.arange(layout.mels))

    def __call__(self, audio: Sequence[Samples]) -> tuple[Float, npt.NDArray[np.int64]]:
        """Utterances ``[n]`` of int16 at 16 kHz to features ``[batch, rows, stack * mels]`` and the rows of each ``[batch]``.

        Beyond an utterance's own rows its features are zero.
        """
        rows = np.array([row_count(len(samples), self._layout) for samples in audio], np.int64)
        features = np.zeros((len(audio), rows.max(), self._layout.stack * self._layout.mels), np.float32)
        for samples, count, place in zip(audio, rows, features, strict=True):
            place[:count] = (self._stacked(self._filterbank(samples), count) + self._shift) * self._scale
        return features, rows

    def _filterbank(self, samples: Samples) -> Float:
        """``[n]`` to log energies ``[frames, mels]``."""
        wave = np.zeros(max(len(samples), MIN_SAMPLES), np.float32)  # on the scale of int16, as upstream has it
        wave[: len(samples)] = samples
        frames = np.lib.stride_tricks.sliding_window_view(wave, WINDOW)[::SHIFT]
        frames = frames - frames.mean(-1, keepdims=True)
        before = np.concatenate((frames[:, :1], frames[:, :-1]), axis=1)  # Kaldi lets the first sample precede itself
        spectrum = np.fft.rfft((frames - PRE_EMPHASIS * before) * HAMMING, FFT)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        energies = np.add.reduceat(power[:, self._bins] * self._weights, self._begins, axis=1)
        logarithms: Float = np.log(np.maximum(energies, np.float32(FLOOR)))
        return logarithms

    def _stacked(self, bank: Float, rows: int) -> Float:
        """``[frames, mels]`` to ``[rows, stack * mels]``: a row is centred on its frame, edges repeat the outermost one."""
        layout = self._layout
        offsets = np.arange(layout.stack) - (layout.stack - 1) // 2
        wanted = np.arange(rows)[:, None] * layout.stride + offsets
        stacked: Float = bank[wanted.clip(0, len(bank) - 1)].reshape(rows, -1)
        return stacked
