"""What a forward pass gives for one item, and how it is read: the part of SenseVoice that does not depend on what runs the model."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np
import numpy.typing as npt

from streamer.core.events import LANGUAGES, SAMPLE_RATE, Capabilities, Failed, Hypothesis, Job, JobKind, ModelInfo, Scores, Token
from streamer.engine import BatchLimits, WarmUp
from streamer.engine.ctc import PROMPT_ROWS, collapse, label_scores, text_of
from streamer.engine.frontend import Layout, row_count
from streamer.engine.vocabulary import Vocabulary

LANGUAGE_PROMPTS: Final = {"auto": 0, "zh": 3, "en": 4, "yue": 7, "ja": 11, "ko": 12, "nospeech": 13}
EVENT_PROMPT: Final = 1
EMOTION_PROMPT: Final = 2
ITN_PROMPTS: Final = {True: 14, False: 15}
"""Rows of the model's prompt embedding, by upstream's choice."""

BUCKETS_S: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
# On a CPU four items of 1 s cost 2.6 times one, of 3 s 2.9 times, of 10 s 4 times: only short ones gain, and long batches make others wait.
CPU_LIMITS: Final = BatchLimits(max_items=4, max_audio_s=12.0, buckets_s=BUCKETS_S)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What came back from the device for one item: best id and probability ``[rows]``, tag logits ``[prompt rows, tags]``."""

    ids: npt.NDArray[np.int64]
    p: npt.NDArray[np.float32]
    tags: npt.NDArray[np.float32]

    def finite(self) -> bool:
        return bool(np.isfinite(self.p).all() and np.isfinite(self.tags).all())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unread(Hypothesis):
    """A hypothesis whose rows another process will read: reading costs as much Python as all else that a job needs."""

    rows: Rows
    tokens: tuple[Token, ...] = ()
    raw_text: str = ""


def prompts(jobs: Sequence[Job]) -> npt.NDArray[np.int64]:
    """The prompt of each job ``[batch, PROMPT_ROWS]``; upstream reads a language that it does not know as ``auto``, and so do we."""
    rows = [(LANGUAGE_PROMPTS.get(job.language, 0), EVENT_PROMPT, EMOTION_PROMPT, ITN_PROMPTS[job.itn]) for job in jobs]
    return np.array(rows, np.int64)


class Reader:
    """Reads the rows of a model with this vocabulary, whose weights lie in ``folder``."""

    def __init__(self, vocabulary: Vocabulary, folder: Path) -> None:
        self._vocabulary, self.folder = vocabulary, folder
        self.postponed = False
        """Whether another process, with a reader of the same folder, will read what this one answers."""
        self._labels = (vocabulary.languages, vocabulary.emotions, vocabulary.events, vocabulary.itn)  # of the prompt rows, in order

    @property
    def tags(self) -> tuple[int, ...]:
        """Ids of the tags, in the order in which ``Rows.tags`` holds their logits."""
        return tuple(id for labels in self._labels for id in labels.values())

    @property
    def capabilities(self) -> Capabilities:
        languages, emotions, events, itn = self._labels
        return Capabilities(
            languages=tuple(code for code in LANGUAGES if code in languages),
            emotion=bool(emotions),
            events=bool(events),
            itn=bool(itn),
            hotwords=False,
            word_times="aligned",
            confidence=True,
        )

    def answer(self, job: Job, rows: Rows, *, queue_ms: float = 0.0, decode_ms: float = 0.0) -> Hypothesis | Failed:
        """The times are for the hypothesis to carry."""
        if self.postponed:
            return Unread(job=job, rows=rows)
        if not rows.finite():
            seconds = len(job.samples) / SAMPLE_RATE
            return Failed(
                job,
                f"The model gave scores that are no numbers for {seconds:.2f} s of audio in language {job.language!r}; expected finite "
                f"ones. The weights in {self.folder} may be damaged: verify them with `streamer models verify`.",
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
            queue_ms=queue_ms,
            decode_ms=decode_ms,
        )

    def _scores(self, tags: npt.NDArray[np.float32]) -> list[Scores | None]:
        scores: list[Scores | None] = []
        at = 0
        for logits, labels in zip(tags.tolist(), self._labels, strict=True):
            scores.append(label_scores(logits[at : at + len(labels)], list(labels)) if labels else None)
            at += len(labels)
        return scores


class RowEngine(ABC):
    """What engines share whose answers are read from rows."""

    def __init__(self, reader: Reader, limits: BatchLimits, *, name: str, device: str, notice: str | None) -> None:
        self.reader = reader
        self._limits = limits
        self._info = ModelInfo(name=name, device=device, capabilities=reader.capabilities, notice=notice)

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def batch_limits(self) -> BatchLimits:
        return self._limits

    @abstractmethod
    def rows(self, jobs: Sequence[Job]) -> list[Rows]:
        """One forward pass, in which no item sees another."""

    @abstractmethod
    def close(self) -> None:
        """Free the device."""

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis | Failed]:
        return [self.reader.answer(job, item) for job, item in zip(jobs, self.rows(jobs), strict=True)] if jobs else []

    def warm_up(self) -> WarmUp:
        """Decode noise at every bucket's upper edge, alone and in the largest batch that the limits allow."""
        limits = self._limits
        lengths_s = limits.buckets_s or BUCKETS_S
        noise = np.random.default_rng(0).integers(-1000, 1000, int(lengths_s[-1] * SAMPLE_RATE), np.int16)
        began, forwards = perf_counter(), []
        for seconds in lengths_s:
            samples = noise[: int(seconds * SAMPLE_RATE)]
            job = Job(session="", channel=0, segment=0, kind=JobKind.FINAL, begin=0, end=len(samples), samples=samples)
            largest = max(1, min(limits.max_items, int(limits.max_audio_s / seconds)))
            for batch in sorted({1, largest}):
                before = perf_counter()
                self.transcribe([job] * batch)
                forwards.append((batch, seconds, (perf_counter() - before) * 1000))
        return WarmUp(seconds=perf_counter() - began, forwards=tuple(forwards))


def most_rows(limits: BatchLimits, layout: Layout) -> int:
    """Rows of the largest batch that the limits allow, prompt rows included."""
    return row_count(int(limits.max_audio_s * SAMPLE_RATE), layout) + limits.max_items * (PROMPT_ROWS + 1)
