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
        streams, ears, rows = [], [], []
        for stream, samples in requests:
            assert isinstance(stream, SileroStream)
            check_frames(samples, len(stream.ears), FRAME_SAMPLES)
            streams.append(stream)
            ears += stream.ears
            rows += list(samples)
        _hear(ears, rows)
        for step in range(max((ear.frames for ear in ears), default=0)):
            self._step([ear for ear in ears if ear.wants(step)], step)
        return [stream.answer() for stream in streams]

    def _step(self, ears: "list[Ear]", step: int) -> None:
        """The same frame of all these channels: sound ``[n, 64 + 512]`` and state ``[2, n, 128]`` to probabilities and state."""
        if not ears:
            return
        begin, end = step * FRAME_SAMPLES, (step + 1) * FRAME_SAMPLES + CONTEXT_SAMPLES
        sound = np.concatenate([ear.sound[begin:end] for ear in ears]).reshape(len(ears), -1)
        state = np.concatenate([ear.state for ear in ears]).reshape(len(ears), *STATE_SHAPE).swapaxes(0, 1)
        inputs = {"input": sound, "state": np.ascontiguousarray(state), "sr": self._rate}
        probabilities, state = self._network.run(None, inputs)
        states = np.ascontiguousarray(state.swapaxes(0, 1)).reshape(len(ears), -1)
        for ear, state, probability in zip(ears, states, probabilities[:, 0].tolist(), strict=True):
            ear.state = state
            ear.answers[step] = probability


class Ear:
    """One channel: the sound to judge after the last of what was judged, and the network's state between the two."""

    def __init__(self) -> None:
        self.sound: Floats = np.zeros(CONTEXT_SAMPLES, np.float32)
        self.state: Floats = np.zeros(STATE_SHAPE, np.float32).reshape(-1)
        self.answers: list[float] = []
        self._empty: list[bool] = []
        self._silence = 0  # empty frames in a row

    @property
    def frames(self) -> int:
        return len(self.answers)

    def hear(self, sound: Floats, empty: list[bool]) -> None:
        """Take ``[frames * 512]``, and which of the frames hold nothing."""
        self.sound = np.concatenate((self.sound[-CONTEXT_SAMPLES:], sound))
        self._empty = empty
        self.answers = [0.0] * len(empty)

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
        self.ears = [Ear() for _ in range(channels)]

    def judge(self, samples: Samples) -> Probabilities:
        return self._judge.judge_many([(self, samples)])[0]

    def answer(self) -> Probabilities:
        return tuple(zip(*[ear.answers for ear in self.ears], strict=True))


def _hear(ears: Sequence[Ear], rows: Sequence[Samples]) -> None:
    """Give each ear its int16 ``[frames * 512]``."""
    if not ears:
        return
    samples = np.concatenate(rows)
    frames = samples.reshape(-1, FRAME_SAMPLES)
    empty = (np.einsum("ns,ns->n", frames, frames, dtype=np.float64) < QUIETEST_SQUARES).tolist()
    sound = samples.astype(np.float32) / np.float32(32768)
    at = 0
    for ear, row in zip(ears, rows, strict=True):
        end = at + len(row)
        ear.hear(sound[at:end], empty[at // FRAME_SAMPLES : end // FRAME_SAMPLES])
        at = end


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
