"""SenseVoiceSmall on torch: one forward pass answers a batch of jobs of mixed languages and ITN settings.

The scheduler's thread goes: features of the whole batch on the device, four prompt rows before each item, encoder, and of the
logits only each row's best id, its probability, and the few logits of the tags come back. The logits of the whole vocabulary never
leave the device, and exist for ``ROWS_AT_ONCE`` rows at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from streamer.core.events import (
    LANGUAGES,
    SAMPLE_RATE,
    Capabilities,
    Failed,
    Hypothesis,
    Job,
    JobKind,
    ModelInfo,
    Scores,
)
from streamer.engine import BatchLimits, WarmUp
from streamer.engine.checkpoint import load
from streamer.engine.ctc import PROMPT_ROWS, collapse, label_scores, text_of
from streamer.engine.device import choose_device
from streamer.engine.frontend import Frontend

if TYPE_CHECKING:
    import torch

ROWS_AT_ONCE: Final = 1024  # x 25,055 logits x 4 bytes = 103 MB
EVENT_AND_EMOTION_PROMPT: Final = (1, 2)  # rows of the prompt embedding, the same for every item

BUCKETS_S: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
# On a CPU four items of 1 s cost 2.6 times one, of 3 s 2.9 times, of 10 s 4 times: only short ones gain, and long batches make others wait.
CPU_LIMITS: Final = BatchLimits(max_items=4, max_audio_s=12.0, buckets_s=BUCKETS_S)
CUDA_LIMITS: Final = BatchLimits(max_items=32, max_audio_s=480.0, buckets_s=BUCKETS_S)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What came back from the device for one item: best id and probability ``[rows]``, tag logits ``[prompt rows, tags]``."""

    ids: npt.NDArray[np.int64]
    p: npt.NDArray[np.float32]
    tags: npt.NDArray[np.float32]

    def finite(self) -> bool:
        return bool(np.isfinite(self.p).all() and np.isfinite(self.tags).all())


class SenseVoice:
    """The engine of a SenseVoice checkpoint folder. ``device`` is ``auto`` (CUDA where torch has it), ``cpu``, ``cuda`` or ``cuda:N``.

    Audio shorter than 25 ms is taken as followed by silence up to 25 ms. Raises ``ModelNotFound`` or ``ModelCorrupt`` for the folder
    and ``ConfigurationError`` for the device.
    """

    def __init__(self, folder: Path, *, device: str = "auto", notice: str | None = None, batch_limits: BatchLimits | None = None) -> None:
        import torch

        self._device = choose_device(device)
        checkpoint = load(folder, self._device)
        self._folder = folder
        self._model = checkpoint.model
        self._vocabulary = vocabulary = checkpoint.vocabulary
        self._frontend = Frontend(checkpoint.cmvn, checkpoint.layout, self._device)
        self._labels = (vocabulary.languages, vocabulary.emotions, vocabulary.events, vocabulary.itn)  # of the prompt rows, in order
        tags = torch.tensor([id for labels in self._labels for id in labels.values()], device=self._device)
        output = self._model.ctc.ctc_lo
        self._tag_weight, self._tag_bias = output.weight[tags], output.bias[tags]
        self._limits = batch_limits or (CUDA_LIMITS if self._device.type == "cuda" else CPU_LIMITS)
        self._info = ModelInfo(
            name=checkpoint.name,
            device=str(self._device),
            notice=notice,
            capabilities=Capabilities(
                languages=tuple(code for code in LANGUAGES if code in vocabulary.languages),
                emotion=bool(vocabulary.emotions),
                events=bool(vocabulary.events),
                itn=bool(vocabulary.itn),
                hotwords=False,
                word_times="aligned",
                confidence=True,
            ),
        )

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def batch_limits(self) -> BatchLimits:
        return self._limits

    def warm_up(self) -> WarmUp:
        """Decode noise at every bucket's upper edge, alone and in the largest batch that the limits allow."""
        noise = np.random.default_rng(0).integers(-1000, 1000, int(self._limits.buckets_s[-1] * SAMPLE_RATE), np.int16)
        began, forwards = perf_counter(), []
        for seconds in self._limits.buckets_s:
            samples = noise[: int(seconds * SAMPLE_RATE)]
            job = Job(session="", channel=0, segment=0, kind=JobKind.FINAL, begin=0, end=len(samples), samples=samples)
            largest = max(1, min(self._limits.max_items, int(self._limits.max_audio_s / seconds)))
            for batch in sorted({1, largest}):
                before = perf_counter()
                self.transcribe([job] * batch)
                forwards.append((batch, seconds, (perf_counter() - before) * 1000))
        return WarmUp(seconds=perf_counter() - began, forwards=tuple(forwards))

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis | Failed]:
        if not jobs:
            return []
        began = perf_counter()
        rows = self.rows(jobs)
        decode_ms = (perf_counter() - began) * 1000
        return [self._answer(job, item, decode_ms) for job, item in zip(jobs, rows, strict=True)]

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
            hidden, lengths = self._model.encoder(torch.cat((self._prompts(jobs), features), 1), lengths + PROMPT_ROWS)
            tags = torch.nn.functional.linear(hidden[:, :PROMPT_ROWS], self._tag_weight, self._tag_bias)
            own = torch.arange(hidden.shape[1], device=self._device) < lengths[:, None]
            best = [self._best(part) for part in hidden[own].split(ROWS_AT_ONCE)]
            ids, p = (torch.cat(part).cpu().numpy() for part in zip(*best, strict=True))
            edges = np.cumsum(lengths.cpu().numpy())[:-1]
            return [Rows(*item) for item in zip(np.split(ids, edges), np.split(p, edges), tags.cpu().numpy(), strict=True)]

    def _prompts(self, jobs: Sequence[Job]) -> "torch.Tensor":
        """``[batch, PROMPT_ROWS, features]``; upstream reads a language that it does not know as ``auto``, and so do we."""
        import torch

        model = self._model
        ids = [
            (model.lid_dict.get(job.language, 0), *EVENT_AND_EMOTION_PROMPT, model.textnorm_dict["withitn" if job.itn else "woitn"])
            for job in jobs
        ]
        prompts: torch.Tensor = model.embed(torch.tensor(ids, device=self._device))
        return prompts

    def _best(self, hidden: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
        """Encoder rows ``[rows, width]`` to each row's best id and its probability."""
        logits: Any = self._model.ctc.ctc_lo(hidden)
        best, ids = logits.max(-1)
        return ids, (best - logits.logsumexp(-1)).exp()

    def _answer(self, job: Job, rows: Rows, decode_ms: float) -> Hypothesis | Failed:
        if not rows.finite():
            seconds = len(job.samples) / SAMPLE_RATE
            return Failed(
                job,
                f"The model gave scores that are no numbers for {seconds:.2f} s of audio in language {job.language!r}; expected finite "
                f"ones. The weights in {self._folder} may be damaged: verify them with `streamer models verify`.",
            )
        runs = collapse(rows.ids, rows.p)
        language, emotion, event, itn = self._scores(rows.tags)
        return Hypothesis(
            job=job,
            tokens=self._vocabulary.tokens(text_of(runs)),
            raw_text=self._vocabulary.decode([run.id for run in runs]),
            language=language,
            emotion=emotion,
            event=event,
            itn=itn,
            decode_ms=decode_ms,
        )

    def _scores(self, tags: npt.NDArray[np.float32]) -> list[Scores | None]:
        scores: list[Scores | None] = []
        at = 0
        for row, labels in enumerate(self._labels):
            scores.append(label_scores(tags[row, at : at + len(labels)], list(labels)) if labels else None)
            at += len(labels)
        return scores
