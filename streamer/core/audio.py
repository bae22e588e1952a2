"""Bytes of a client's audio to 16 kHz int16 samples, and the bounded timeline that keeps them.

The same bytes give the same samples however they are cut: whole sample frames are decoded, the rest waits for the next call.
"""

from math import log10
from typing import Final

import numpy as np

from streamer.core.events import SAMPLE_RATE, AudioFormat, Encoding, Samples
from streamer.core.resampler import Floats, Resampler

FULL_SCALE: Final = 32768.0
SILENCE_DB: Final = -100.0  # level of digital silence


def _mulaw_table() -> Samples:
    """ITU-T G.711 mu-law: 256 codes to linear int16."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4) & 7, code & 15
    magnitude = (((mantissa.astype(np.int32) << 3) + 0x84) << exponent) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_table() -> Samples:
    """ITU-T G.711 A-law: 256 codes to linear int16."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = ((code >> 4) & 7).astype(np.int32), (code & 15).astype(np.int32)
    linear = (mantissa << 4) + 8
    magnitude = np.where(exponent == 0, linear, (linear + 0x100) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


_TABLES: Final = {Encoding.MULAW: _mulaw_table(), Encoding.ALAW: _alaw_table()}
_WIDTHS: Final = {
    Encoding.PCM_S16LE: 2,
    Encoding.PCM_F32LE: 4,
    Encoding.MULAW: 1,
    Encoding.ALAW: 1,
    Encoding.CONTAINER: 2,  # decoded outside: what arrives here is pcm_s16le at 16 kHz
}


def levels_db(samples: Samples, frame: int) -> list[float]:
    """RMS levels in dBFS, one for each frame, of int16 ``[frames * frame]``."""
    frames = samples.reshape(-1, frame)
    # Sums of squared int16 are whole numbers that float64 holds exactly: the same however many frames come in one call.
    sums: list[float] = np.einsum("ns,ns->n", frames, frames, dtype=np.float64).tolist()
    scale = 1 / (frame * FULL_SCALE**2)
    floor = 10 ** (SILENCE_DB / 10)
    return [10 * log10(max(square * scale, floor)) for square in sums]


def _mixed(linear: Samples | Floats) -> Floats:
    """``[channels, n]`` to their average ``[1, n]``. Added row by row: numpy's own order of a sum depends on ``n``."""
    total = linear[:1].astype(np.float64)
    for row in linear[1:]:
        total += row
    return total / len(linear)


def _to_int16(values: Samples | Floats) -> Samples:
    if values.dtype == np.int16:
        return values.astype(np.int16, copy=False)
    return np.clip(np.rint(values), -32768, 32767).astype(np.int16)


class PcmDecoder:
    """Bytes of one format, cut anywhere, to int16 ``[heard_channels, n]`` at 16 kHz."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self._encoding = audio_format.encoding
        self._channels, self._heard_channels = audio_format.channels, audio_format.heard_channels
        self._frame_bytes = _WIDTHS[self._encoding] * self._channels
        self._rest = b""
        outside = self._encoding is Encoding.CONTAINER
        resample = not outside and audio_format.sample_rate != SAMPLE_RATE
        self._resampler = Resampler(audio_format.sample_rate, self._heard_channels) if resample else None

    @property
    def incomplete_bytes(self) -> int:
        """Bytes of a sample frame whose rest has not come."""
        return len(self._rest)

    def decode(self, data: bytes) -> Samples:
        data = self._rest + data if self._rest else data
        whole = len(data) - len(data) % self._frame_bytes
        self._rest = data[whole:]
        linear = self._linear(data[:whole] if self._rest else data).reshape(-1, self._channels).T
        if self._heard_channels < self._channels:
            linear = _mixed(linear)
        if self._resampler is None:
            return _to_int16(linear)
        return _to_int16(self._resampler.push(linear.astype(np.float64)))

    def finish(self) -> Samples:
        """What the resampler still held, int16 ``[heard_channels, n]``."""
        if self._resampler is None:
            return np.zeros((self._heard_channels, 0), np.int16)
        return _to_int16(self._resampler.finish())

    def _linear(self, data: bytes) -> Samples | Floats:
        """Whole samples to int16, or to float64 on the int16 scale."""
        match self._encoding:
            case Encoding.MULAW | Encoding.ALAW:
                return _TABLES[self._encoding][np.frombuffer(data, np.uint8)]
            case Encoding.PCM_F32LE:
                # NaN and infinities are silence and full scale, not poison for everything that follows.
                with np.errstate(invalid="ignore"):  # some NaNs are said to be signals
                    wide = np.frombuffer(data, "<f4").astype(np.float64)
                values = np.nan_to_num(wide, nan=0.0, posinf=1.0, neginf=-1.0)
                return np.clip(values, -1.0, 1.0) * 32767.0
            case _:
                return np.frombuffer(data, "<i2").astype(np.int16, copy=False)  # a copy on big-endian machines only


class Timeline:
    """The last stretch of a session's audio, int16 ``[channels, n]``, addressed by absolute sample index.

    Bounded by its owner, who says with ``forget`` what will not be read again.
    """

    def __init__(self, channels: int) -> None:
        self._buffer: Samples = np.zeros((channels, SAMPLE_RATE), np.int16)
        self._begin = 0  # absolute index of the oldest kept sample
        self._offset = 0  # where it lies in the buffer
        self.end = 0
        """Absolute index after the newest sample."""

    def __len__(self) -> int:
        return self.end - self._begin

    def append(self, samples: Samples) -> None:
        size, count = len(self), samples.shape[1]
        if self._offset + size + count > self._buffer.shape[1]:
            kept = self._buffer[:, self._offset : self._offset + size]
            # Twice the need: moving happens once per as many samples as are kept, so each is moved about once.
            buffer = np.zeros((len(kept), max(SAMPLE_RATE, 2 * (size + count))), np.int16)
            buffer[:, :size] = kept
            self._buffer, self._offset = buffer, 0
        at = self._offset + size
        self._buffer[:, at : at + count] = samples
        self.end += count

    def read(self, begin: int, end: int, channels: slice = slice(None)) -> Samples:
        """``[channels, end - begin]``, read-only. Raises ``IndexError`` for what was forgotten or has not come.

        Not a copy: where something was read, nothing is ever written again, because what comes later goes behind it or elsewhere.
        """
        if not self._begin <= begin <= end <= self.end:
            raise IndexError(f"samples {begin} to {end} asked for, {self._begin} to {self.end} are kept")
        at = self._offset + begin - self._begin
        samples = self._buffer[channels, at : at + end - begin]
        samples.flags.writeable = False
        return samples

    def forget(self, before: int) -> None:
        """Samples before this index will not be read again."""
        before = min(max(before, self._begin), self.end)
        self._offset += before - self._begin
        self._begin = before
