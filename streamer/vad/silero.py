"""Silero's voice detector on ONNX Runtime: a small recurrent network that hears speech, and not music, hum or clicks.

The package ``silero-vad`` carries the weights (MIT); its own code, which would load torch, is left alone. The network takes 32 ms with
the 4 ms before them, and a state. Both are kept in the stream, so that frames of many sessions go through it in one call, in which
each row is computed by itself: company changes no bit of an answer.
"""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamer.core.events import SAMPLE_RATE, Samples
from streamer.errors import ConfigurationError
from streamer.vad import Probabilities, Request, check_frames

FRAME_SAMPLES: Final = 512
CONTEXT_SAMPLES: Final = 64
STATE_SHAPE: Final = (2, 128)
WEIGHTS: Final = Path("data", "silero_vad_16k_op15.onnx")
QUIETEST_DBFS: Final = -80.0
"""RMS level of a frame that holds nothing: a muted microphone, a telephone line with nobody on it. Speech was found down to -65."""
ASLEEP_AFTER: Final = 31
"""Frames of nothing, one second, after which the network is asked no more until there is something."""

Floats = npt.NDArray[np.float32]


class Silero:
    """A judge on ``silero-vad``: some 5 ms of CPU for a second of one channel by itself, 2 ms in company, less for silence.

    Raises ``ConfigurationError`` where a package is missing.
    """

    def __init__(self) -> None:
        weights = _weights()
        try:
            runtime: Any = import_module("onnxruntime")
        except ImportError as error:
            raise ConfigurationError(
                f"onnxruntime cannot be imported ({error}); without it silero finds no speech. "
                "Run: pip install onnxruntime, or choose the other detector with --vad webrtc"
            ) from error
        options = runtime.SessionOptions()
        # The sums are too small to be shared, and threads that spin for them would take the cores from the model.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._network: Any = runtime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
        self._rate = np.array(SAMPLE_RATE)

    @property
    def frame_samples(self) -> int:
        return FRAME_SAMPLES

    @property
    def brief(self) -> bool:
        return False

    def open(self, channels: int) -> "SileroStream":
        return SileroStream(self, channels)

    def judge_many(self, requests: Sequence[Request]) -> list[Probabilities]:
        """The network is asked once for every frame of the longest request."""
        streams, ears = [], []
        for stream, samples in requests:
            assert isinstance(stream, SileroStream)
            streams.append(stream)
            ears += stream.hear(samples)
        for step in range(max((ear.frames for ear in ears), default=0)):
            self._step([ear for ear in ears if ear.wants(step)], step)
        return [stream.answer() for stream in streams]

    def _step(self, ears: "list[Ear]", step: int) -> None:
        """The same frame of all these channels: sound ``[n, 64 + 512]`` and state ``[2, n, 128]`` to probabilities and state."""
        if not ears:
            return
        sound = np.stack([ear.sound[step * FRAME_SAMPLES :][: CONTEXT_SAMPLES + FRAME_SAMPLES] for ear in ears])
        state = np.stack([ear.state for ear in ears], axis=1)
        probabilities, state = self._network.run(None, {"input": sound, "state": state, "sr": self._rate})
        for n, ear in enumerate(ears):
            ear.state = state[:, n]
            ear.answers[step] = float(probabilities[n, 0])


class Ear:
    """One channel: the sound to judge after the last of what was judged, and the network's state between the two."""

    def __init__(self) -> None:
        self.sound: Floats = np.zeros(CONTEXT_SAMPLES, np.float32)
        self.state: Floats = np.zeros(STATE_SHAPE, np.float32)
        self.answers: list[float] = []
        self._empty: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._silence = 0  # empty frames in a row

    @property
    def frames(self) -> int:
        return len(self.answers)

    def hear(self, row: Samples) -> None:
        """Take int16 ``[frames * 512]``."""
        frames = row.reshape(-1, FRAME_SAMPLES)
        self._empty = np.einsum("ns,ns->n", frames, frames, dtype=np.float64) < QUIETEST_SQUARES
        self.sound = np.concatenate((self.sound[-CONTEXT_SAMPLES:], row.astype(np.float32) / 32768))
        self.answers = [0.0] * len(frames)

    def wants(self, step: int) -> bool:
        """Whether the network has to hear this frame, which comes right after the last one that was asked for."""
        if step >= self.frames:
            return False
        self._silence = self._silence + 1 if self._empty[step] else 0
        return self._silence <= ASLEEP_AFTER  # asleep, the state stays that after a second of nothing


class SileroStream:
    """One session's channels."""

    def __init__(self, judge: Silero, channels: int) -> None:
        self._judge = judge
        self._ears = [Ear() for _ in range(channels)]

    def judge(self, samples: Samples) -> Probabilities:
        return self._judge.judge_many([(self, samples)])[0]

    def hear(self, samples: Samples) -> list[Ear]:
        """The ears, with something to judge."""
        check_frames(samples, len(self._ears), FRAME_SAMPLES)
        for ear, row in zip(self._ears, samples, strict=True):
            ear.hear(row)
        return self._ears

    def answer(self) -> Probabilities:
        return tuple(zip(*[ear.answers for ear in self._ears], strict=True))


QUIETEST_SQUARES: Final = (32768 * 10 ** (QUIETEST_DBFS / 20)) ** 2 * FRAME_SAMPLES


def _weights() -> Path:
    # Found without being imported: the package's first line loads torch.
    package = find_spec("silero_vad")
    for folder in package.submodule_search_locations or () if package else ():
        if (weights := Path(folder, WEIGHTS)).is_file():
            return weights
    raise ConfigurationError(
        f"the package silero-vad with its {WEIGHTS.name} is not installed; silero finds no speech without it. "
        "Run: pip install --no-deps 'silero-vad>=6.2,<7', or choose the other detector with --vad webrtc"
    )
