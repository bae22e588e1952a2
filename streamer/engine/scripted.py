"""A deterministic engine for tests and load tests: it hears what the samples say, and can be told to be slow or to fail."""

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from streamer.core.events import SAMPLE_RATE, Capabilities, Failed, Hypothesis, Job, ModelInfo, Token
from streamer.core.richtext import EMOTION_TAGS, EVENT_TAGS
from streamer.engine import BatchLimits, WarmUp

WORD_SAMPLES: Final = SAMPLE_RATE // 4  # one word for each quarter of a second
WORDS: Final = "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa".split()
LANGUAGES: Final = ("zh", "en", "yue", "ja", "ko", "nospeech")


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How the engine behaves. ``cost`` is seconds for a batch, spent by ``sleep``."""

    cost: Callable[[Sequence[Job]], float] = lambda jobs: 0.0
    sleep: Callable[[float], None] = lambda seconds: None
    fails: Callable[[Job], str | None] = lambda job: None
    """A reason makes that item fail, alone."""
    raises: Callable[[Sequence[Job]], Exception | None] = lambda jobs: None
    """An exception sinks the whole batch."""
    limits: BatchLimits = BatchLimits(max_items=16, max_audio_s=240.0, buckets_s=(1.0, 2.0, 4.0, 8.0, 16.0, 32.0))


class Scripted:
    """Says one word for each quarter of a second, chosen by the samples in it."""

    def __init__(self, script: Script | None = None) -> None:
        self._script = script or Script()

    @property
    def info(self) -> ModelInfo:
        can = Capabilities(
            languages=LANGUAGES[:-1], emotion=True, events=True, itn=True, hotwords=False, word_times="aligned", confidence=True
        )
        return ModelInfo(name="scripted", device="cpu", capabilities=can, notice="This is the test engine: its words are made up.")

    @property
    def batch_limits(self) -> BatchLimits:
        return self._script.limits

    def warm_up(self) -> WarmUp:
        return WarmUp(seconds=0.0, forwards=((1, 1.0, 0.0),))

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis | Failed]:
        self._script.sleep(self._script.cost(jobs))
        error = self._script.raises(jobs)
        if error is not None:
            raise error
        return [Failed(job, reason) if (reason := self._script.fails(job)) else heard(job) for job in jobs]

    def close(self) -> None:
        """Nothing to free."""


def heard(job: Job) -> Hypothesis:
    """What this engine hears in a job: a function of its samples, language and ITN setting."""
    tokens = []
    for begin in range(0, len(job.samples) - WORD_SAMPLES + 1, WORD_SAMPLES):
        number = zlib.crc32(job.samples[begin : begin + WORD_SAMPLES].tobytes())
        tokens.append(Token(id=number, text=" " + WORDS[number % len(WORDS)], begin=begin, end=begin + WORD_SAMPLES, p=0.9))
    language = "en" if job.language == "auto" else job.language
    itn = "withitn" if job.itn else "woitn"
    text = "".join(token.text for token in tokens).strip()
    return Hypothesis(
        job=job,
        tokens=tuple(tokens),
        raw_text=f"<|{language}|><|NEUTRAL|><|Speech|><|{itn}|>{text}",
        language=_scores(LANGUAGES, language),
        emotion=_scores(EMOTION_TAGS.values(), "neutral"),
        event=_scores(EVENT_TAGS.values(), "speech"),
        itn=_scores(("withitn", "woitn"), itn),
    )


def _scores(labels: Iterable[str], best: str) -> dict[str, float]:
    names = tuple(labels)
    return {name: 0.9 if name == best else 0.1 / (len(names) - 1) for name in names}
