"""SenseVoice's forward pass through upstream's own modules, on a batch that is padded to its longest item: on CPUs, and without Triton.

Features of the whole batch on the device, four prompt rows before each item, encoder, and of the logits only each row's best id, its
probability, and the few logits of the tags come back. The logits of the whole vocabulary never leave the device, and exist for
``ROWS_AT_ONCE`` rows at a time.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from streamer.core.events import Samples
from streamer.engine.checkpoint import Checkpoint
from streamer.engine.ctc import PROMPT_ROWS
from streamer.engine.frontend import Frontend
from streamer.engine.rows import Rows

if TYPE_CHECKING:
    import torch

ROWS_AT_ONCE: Final = 1024  # x 25,055 logits x 4 bytes = 103 MB


class Padded:
    """A checkpoint on one device; ``tags`` are the ids whose logits are wanted."""

    def __init__(self, checkpoint: Checkpoint, tags: Sequence[int], device: "torch.device") -> None:
        import torch

        self.model, self._device = checkpoint.model, device
        self._frontend = Frontend(checkpoint.cmvn, checkpoint.layout, device)
        chosen = torch.tensor(tags, device=device)
        output = self.model.ctc.ctc_lo
        self._tag_weight, self._tag_bias = output.weight[chosen], output.bias[chosen]

    def __call__(self, audio: Sequence[Samples], prompts: npt.NDArray[np.int64]) -> list[Rows]:
        """The rows of each utterance. Padding is masked in the encoder, so they do not depend on the others."""
        import torch

        features, lengths = self._frontend(audio)
        queries = self.model.embed(torch.from_numpy(prompts).to(self._device))
        hidden, lengths = self.model.encoder(torch.cat((queries, features), 1), lengths + PROMPT_ROWS)
        tags = torch.nn.functional.linear(hidden[:, :PROMPT_ROWS], self._tag_weight, self._tag_bias)
        own = torch.arange(hidden.shape[1], device=self._device) < lengths[:, None]
        best = [self._best(part) for part in hidden[own].split(ROWS_AT_ONCE)]
        ids, p = (torch.cat(part).cpu().numpy() for part in zip(*best, strict=True))
        edges = np.cumsum(lengths.cpu().numpy())[:-1]
        return [Rows(*item) for item in zip(np.split(ids, edges), np.split(p, edges), tags.cpu().numpy(), strict=True)]

    def _best(self, hidden: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
        """Encoder rows ``[rows, width]`` to each row's best id and its probability."""
        logits: Any = self.model.ctc.ctc_lo(hidden)
        best, ids = logits.max(-1)
        return ids, (best - logits.logsumexp(-1)).exp()
