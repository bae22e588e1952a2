"""SenseVoiceSmall on torch: one forward pass answers a batch of jobs of mixed languages and ITN settings.

The scheduler's thread goes: features of the whole batch on the device, four prompt rows before each item, encoder, and of the
logits only each row's best id, its probability, and the few logits of the tags come back. The logits of the whole vocabulary never
leave the device, and exist for ``ROWS_AT_ONCE`` rows at a time.
"""

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamer.core.events import Failed, Hypothesis, Job, ModelInfo
from streamer.engine import BatchLimits, OutOfMemory, WarmUp
from streamer.engine.checkpoint import load
from streamer.engine.ctc import PROMPT_ROWS
from streamer.engine.device import choose_device
from streamer.engine.frontend import Frontend
from streamer.engine.rows import BUCKETS_S, CPU_LIMITS, Reader, Rows, prompts, warm_up

if TYPE_CHECKING:
    import torch

ROWS_AT_ONCE: Final = 1024  # x 25,055 logits x 4 bytes = 103 MB
# On a GPU a forward pass costs what tens of seconds of padding cost, so other lengths may join (simulated: docs/performance.md).
CUDA_LIMITS: Final = BatchLimits(max_items=128, max_audio_s=480.0, buckets_s=BUCKETS_S, free_padding_s=60.0)


class SenseVoice:
    """The engine of a SenseVoice checkpoint folder. ``device`` is ``auto`` (CUDA where torch has it), ``cpu``, ``cuda`` or ``cuda:N``.

    Audio shorter than 25 ms is taken as followed by silence up to 25 ms. Raises ``ModelNotFound`` or ``ModelCorrupt`` for the folder
    and ``ConfigurationError`` for the device.
    """

    def __init__(self, folder: Path, *, device: str = "auto", notice: str | None = None, batch_limits: BatchLimits | None = None) -> None:
        import torch

        self._device = choose_device(device)
        checkpoint = load(folder, self._device)
        self._model = checkpoint.model
        self._reader = Reader(checkpoint.vocabulary, folder)
        self._frontend = Frontend(checkpoint.cmvn, checkpoint.layout, self._device)
        tags = torch.tensor(self._reader.tags, device=self._device)
        output = self._model.ctc.ctc_lo
        self._tag_weight, self._tag_bias = output.weight[tags], output.bias[tags]
        self._limits = batch_limits or (CUDA_LIMITS if self._device.type == "cuda" else CPU_LIMITS)
        self._info = ModelInfo(
            name=checkpoint.name,
            device=str(self._device),
            capabilities=self._reader.capabilities,
            notice=notice,
        )

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def reader(self) -> Reader:
        return self._reader

    @property
    def batch_limits(self) -> BatchLimits:
        return self._limits

    def warm_up(self) -> WarmUp:
        """Decode noise at every bucket's upper edge, alone and in the largest batch that the limits allow."""
        return warm_up(self)

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis | Failed]:
        if not jobs:
            return []
        import torch

        began = perf_counter()
        try:
            rows = self.rows(jobs)
        except torch.cuda.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise OutOfMemory(f"{self._device} has no memory for a batch of {len(jobs)}: {error}") from None
        decode_ms = (perf_counter() - began) * 1000
        return [self._reader.answer(job, item, decode_ms) for job, item in zip(jobs, rows, strict=True)]

    def close(self) -> None:
        import torch

        del self._model, self._frontend, self._tag_weight, self._tag_bias
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def rows(self, jobs: Sequence[Job]) -> list[Rows]:
        """One forward pass. Padding is masked in the encoder, so an item's rows do not depend on the others."""
        import torch

        with torch.inference_mode():
            features, lengths = self._frontend([job.samples for job in jobs])
            queries = self._model.embed(torch.from_numpy(prompts(jobs)).to(self._device))
            hidden, lengths = self._model.encoder(torch.cat((queries, features), 1), lengths + PROMPT_ROWS)
            tags = torch.nn.functional.linear(hidden[:, :PROMPT_ROWS], self._tag_weight, self._tag_bias)
            own = torch.arange(hidden.shape[1], device=self._device) < lengths[:, None]
            best = [self._best(part) for part in hidden[own].split(ROWS_AT_ONCE)]
            ids, p = (torch.cat(part).cpu().numpy() for part in zip(*best, strict=True))
            edges = np.cumsum(lengths.cpu().numpy())[:-1]
            return [Rows(*item) for item in zip(np.split(ids, edges), np.split(p, edges), tags.cpu().numpy(), strict=True)]

    def _best(self, hidden: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
        """Encoder rows ``[rows, width]`` to each row's best id and its probability."""
        logits: Any = self._model.ctc.ctc_lo(hidden)
        best, ids = logits.max(-1)
        return ids, (best - logits.logsumexp(-1)).exp()
