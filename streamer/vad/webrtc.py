"""The gate that runs everywhere: WebRTC's voice detector, two of them voting, below them a floor of level.

The detector answers yes or no. Its four modes ask for ever more evidence, so the share of modes that say yes orders frames
by how speech-like they are: 2/3 is doubtful, 1 is clear. It knows spectrum shapes, not speech: steady noise and
music pass it too.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final

import numpy as np

from streamer.core.events import SAMPLE_RATE, Samples
from streamer.errors import ConfigurationError
from streamer.vad import Probabilities, Request, check_frames

FRAME_SAMPLES: Final = 320
"""20 ms. The detector takes 10, 20 or 30."""
FRAME_BYTES: Final = 2 * FRAME_SAMPLES
MODES: Final = (2, 3)
"""Mode 0 says yes to two thirds of the pauses. Mode 1 says yes where another does, but for 4 frames of 128,827, and alone it is not enough:
so it counts as one that said yes, and is not asked."""
QUIETEST_SPEECH_DBFS: Final = -60.0
"""RMS level below which a frame is never speech: digital silence and the hiss of a converter, with room for a timid microphone."""


class WebRtc:
    """A judge on ``webrtcvad``: some 0.4 ms of CPU for a second of one channel, judged 100 ms at a time.

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
        return WebRtcStream(self, [[self._webrtcvad.Vad(mode).is_speech for mode in self._modes] for _ in range(channels)])

    def judge_many(self, requests: Sequence[Request]) -> list[Probabilities]:
        """The detectors take one frame at a time; what can be done for all frames at once is."""
        rows, streams = [], []
        for stream, samples in requests:
            assert isinstance(stream, WebRtcStream)
            check_frames(samples, stream.channels, FRAME_SAMPLES)
            streams.append(stream)
            rows.append(samples.reshape(-1, FRAME_SAMPLES))
        frames = np.concatenate(rows) if rows else np.zeros((0, FRAME_SAMPLES), np.int16)
        audible: list[bool] = (np.einsum("ns,ns->n", frames, frames, dtype=np.float64) > self._quietest).tolist()
        sound, answers, at = frames.tobytes(), [], 0
        for stream, row in zip(streams, rows, strict=True):
            answers.append(stream.vote(sound, audible, at, len(row) // stream.channels))
            at += len(row)
        return answers


class WebRtcStream:
    """One session's detectors, ``[channels][modes]``: each says whether it hears speech in a frame's bytes at a rate."""

    def __init__(self, judge: WebRtc, detectors: Sequence[Sequence[Callable[[bytes, int], bool]]]) -> None:
        self._judge, self._detectors = judge, detectors

    @property
    def channels(self) -> int:
        return len(self._detectors)

    def judge(self, samples: Samples) -> Probabilities:
        return self._judge.judge_many([(self, samples)])[0]

    def vote(self, sound: bytes, audible: Sequence[bool], at: int, count: int) -> Probabilities:
        """On ``count`` frames of each channel, channel by channel from frame ``at`` of ``sound``."""
        columns = []
        for detectors in self._detectors:
            votes = []
            for n in range(at, at + count):
                data = sound[n * FRAME_BYTES : (n + 1) * FRAME_BYTES]
                ayes = [hears(data, SAMPLE_RATE) for hears in detectors]  # a quiet frame too: they adapt to the background
                votes.append((1 + sum(ayes)) / (1 + len(ayes)) if audible[n] and any(ayes) else 0.0)
            columns.append(votes)
            at += count
        return tuple(zip(*columns, strict=True))
