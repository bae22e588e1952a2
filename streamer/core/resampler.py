"""Any rate to 16 kHz, streaming: the same samples however they are cut, and no more delay than a listener bears."""

from functools import lru_cache
from math import gcd
from typing import Final

import numpy as np
import numpy.typing as npt

from streamer.core.events import SAMPLE_RATE

Floats = npt.NDArray[np.float64]

TAPS: Final = 32  # per phase at the lower of the two rates: 1 ms of delay at 16 kHz, 4 ms at 4 kHz
KAISER_BETA: Final = 8.0  # about 80 dB of stop-band attenuation
PASS_BAND: Final = 0.92  # of the lower Nyquist frequency: the transition ends just above it
FEW_PHASES: Final = 4  # as of 8, 12, 24, 32, 48 and 96 kHz
BLOCK: Final = 16_000  # values that one step takes or makes: beyond 128 KB the allocator may go to the system each time, ten times the cost


@lru_cache(maxsize=8)
def _filter_bank(rate: int) -> Floats:
    """Windowed sinc filters, ``[phases, taps]``, read-only: one bank for all sessions of a rate.

    At most 2 MB, of 640 phases and 382 taps at 191,975 Hz, which takes 20 ms to compute; 0.1 MB at 44,100 Hz.
    """
    phases, half = SAMPLE_RATE // gcd(rate, SAMPLE_RATE), _half(rate)
    offsets = np.arange(-half + 1, half + 1)[None, :] - np.arange(phases)[:, None] / phases  # in input samples
    cutoff = PASS_BAND * min(1.0, SAMPLE_RATE / rate)
    window = np.i0(KAISER_BETA * np.sqrt(np.clip(1 - (offsets / half) ** 2, 0, 1))) / np.i0(KAISER_BETA)
    filters = cutoff * np.sinc(cutoff * offsets) * window
    bank: Floats = filters / filters.sum(axis=1, keepdims=True)
    bank.flags.writeable = False
    return bank


def _half(rate: int) -> int:
    """Input samples on either side of an output sample."""
    return TAPS // 2 * max(rate, SAMPLE_RATE) // SAMPLE_RATE


class Resampler:
    """Streaming polyphase windowed-sinc resampler to 16 kHz; output sample ``n`` lies exactly at ``n / 16000`` seconds.

    Small and ours because a block-based one holds back up to 120 ms of telephone audio, which a listener would wait for.
    What waits for later input is half a filter: 1 ms from 16 kHz up to 192 kHz, 2 ms at 8 kHz, 4 ms at 4 kHz. Between calls a
    channel keeps a filter's length of input, 3 KB at 192 kHz; within one, beside input and output, 256 KB of windows and filters.
    """

    def __init__(self, rate: int, channels: int) -> None:
        common = gcd(rate, SAMPLE_RATE)
        self._up, self._down = SAMPLE_RATE // common, rate // common
        self._half = _half(rate)
        self._filters = _filter_bank(rate)
        self._few = self._up <= FEW_PHASES
        self._block = max(1, BLOCK // (self._down if self._few else 2 * self._half * channels))  # outputs
        self._input: Floats = np.zeros((channels, self._half - 1))
        self._position = -(self._half - 1)  # input index of self._input[:, 0]
        self._produced = 0

    def push(self, values: Floats) -> Floats:
        """``[channels, n]`` at the input rate to ``[channels, m]`` at 16 kHz; what needs later input waits for it."""
        self._input = np.concatenate((self._input, values), axis=1)
        available = self._position + self._input.shape[1]
        # Output n needs input up to floor(n * down / up) + half.
        end = max(self._produced, -(-(available - self._half) * self._up // self._down))
        output: Floats = np.empty((len(values), end - self._produced))
        if not output.size:
            return output
        heard = self._phase_by_phase if self._few else self._output_by_output
        for begin in range(self._produced, end, self._block):
            block = slice(begin - self._produced, begin - self._produced + self._block)
            heard(output[:, block], begin)
        self._produced = end
        keep = self._produced * self._down // self._up - self._half + 1 - self._position
        self._input = self._input[:, keep:].copy()  # a view would keep the whole message
        self._position += keep
        return output

    def _phase_by_phase(self, output: Floats, begin: int) -> None:
        """Outputs from ``begin`` on: each filter slides over the input, and every ``down``-th of what it gives is one."""
        for phase in range(min(self._up, output.shape[1])):
            wanted = output[:, phase :: self._up]
            first, odd = divmod((begin + phase) * self._down, self._up)
            taps = self._filters[odd]
            at = first - self._half + 1 - self._position
            windows = self._input[:, at : at + (wanted.shape[1] - 1) * self._down + len(taps)]
            for row, out in zip(windows, wanted, strict=True):
                out[:] = np.correlate(row, taps)[:: self._down]

    def _output_by_output(self, output: Floats, begin: int) -> None:
        """Outputs from ``begin`` on: each has its window of the input and its filter, laid side by side."""
        windows = np.lib.stride_tricks.sliding_window_view(self._input, 2 * self._half, axis=1)
        steps = np.arange(begin, begin + output.shape[1]) * self._down
        indices = steps // self._up - self._half + 1 - self._position
        np.einsum("cnk,nk->cn", windows[:, indices], self._filters[steps % self._up], out=output)

    def finish(self) -> Floats:
        """The last samples, as if silence followed."""
        return self.push(np.zeros((self._input.shape[0], self._half)))
