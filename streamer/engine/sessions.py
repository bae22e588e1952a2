"""SenseVoice in ONNX Runtime: a session on our graph, or on the one that upstream's own export publishes, behind one seam."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from streamer.engine.ctc import PROMPT_ROWS
from streamer.engine.folder import PULL
from streamer.engine.graph import Network
from streamer.engine.network import TAGS_NOTE
from streamer.engine.rows import EMOTION_PROMPT, EVENT_PROMPT, Rows
from streamer.errors import ConfigurationError, ModelCorrupt

Float = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]

OURS: Final = {"features", "lengths", "prompts"}
PUBLISHED: Final = {"speech", "speech_lengths", "language", "textnorm"}


class Forward(Protocol):
    """One forward pass: features ``[batch, rows, width]``, the rows of each ``[batch]``, prompts ``[batch, PROMPT_ROWS]``."""

    def __call__(self, features: Float, lengths: Int, prompts: Int) -> list[Rows]: ...


def open_session(source: Network | Path, tags: Sequence[int], vocabulary: int, threads: int) -> Forward:
    """A session on a graph with its weights, or on a file; ``tags`` are the ids whose logits are wanted, of ``vocabulary`` many.

    Raises ``ModelCorrupt`` for a file that is no SenseVoice, and ``ConfigurationError`` where ONNX Runtime is not installed.
    """
    place = source.name if isinstance(source, Path) else "the model"
    session = _session(source, threads, place)
    inputs = {given.name: given.type for given in session.get_inputs()}
    if inputs.keys() == OURS:
        return _Ours(session, tags, place)
    if inputs.keys() == PUBLISHED:
        size = session.get_outputs()[0].shape[-1]
        if size != vocabulary:
            raise ModelCorrupt(f"{place} has {size} ids, expected the tokenizer's {vocabulary}; they are not of one model. {PULL}")
        return _Published(session, tags, inputs)
    raise ModelCorrupt(f"{place} takes {', '.join(inputs)}, expected {', '.join(sorted(OURS))}: it is another kind of model. {PULL}")


def _session(source: Network | Path, threads: int, place: str) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigurationError(f"onnxruntime cannot be imported ({error}): pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # plans memory for one shape, and no two batches have the same
    # Threads may spin for work within a forward pass, which saves a third of the time, but not after it: the sockets want the cores.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if isinstance(source, Network):
        held = [onnxruntime.OrtValue.ortvalue_from_numpy(values) for values in source.weights.values()]
        options.add_external_initializers(list(source.weights), held)
        model: Any = source.model.SerializeToString()
    else:
        model = str(source)
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's exceptions have no class in common
        raise ModelCorrupt(f"{place} cannot be read as an ONNX model ({str(error).splitlines()[0]}). {PULL}") from error


class _Ours:
    """Only ids, probabilities and the tags' logits come out."""

    def __init__(self, session: Any, tags: Sequence[int], place: str) -> None:
        self._session = session
        given = [int(id) for id in session.get_modelmeta().custom_metadata_map.get(TAGS_NOTE, "").split()]
        if not set(tags) <= set(given):
            raise ModelCorrupt(f"{place} does not give all the tags that its tokenizer has: make it anew with `streamer models export`.")
        self._columns = [given.index(id) for id in tags]

    def __call__(self, features: Float, lengths: Int, prompts: Int) -> list[Rows]:
        given = {"features": features, "lengths": lengths, "prompts": prompts}
        ids, p, tags = self._session.run(["ids", "p", "tags"], given)
        ends = lengths + PROMPT_ROWS
        return [Rows(ids[n, :end], p[n, :end], tags[n][:, self._columns]) for n, end in enumerate(ends)]


class _Published:
    """Gives the logits of the whole vocabulary, which are read here. It knows its own prompts for event and emotion."""

    def __init__(self, session: Any, tags: Sequence[int], inputs: Mapping[str, str]) -> None:
        self._session, self._tags = session, list(tags)
        self._kinds = {name: np.int32 if kind == "tensor(int32)" else np.int64 for name, kind in inputs.items()}

    def __call__(self, features: Float, lengths: Int, prompts: Int) -> list[Rows]:
        language, event, emotion, itn = prompts.T
        assert (event == EVENT_PROMPT).all()
        assert (emotion == EMOTION_PROMPT).all()
        whole = {"speech_lengths": lengths, "language": language, "textnorm": itn}
        given = {name: values.astype(self._kinds[name]) for name, values in whole.items()}
        logits = self._session.run(None, {"speech": features, **given})[0]
        return [self._rows(item[:end]) for item, end in zip(logits, lengths + PROMPT_ROWS, strict=True)]

    def _rows(self, logits: Float) -> Rows:
        best = logits.max(-1)
        p = 1 / np.exp(logits - best[:, None]).sum(-1)
        return Rows(logits.argmax(-1), p, logits[:PROMPT_ROWS, self._tags])
