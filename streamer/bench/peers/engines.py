"""Engines by turns on the same segments, as batches that nobody waits for: how long each takes, and whether they say the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final, Protocol

import numpy as np

from streamer.bench.cpu import CLOCKS, Clocks
from streamer.bench.text import distance
from streamer.core.events import SAMPLE_RATE, Failed, Job, JobKind, Samples
from streamer.engine import Engine
from streamer.engine.queue import JobQueue

LENGTHS_S: Final = (2.0, 5.0, 10.0)


class Contender(Protocol):
    """Raw texts of segments, in their order. ``exact`` asks for the same text every time, where that is a choice."""

    def __call__(self, segments: Sequence[Samples], *, exact: bool = False) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Ours:
    """Our engine in the batches that the scheduler's queue would make of as many clients' finals."""

    engine: Engine

    def __call__(self, segments: Sequence[Samples], *, exact: bool = False) -> list[str]:
        queue = JobQueue(self.engine.batch_limits)
        for number, samples in enumerate(segments):
            length = len(samples)
            queue.put(Job(session=f"{number}", channel=0, segment=0, kind=JobKind.FINAL, begin=0, end=length, samples=samples), 0.0)
        texts = [""] * len(segments)
        while batch := queue.take():
            for answer in self.engine.transcribe([entry.job for entry in batch]):
                assert not isinstance(answer, Failed), answer.reason
                texts[int(answer.job.session)] = answer.raw_text
        return texts


@dataclass(frozen=True, slots=True)
class Upstream:
    """``AutoModel.generate`` as its documentation says for segments that are already cut: without VAD, with ``batch_size``."""

    model: Any
    batch_size: int

    def __call__(self, segments: Sequence[Samples], *, exact: bool = False) -> list[str]:
        frontend = self.model.kwargs["frontend"]
        dither, frontend.dither = frontend.dither, 0.0 if exact else frontend.dither
        audio = [samples.astype(np.float32) / 32768 for samples in segments]
        asked = {"cache": {}, "language": "auto", "use_itn": True, "batch_size": self.batch_size}
        try:
            if self.batch_size == 1:
                return [self.model.generate(input=one, **asked)[0]["text"] for one in audio]
            return [answer["text"] for answer in self.model.generate(input=audio, **asked)]
        finally:
            frontend.dither = dither


def load_upstream(folder: Path, device: str, threads: int) -> Any:
    """funasr's ``AutoModel`` on the folder, without its progress bars and its look for updates, and otherwise as it comes."""
    from funasr import AutoModel

    model = AutoModel(model=str(folder), device=device, ncpu=threads, disable_update=True, disable_pbar=True, log_level="ERROR")
    model.generate(input=np.zeros(SAMPLE_RATE, np.float32), cache={})  # the first call replaces its frontend
    return model


def segments_of(speech: Samples, count: int, lengths_s: Sequence[float] = LENGTHS_S) -> list[Samples]:
    """So many pieces of the speech, the lengths mixed as they come from people, none like another."""
    lengths = np.random.default_rng(0).choice(np.array(lengths_s), count)
    found = []
    for number, length_s in enumerate(lengths):
        length = int(length_s * SAMPLE_RATE)
        begin = number * 33_333 % max(1, len(speech) - length)
        found.append(np.resize(speech[begin:], length))
    return found


def compare(
    contenders: Mapping[str, Contender],
    segments: Sequence[Samples],
    turns: int,
    clocks: Clocks = CLOCKS,
    told: Callable[[str], None] = lambda sentence: None,
) -> list[dict[str, Any]]:
    """A row each: audio seconds per second and per processor second, and by the median turn how many times as long as the first it took."""
    first = next(iter(contenders))
    seconds = sum(map(len, segments)) / SAMPLE_RATE
    texts = {name: contender(segments, exact=True) for name, contender in contenders.items()}  # which warms them up
    spent: dict[str, list[tuple[float, ...]]] = {name: [] for name in contenders}
    for turn in range(turns):
        for name, contender in contenders.items():
            before = [clock() for clock in clocks]
            contender(segments)
            spent[name].append(tuple(clock() - began for clock, began in zip(clocks, before, strict=True)))
            told(f"turn {turn + 1} of {turns}: {name} took {spent[name][-1][1]:.2f} s")
    return [
        {
            "engine": name,
            "audio_s_per_s": round(seconds / min(wall for _, wall in spent[name]), 1),
            "audio_s_per_cpu_s": round(seconds / min(cpu for cpu, _ in spent[name]), 1),
            "times_as_long": _ratio(spent, name, first, 1),
            "times_the_cpu": _ratio(spent, name, first, 0),
            "same_text": round(agreement(texts[first], texts[name]), 5),
        }
        for name in contenders
    ]


def agreement(some: Sequence[str], others: Sequence[str]) -> float:
    """Share of the first ones' characters that the others have too, by edit distance."""
    characters = sum(map(len, some))
    edits = sum(0 if one == other else distance(one, other) for one, other in zip(some, others, strict=True))
    return 1 - edits / characters if characters else 1.0


def _ratio(spent: Mapping[str, Sequence[tuple[float, ...]]], name: str, first: str, clock: int) -> float:
    return round(median(theirs[clock] / ours[clock] for theirs, ours in zip(spent[name], spent[first], strict=True)), 2)
