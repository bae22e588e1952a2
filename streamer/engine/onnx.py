"""SenseVoiceSmall on ONNX Runtime, for CPUs: without torch, twice as fast on short audio, and in two thirds of the memory.

It runs a checkpoint's own ``model.pt``, or a file that ``streamer models export`` or upstream made of one. What goes in and what is read
from the rows is shared with the torch engine; the ids are the same.
"""

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from streamer.core.events import Job
from streamer.engine import BatchLimits
from streamer.engine.features import NumpyFrontend
from streamer.engine.folder import PULL, Description, describe, existing
from streamer.engine.graph import LEVELS, LEVELS_ANYWHERE, Network
from streamer.engine.network import network
from streamer.engine.rows import BUCKETS_S, CPU_LIMITS, Reader, RowEngine, Rows, prompts
from streamer.engine.sessions import open_session
from streamer.engine.tensors import Unreadable, read_tensors, without_wrapper
from streamer.errors import ModelCorrupt

ALONE: Final = BatchLimits(max_items=1, max_audio_s=BUCKETS_S[-1], buckets_s=BUCKETS_S)


class OnnxSenseVoice(RowEngine):
    """The engine of a folder with ``model.pt``, or of an ``.onnx`` file beside its ``config.yaml``, ``am.mvn`` and tokenizer.

    ``int8`` keeps the matrices of a ``model.pt`` in 8 bits: a third of the time, a third of the memory, and now and then another id.
    Then the rows of one forward pass share a scale, so each item has a forward pass of its own: company must not change an answer.
    ``threads`` is by default one for each core that this process may use.

    Raises ``ModelNotFound`` or ``ModelCorrupt`` for the files and ``ConfigurationError`` where a package is missing.
    """

    def __init__(
        self,
        path: Path,
        *,
        int8: bool = False,
        notice: str | None = None,
        threads: int | None = None,
        batch_limits: BatchLimits | None = None,
    ) -> None:
        file = path if path.suffix == ".onnx" else None
        folder = path.parent if file else path
        found = describe(folder)
        reader = Reader(found.vocabulary, folder)
        source = existing(folder, file.name) if file else read_network(found, levels=own_levels() if int8 else None)
        self._forward = open_session(source, reader.tags, found.vocabulary.size, threads or _cores())
        self._frontend = NumpyFrontend(found.cmvn, found.layout)
        kind = file.stem.removeprefix("model").strip("_") if file else "int8" if int8 else ""
        self._alone = bool(kind)
        limits = batch_limits or (ALONE if self._alone else CPU_LIMITS)
        super().__init__(reader, limits, name=f"{found.name} {kind}".rstrip(), device="cpu", notice=notice)

    def rows(self, jobs: Sequence[Job]) -> list[Rows]:
        """In float32 one forward pass, in which padding is masked, so that an item's rows do not depend on the others."""
        if self._alone and len(jobs) > 1:
            return [rows for job in jobs for rows in self.rows([job])]
        features, lengths = self._frontend([job.samples for job in jobs])
        return self._forward(features, lengths, prompts(jobs))

    def close(self) -> None:
        del self._forward


def own_levels() -> int:
    """As many levels of an int8 weight as this processor sums without a loss."""
    info = Path("/proc/cpuinfo")
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    return LEVELS if not x86 or (info.exists() and "_vnni" in info.read_text()) else LEVELS_ANYWHERE


def read_network(found: Description, *, levels: int | None) -> Network:
    """The graph and the weights of a folder's ``model.pt``, in int8 with so many levels or in float32.

    Raises ``ModelNotFound`` or ``ModelCorrupt``.
    """
    path = existing(found.weights.parent, found.weights.name)
    try:
        saved = read_tensors(path)
    except Unreadable as error:
        raise ModelCorrupt(f"{path} ({path.stat().st_size} bytes) cannot be read as weights ({error}). {PULL}") from error
    return network(found, without_wrapper(saved), tags=Reader(found.vocabulary, path.parent).tags, levels=levels)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
