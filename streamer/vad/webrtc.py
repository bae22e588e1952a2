"""The gate that runs everywhere: WebRTC's voice detector, three of them voting, below them a floor of level.

The detector answers yes or no. Its four modes ask for ever more evidence, so the share of modes that say yes orders frames
by how speech-like they are: 1/3 is doubtful, 1 is clear. It knows spectrum shapes, not speech: steady noise and
music pass it too.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import numpy as np

from streamer.core.events import SAMPLE_RATE, Samples
from streamer.errors import ConfigurationError
from streamer.vad import Probabilities, Request, check_frames

FRAME_SAMPLES: Final = 320
"""20 ms. The detector takes 10, 20 or 30."""
MODES: Final = (1, 2, 3)
"""Mode 0 says yes to two thirds of the pauses and adds nothing to the vote."""
QUIETEST_SPEECH_DBFS: Final = -60.0
"""RMS level below which a frame is never speech: digital silence and the hiss of a converter, with room for a timid microphone."""


class WebRtc:
    """A judge on ``webrtcvad``: some 0.7 ms of CPU for a second of one channel, judged 100 ms at a time.

    ``aggressiveness`` names the modes that vote, each 0 (lenient) to 3 (strict). Raises ``ConfigurationError`` where the
    package cannot be imported or a mode does not exist.
    """

    def __init__(self, *, aggressiveness: Sequence[int] = MODES, quietest_dbfs: float = QUIETEST_SPEECH_DBFS) -> None:
        if not aggressiveness or any(mode not in range(4) for mode in aggressiveness):
            raise ConfigurationError(f"aggressiveness is {aggressiveness!r}, expected one or more of 0, 1, 2, 3")
        try:
            self._webrtcvad: Any = import_module("webrtcvad")
        except ImportError as error:
            raise ConfigurationError(
                f"webrtcvad cannot be imported ({error}); without it no speech is found. Run: pip install webrtcvad-wheels"
            ) from error
        self._modes = tuple(aggressiveness)
        self._quietest = (32768.0 * 10 ** (quietest_dbfs / 20)) ** 2 * FRAME_SAMPLES

    @property
    def frame_samples(self) -> int:
        return FRAME_SAMPLES

    @property
    def brief(self) -> bool:
        return True

    def open(self, channels: int) -> "WebRtcStream":
        detectors = [[self._webrtcvad.Vad(mode) for mode in self._modes] for _ in range(channels)]
        return WebRtcStream(detectors, self._quietest)

    def judge_many(self, requests: Sequence[Request]) -> list[Probabilities]:
        """One after the other: the detector takes one frame at a time."""
        return [stream.judge(samples) for stream, samples in requests]


class WebRtcStream:
    """One session's detectors: ``[channels][modes]``. ``quietest`` is the least sum of squares that a frame of speech has."""

    def __init__(self, detectors: Sequence[Sequence[Any]], quietest: float) -> None:
        self._detectors = detectors
        self._quietest = quietest

    def judge(self, samples: Samples) -> Probabilities:
        check_frames(samples, len(self._detectors), FRAME_SAMPLES)
        columns = [self._judge_channel(detectors, row) for detectors, row in zip(self._detectors, samples, strict=True)]
        return tuple(zip(*columns, strict=True))

    def _judge_channel(self, detectors: Sequence[Any], row: Samples) -> list[float]:
        frames = row.reshape(-1, FRAME_SAMPLES)
        audible = np.einsum("ns,ns->n", frames, frames, dtype=np.float64) > self._quietest
        # Quiet frames are heard all the same: the detectors adapt to the background.
        votes = []
        for frame, loud in zip(frames, audible.tolist(), strict=True):
            data = frame.tobytes()
            ayes = [vad.is_speech(data, SAMPLE_RATE) for vad in detectors]
            votes.append(sum(ayes) / len(ayes) if loud else 0.0)
        return votes
