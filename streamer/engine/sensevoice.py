"""SenseVoiceSmall on torch: one forward pass answers a batch of jobs of mixed languages and ITN settings.

The scheduler's thread goes: audio of the whole batch to the device, features there, four prompt rows before each item, encoder, and of
the logits only each row's best id, its probability, and the few logits of the tags come back. On a GPU the pass is ours (``packed``),
elsewhere upstream's own modules compute it (``padded``).
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from streamer.core.events import Failed, Hypothesis, Job, Samples
from streamer.engine import BatchLimits, OutOfMemory, WarmUp
from streamer.engine.checkpoint import load, read_state
from streamer.engine.device import Precision, choose_device, choose_precision, installed, triton_fault
from streamer.engine.folder import Description, describe, sizes_of
from streamer.engine.rows import BUCKETS_S, CPU_LIMITS, Reader, RowEngine, Rows, most_rows, prompts
from streamer.errors import ConfigurationError

if TYPE_CHECKING:
    import torch

    from streamer.engine.replay import Replay

logger: Final = logging.getLogger(__name__)

# On a GPU a forward pass costs what tens of seconds of padding cost, so other lengths may join (simulated: docs/performance.md).
PADDED_LIMITS: Final = BatchLimits(max_items=128, max_audio_s=480.0, buckets_s=BUCKETS_S, free_padding_s=60.0)
# What so many items take with their prompts fits into 8,192 rows: some ten milliseconds of an H100, which is as long as others should wait.
PACKED_LIMITS: Final = BatchLimits(max_items=256, max_audio_s=400.0, buckets_s=(), packed=True)
LEAST_HEAD: Final = 16
"""Elements in a head of attention that the device's matrix units can take."""

Forward = Callable[[Sequence[Samples], npt.NDArray[np.int64]], list[Rows]]
"""Utterances and their prompts ``[batch, PROMPT_ROWS]`` to the rows of each."""


class SenseVoice(RowEngine):
    """The engine of a SenseVoice checkpoint folder. ``device`` is ``auto`` (CUDA where torch has it), ``cpu``, ``cuda`` or ``cuda:N``.

    ``precision`` is one of ``PRECISIONS``; ``graphs`` are CUDA's, which are recorded while warming up. ``packed`` says whether the forward
    pass is ours; by default it is on a GPU with a Triton that works.

    Audio shorter than 25 ms is taken as followed by silence up to 25 ms. Raises ``ModelNotFound`` or ``ModelCorrupt`` for the folder
    and ``ConfigurationError`` for the device.
    """

    def __init__(
        self,
        folder: Path,
        *,
        device: str = "auto",
        precision: str = "auto",
        graphs: bool = True,
        packed: bool | None = None,
        notice: str | None = None,
        batch_limits: BatchLimits | None = None,
    ) -> None:
        self._device = choose_device(device)
        if self._device.type == "cuda":
            import torch

            torch.cuda.set_device(self._device)  # of this thread, which is the engine's own; kernels are launched on it
        how = choose_precision(precision, self._device)
        found = describe(folder)
        reader = Reader(found.vocabulary, folder)
        packs = self._can_pack(found) if packed is None else packed
        usual = PACKED_LIMITS if packs else PADDED_LIMITS if self._device.type == "cuda" else CPU_LIMITS
        super().__init__(reader, batch_limits or usual, name=found.name, device=str(self._device), notice=notice)
        self._replay: Replay | None = None
        self._forward: Forward = self._packed(found, how, graphs) if packs else self._padded(folder, how)

    def warm_up(self) -> WarmUp:
        """Record the graphs, then as every engine."""
        import torch

        if self._replay:
            with torch.inference_mode():
                self._replay.record()
        return super().warm_up()

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis | Failed]:
        import torch

        try:
            return super().transcribe(jobs)
        except torch.cuda.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise OutOfMemory(f"{self._device} has no memory for a batch of {len(jobs)}: {error}") from None

    def close(self) -> None:
        import torch

        del self._forward, self._replay
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def rows(self, jobs: Sequence[Job]) -> list[Rows]:
        """One forward pass. No item sees another."""
        import torch

        with torch.inference_mode():
            return self._forward([job.samples for job in jobs], prompts(jobs))

    def _packed(self, found: Description, precision: Precision, graphs: bool) -> Forward:
        from streamer.engine.packed import PackedForward
        from streamer.engine.replay import Replay, capacities

        tags, rows = self.reader.tags, list(capacities(most_rows(self._limits, found.layout)))
        forward = PackedForward(found, read_state(found.weights), tags, self._device, precision, most_rows=rows[-1])
        self._replay = Replay(forward, found.layout, len(tags), self._device, rows=rows, graphs=graphs)
        return self._replay

    def _padded(self, folder: Path, precision: Precision) -> Forward:
        import torch

        from streamer.engine.padded import Padded

        if not installed("funasr"):
            raise ConfigurationError(f"SenseVoice on {self._device} needs upstream's modules, which are not installed: pip install funasr")
        if precision is Precision.BFLOAT16:
            raise ConfigurationError("--precision is 'bfloat16', which needs a Triton that works on this device; expected tf32 or float32.")
        torch.backends.cuda.matmul.allow_tf32 = precision is Precision.TF32
        return Padded(load(folder, self._device), self.reader.tags, self._device)

    def _can_pack(self, found: Description) -> bool:
        if self._device.type != "cuda":
            return False
        why = why_not_packed(found, self._device)
        if why:
            logger.warning("the forward pass on %s is upstream's, several times slower than ours, because %s", self._device, why)
        return why is None


def why_not_packed(found: Description, device: "torch.device") -> str | None:
    """What keeps our kernels from running; ``None`` where they do."""
    sizes = sizes_of(found)
    head = sizes.width // sizes.heads
    if head < LEAST_HEAD or head & (head - 1):
        return f"its heads have {head} elements, expected a power of two from {LEAST_HEAD} on"
    return triton_fault(device)
