"""Decoded frames to samples: any sample format, channel count and rate to int16 at 16 kHz."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from streamer.core.events import SAMPLE_RATE, Samples

if TYPE_CHECKING:
    from av import AudioFrame

Floats = npt.NDArray[np.float32]
"""Audio on the int16 scale, ``[channels, n]``."""


class Resampler:
    """Float audio ``[channels, n]`` at ``rate`` to int16 at 16 kHz, streaming."""

    def __init__(self, rate: int, channels: int) -> None:
        import soxr

        self.rate = rate
        self._channels = channels
        # Ours in core.audio has less delay at 8 kHz, which a file does not mind; this one is five times faster.
        self._soxr: Any = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, channels, dtype="float32", quality="HQ")

    def push(self, audio: Floats, *, last: bool = False) -> Samples:
        if self._soxr:
            audio = self._soxr.resample_chunk(np.ascontiguousarray(audio.T), last=last).reshape(-1, self._channels).T
        return audio.round().clip(-32768, 32767).astype(np.int16)

    def finish(self) -> Samples:
        return self.push(np.zeros((self._channels, 0), np.float32), last=True)


def planar(frame: "AudioFrame") -> Floats:
    """A decoded frame of any sample format as ``[channels, n]`` on the int16 scale."""
    array: Any = frame.to_ndarray()
    if not frame.format.is_planar:
        array = array.reshape(-1, frame.layout.nb_channels).T
    kind, width = array.dtype.kind, array.dtype.itemsize
    if kind == "f" and not np.isfinite(array).all():
        # NaN and infinities are silence and full scale, not poison for what follows.
        array = np.nan_to_num(array, nan=0.0, posinf=1.0, neginf=-1.0)
    values: Floats = array.astype(np.float32, copy=False)
    match kind:
        case "f":
            return values * np.float32(32767)
        case "u":
            return (values - 128) * np.float32(256)
        case _:
            return values / np.float32(2 ** (8 * width - 16))


def mix(audio: Floats, wanted: int, centre: int | None) -> Floats:
    """As many channels as wanted; missing ones are silent. One is the mean of all, half of it the centre's: films keep speech there."""
    have = len(audio)
    if have == wanted:
        return audio
    if wanted == 1:
        mixed: Floats = np.add.reduce(audio, axis=0, keepdims=True)
        mixed /= have
        return mixed if centre is None else (mixed + audio[centre]) / np.float32(2)
    return np.concatenate((audio[:wanted], np.zeros((max(0, wanted - have), audio.shape[1]), np.float32)))
