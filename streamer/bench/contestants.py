"""The ways to run one SenseVoice on a CPU, for ``bench.cpu``; those that the server does not use are made here."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from streamer.core.events import Job
from streamer.engine.ctc import PROMPT_ROWS
from streamer.engine.device import installed
from streamer.engine.export import export
from streamer.engine.features import NumpyFrontend
from streamer.engine.folder import describe
from streamer.engine.onnx import OnnxSenseVoice
from streamer.engine.rows import Rows, prompts

REFERENCE: Final = "torch"


class Contestant(Protocol):
    """Something that gives rows for jobs."""

    def rows(self, jobs: Sequence[Job]) -> list[Rows]: ...


def contestants(folder: Path, threads: int) -> dict[str, Callable[[], Contestant]]:
    """How to load each that is installed here, the reference first. All run the weights of ``folder``."""
    every: dict[str, tuple[tuple[str, ...], Callable[[], Contestant]]] = {
        REFERENCE: (("torch", "funasr"), lambda: _torch(folder, threads)),
        "torch int8": (("torch", "funasr"), lambda: _TorchInt8(folder, threads)),
        "ONNX Runtime": (("onnx", "onnxruntime"), lambda: OnnxSenseVoice(folder, threads=threads)),
        "ONNX Runtime int8": (("onnx", "onnxruntime"), lambda: OnnxSenseVoice(folder, int8=True, threads=threads)),
        "OpenVINO": (("onnx", "openvino"), lambda: _OpenVino(folder, threads)),
    }
    return {name: load for name, (packages, load) in every.items() if installed(*packages)}


def _torch(folder: Path, threads: int) -> Contestant:
    import torch

    from streamer.engine.sensevoice import SenseVoice

    torch.set_num_threads(threads)
    return SenseVoice(folder, device="cpu")


class _TorchInt8:
    """Upstream's modules, with torch's own dynamic quantisation of every matrix."""

    def __init__(self, folder: Path, threads: int) -> None:
        import warnings

        import torch

        from streamer.engine.checkpoint import load
        from streamer.engine.padded import Padded
        from streamer.engine.rows import Reader

        torch.set_num_threads(threads)
        device = torch.device("cpu")
        checkpoint = load(folder, device)
        self._forward = Padded(checkpoint, Reader(checkpoint.vocabulary, folder).tags, device)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is to move to another package
            quantise: Any = torch.ao.quantization.quantize_dynamic
            self._forward.model = quantise(self._forward.model, {torch.nn.Linear}, dtype=torch.qint8)

    def rows(self, jobs: Sequence[Job]) -> list[Rows]:
        import torch

        with torch.inference_mode():
            return self._forward([job.samples for job in jobs], prompts(jobs))


class _OpenVino:
    """Our own graph in OpenVINO, in float32 whatever the processor would rather have."""

    def __init__(self, folder: Path, threads: int) -> None:
        import openvino

        found = describe(folder)
        self._frontend = NumpyFrontend(found.cmvn, found.layout)
        wanted: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
        with TemporaryDirectory() as output:
            path = export(folder, Path(output), int8=False)
            self._model: Any = openvino.Core().compile_model(str(path), "CPU", wanted)

    def rows(self, jobs: Sequence[Job]) -> list[Rows]:
        features, lengths = self._frontend([job.samples for job in jobs])
        answer = self._model({"features": features, "lengths": lengths, "prompts": prompts(jobs)})
        ids, p, tags = (np.array(answer[name]) for name in ("ids", "p", "tags"))
        return [Rows(ids[n, :end], p[n, :end], tags[n]) for n, end in enumerate(lengths + PROMPT_ROWS)]


def ids_of(rows: Sequence[Rows]) -> npt.NDArray[np.int64]:
    """All best ids of a batch, one item after the other."""
    return np.concatenate([item.ids for item in rows])
