"""The contract of frame classifiers: how probable is speech in each frame of each channel.

A judge is one per process and may hold a model; a stream is one per session and holds what has been heard so far.
"""

from collections.abc import Sequence
from typing import Protocol

from streamer.core.events import Samples

Probabilities = tuple[tuple[float, ...], ...]
"""Speech probabilities, 0 to 1, as ``[frames][channels]``."""


class Stream(Protocol):
    """The judge's memory of one session. Calls come in the order of the audio, never two at once."""

    def judge(self, samples: Samples) -> Probabilities:
        """Judge int16 ``[channels, frames * frame_samples]`` at 16 kHz.

        The answer for a frame depends on the audio up to its end, never on how many frames come in one call.
        Another shape is the caller's fault and raises ``ValueError``.
        """


Request = tuple[Stream, Samples]
"""A stream of the judge that is asked, and what it hears next."""


class Judge(Protocol):
    """A frame classifier."""

    @property
    def frame_samples(self) -> int:
        """Samples at 16 kHz in one frame: 320 is 20 ms."""

    @property
    def brief(self) -> bool:
        """A frame takes microseconds and the interpreter's lock: a thread of its own would only be in the way of the others."""

    def open(self, channels: int) -> Stream:
        """A stream that has heard nothing."""

    def judge_many(self, requests: Sequence[Request]) -> list[Probabilities]:
        """Answers in the order of the requests, each stream at most once among them.

        An answer is the one that ``Stream.judge`` would have given, to the last bit, whoever else is in the call.
        Any thread; a stream is in one call at a time, and calls for different streams may run side by side.
        """


def check_frames(samples: Samples, channels: int, frame_samples: int) -> None:
    """Raise ``ValueError`` unless the samples are int16 ``[channels, frames * frame_samples]``."""
    if samples.dtype != "int16" or samples.ndim != 2 or len(samples) != channels or samples.shape[1] % frame_samples:
        raise ValueError(
            f"samples are {samples.dtype} {list(samples.shape)}, expected int16 [{channels}, frames * {frame_samples}]; "
            "cut the audio at whole frames"
        )
