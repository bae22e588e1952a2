"""Audio to features, a whole batch at once and on the model's own device.

What upstream's ``WavFrontend`` computes one utterance at a time with dither off: Kaldi's log mel filterbank (25 ms Hamming windows
every 10 ms, 80 bins), seven frames stacked at every sixth, then mean and variance normalisation. A row of features covers 60 ms.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from streamer.core.events import SAMPLE_RATE, Samples

if TYPE_CHECKING:
    import torch

WINDOW: Final = 400  # 25 ms
SHIFT: Final = 160  # 10 ms
FFT: Final = 512  # the next power of two, as Kaldi rounds
PRE_EMPHASIS: Final = 0.97
LOW_HZ: Final = 20.0
FLOOR: Final = float(np.finfo(np.float32).eps)  # Kaldi's least energy before the logarithm

MIN_SAMPLES: Final = WINDOW
"""Shorter audio is taken as followed by silence up to here: one window is the least from which there is a row of features."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the filterbank's frames become rows of features: ``stack`` of ``mels`` bins each, a row at every ``stride``-th frame."""

    mels: int = 80
    stack: int = 7
    stride: int = 6


def frame_count(samples: int) -> int:
    """Whole windows in so many samples; windows never reach beyond the edges."""
    return 1 + (max(samples, MIN_SAMPLES) - WINDOW) // SHIFT


def row_count(samples: int, layout: Layout) -> int:
    """Rows of features for so many samples, at least one."""
    return math.ceil(frame_count(samples) / layout.stride)


class Frontend:
    """Features of many utterances in a handful of device operations.

    ``cmvn`` is ``[2, stack * mels]``: what to add to a row and then what to multiply it by.
    """

    def __init__(self, cmvn: "torch.Tensor", layout: Layout, device: "torch.device") -> None:
        import torch

        self._layout = layout
        self._device = device
        self._offsets = torch.arange(layout.stack, device=device) - (layout.stack - 1) // 2
        self._shift, self._scale = cmvn.to(device=device, dtype=torch.float32)
        self._window = torch.hamming_window(WINDOW, periodic=False, dtype=torch.float64).float().to(device)
        self._mel = torch.from_numpy(mel_filters(layout.mels)).double().to(device)  # the product's precision is not for a switch to lower

    def __call__(self, audio: Sequence[Samples]) -> "tuple[torch.Tensor, torch.Tensor]":
        """Utterances ``[n]`` of int16 at 16 kHz to features ``[batch, rows, stack * mels]`` and the rows of each ``[batch]``.

        Beyond an utterance's own rows its features are zero.
        """
        import torch

        padded = np.zeros((len(audio), max(MIN_SAMPLES, *(len(samples) for samples in audio))), np.int16)
        for row, samples in zip(padded, audio, strict=True):
            row[: len(samples)] = samples
        frames = torch.tensor([frame_count(len(samples)) for samples in audio], device=self._device)
        features = self._stacked(self._filterbank(torch.from_numpy(padded).to(self._device).float()), frames)
        rows = torch.tensor([row_count(len(samples), self._layout) for samples in audio], device=self._device)
        beyond = torch.arange(features.shape[1], device=self._device) >= rows[:, None]  # [batch, rows]
        return ((features + self._shift) * self._scale).masked_fill(beyond[..., None], 0.0), rows

    def packed(self, wave: "torch.Tensor", numbers: "torch.Tensor", first: "torch.Tensor", last: "torch.Tensor") -> "torch.Tensor":
        """Utterances one after the other in ``wave [samples]``, int16, each at a multiple of ``SHIFT``, to ``[rows, stack * mels]``.

        Of each row its number in its utterance, and that one's first and last frame, counted from the beginning of ``wave``.
        """
        bank = self._filterbank(wave.float()[None])[0]  # also frames that lie across two utterances; nobody asks for them
        index = (numbers[:, None] * self._layout.stride + self._offsets).clamp_min(0).minimum((last - first)[:, None])
        stacked: torch.Tensor = bank[first[:, None] + index].flatten(1)
        normal: torch.Tensor = (stacked + self._shift) * self._scale
        return normal

    def _filterbank(self, waves: "torch.Tensor") -> "torch.Tensor":
        """``[batch, samples]`` on the scale of int16, as upstream has it, to log energies ``[batch, frames, mels]``."""
        import torch

        frames = waves.unfold(1, WINDOW, SHIFT)
        frames = frames - frames.mean(-1, keepdim=True)
        before = torch.cat((frames[..., :1], frames[..., :-1]), -1)  # Kaldi lets the first sample precede itself
        spectrum = torch.fft.rfft((frames - PRE_EMPHASIS * before) * self._window, FFT)
        power = spectrum.real.square() + spectrum.imag.square()  # [batch, frames, FFT / 2 + 1]
        return torch.matmul(power.double(), self._mel).float().clamp_min(FLOOR).log()

    def _stacked(self, bank: "torch.Tensor", frames: "torch.Tensor") -> "torch.Tensor":
        """``[batch, frames, mels]`` to ``[batch, rows, stack * mels]``: a row is centred on its frame, edges repeat the outermost one."""
        import torch

        layout = self._layout
        rows = -(-bank.shape[1] // layout.stride)
        wanted = torch.arange(rows, device=self._device)[:, None] * layout.stride + self._offsets  # [rows, stack]
        last = (frames - 1)[:, None, None]
        index = wanted.clamp_min(0).expand(len(bank), -1, -1).minimum(last)  # an utterance ends at its own last frame
        item = torch.arange(len(bank), device=self._device)[:, None, None]
        stacked: torch.Tensor = bank[item, index].flatten(2)
        return stacked


def mel_filters(mels: int) -> npt.NDArray[np.float32]:
    """Kaldi's triangles, even on the mel scale from 20 Hz to half the rate: ``[FFT / 2 + 1, mels]``."""
    hz = np.arange(FFT // 2 + 1) * (SAMPLE_RATE / FFT)
    mel = 1127.0 * np.log1p(hz / 700.0)
    edges = np.linspace(1127.0 * np.log1p(LOW_HZ / 700.0), 1127.0 * np.log1p(SAMPLE_RATE / 2 / 700.0), mels + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (mel[:, None] - left) / (centre - left)
    falling = (right - mel[:, None]) / (right - centre)
    triangles: npt.NDArray[np.float32] = np.minimum(rising, falling).clip(0.0).astype(np.float32)
    triangles[-1] = 0.0  # the bin at half the rate belongs to no filter in Kaldi
    return triangles
