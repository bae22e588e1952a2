"""Upstream's own answer to one utterance alone, and how our rows compare with it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from streamer.core.events import Samples
from streamer.engine.rows import Rows

TIE = 1e-4
"""Two best logits closer than this may fall either way: sums of float32 depend on the order in which a batch's shape adds them up."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Best id of each row, by how much it leads the second, the text, and for words with times ``[begin_ms, end_ms]`` each."""

    ids: np.ndarray
    leads: np.ndarray
    text: str
    words: list[str] | None
    times_ms: list[list[int]] | None


class Upstream:
    """``funasr.AutoModel`` on a checkpoint folder, with dither off, without its progress bars and its look for updates."""

    def __init__(self, folder: Path) -> None:
        from funasr import AutoModel

        self.auto = AutoModel(
            model=str(folder),
            device="cpu",
            ncpu=torch.get_num_threads(),
            frontend_conf={"dither": 0.0},
            disable_update=True,
            disable_pbar=True,
            log_level="ERROR",
        )
        self._logits: list[torch.Tensor] = []
        self.auto.model.ctc.ctc_lo.register_forward_hook(lambda module, given, logits: self._logits.append(logits))

    @property
    def frontend(self):
        return self.auto.kwargs["frontend"]

    @property
    def tokenizer(self):
        return self.auto.kwargs["tokenizer"]

    def generate(self, samples: Samples, *, language: str = "auto", itn: bool = True, times: bool = False) -> Answer:
        self._logits.clear()
        found = self.auto.generate(
            input=samples.astype(np.float32) / 32768, language=language, use_itn=itn, output_timestamp=times, batch_size=1
        )[0]
        best = self._logits[0][0].topk(2)  # [rows, 2]
        return Answer(
            ids=best.indices[:, 0].numpy(),
            leads=(best.values[:, 0] - best.values[:, 1]).numpy(),
            text=found["text"],
            words=found.get("words"),
            times_ms=found.get("timestamp"),
        )


def excused(answer: Answer, rows: Rows) -> int:
    """How many of our rows differ from upstream's; each of them must be a tie."""
    assert len(rows.ids) == len(answer.ids)
    differ = rows.ids != answer.ids
    assert (answer.leads[differ] < TIE).all(), f"rows {np.flatnonzero(differ)} differ where the best leads by {answer.leads[differ]}"
    return int(differ.sum())
