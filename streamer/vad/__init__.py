"""The contract of frame classifiers: how probable is speech in each frame of each channel.

A judge is one per process and may hold a model; a stream is one per session and holds what has been heard so far.
"""

from typing import Protocol

from streamer.core.events import Samples


class Stream(Protocol):
    """The judge's memory of one session. Calls come in the order of the audio, never two at once."""

    def judge(self, samples: Samples) -> tuple[tuple[float, ...], ...]:
        """Speech probabilities, 0 to 1, as ``[frames][channels]``, of int16 ``[channels, frames * frame_samples]`` at 16 kHz.

        The answer for a frame depends on the audio up to its end, never on how many frames come in one call.
        Another shape is the caller's fault and raises ``ValueError``.
        """


class Judge(Protocol):
    """A frame classifier."""

    @property
    def frame_samples(self) -> int:
        """Samples at 16 kHz in one frame: 320 is 20 ms."""

    def open(self, channels: int) -> Stream:
        """A stream that has heard nothing."""
