"""The bench: every recording of a corpus through the session once, counted, and added up.

Where the label is a language that the model does not claim, the recording is streamed without partials and its text is kept out of
the overall figures: it is reported by itself.
Recordings that by their label hold no word give *non-speech*: words in finals per minute of such audio.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from streamer.bench import segmentation, stability, tags, text
from streamer.bench.ablation import AblationTally, ablate
from streamer.bench.labels import Labels
from streamer.bench.manifest import Corpus, Item
from streamer.bench.offline import decode_whole
from streamer.bench.replay import Pace, Recording, Replay, encode, received, seconds_of
from streamer.bench.segmentation import SegmentationTally
from streamer.bench.stability import StabilityTally
from streamer.bench.tags import TagTally
from streamer.bench.tally import Tally, ratio
from streamer.bench.text import TextTally
from streamer.core.events import ErrorSent, Hypothesis, Job, JobKind, Message, Samples, Settings, to_samples
from streamer.core.events import Final as FinalMessage
from streamer.engine import Engine
from streamer.errors import MediaError
from streamer.vad import Judge

MINUTE_MS: Final = 60_000


@dataclass(frozen=True)
class NonspeechTally(Tally):
    """Recordings without a word: their length, the words that came nevertheless, and how much of them lay in segments."""

    ms: int = 0
    words: int = 0
    segment_ms: int = 0

    def figures(self) -> dict[str, float | None]:
        return {"words_per_min": ratio(self.words * MINUTE_MS, self.ms), "minutes": round(self.ms / MINUTE_MS, 3)}


@dataclass(frozen=True)
class Measures(Tally):
    """All counts of one recording, or of many."""

    ms: int = 0
    segmentation: SegmentationTally = SegmentationTally()
    text: TextTally = TextTally()
    stability: StabilityTally = StabilityTally()
    nonspeech: NonspeechTally = NonspeechTally()
    tags: TagTally = TagTally()
    ablation: AblationTally = AblationTally()
    decoded_s: float = 0.0

    def figures(self) -> dict[str, object]:
        """The report's keys, for one recording or overall."""
        return {
            "vad": self.segmentation.figures(),
            "endpoint_ms": self.segmentation.endpoint_figures(),
            "text": self.text.figures(),
            "partials": self.stability.figures(),
            "nonspeech": self.nonspeech.figures(),
            "tags": self.tags.figures(),
        }


@dataclass(slots=True)
class Result:
    """What was measured, recording by recording, and what could not be."""

    files: dict[str, Measures] = field(default_factory=dict)
    foreign: dict[str, str] = field(default_factory=dict)
    """Recordings in a language that the model does not claim, and which."""
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def overall(self) -> Measures:
        return self.sum_of(self.files)

    def sum_of(self, names: Iterable[str]) -> Measures:
        """Foreign text and its flicker are left out."""
        total = Measures()
        for name in names:
            one = self.files[name]
            total += without_text(one) if name in self.foreign else one
        return total

    def sum_of_foreign(self, language: str) -> Measures:
        """All counts of the recordings in one language that is not claimed."""
        total = Measures()
        for name, code in self.foreign.items():
            if code == language:
                total += self.files[name]
        return total


def without_text(one: Measures) -> Measures:
    return Measures(ms=one.ms, segmentation=one.segmentation, nonspeech=one.nonspeech, tags=one.tags, decoded_s=one.decoded_s)


class Bench:
    """One engine and one judge, and how to stream. The engine belongs to the calling thread."""

    def __init__(self, engine: Engine, judge: Judge, *, settings: Settings, pace: Pace, with_ablation: bool = False) -> None:
        self._engine, self._pace = engine, pace
        self._replay = Replay(engine, judge, settings, pace)
        self._with_ablation = with_ablation

    def measure(self, corpus: Corpus, progress: Callable[[Item, int], None] = lambda item, ms: None) -> Result:
        """Everything in the corpus; ``progress`` is told of each recording when it is done, with its length."""
        result = Result(skipped=dict(corpus.skipped))
        for item in corpus.items:
            try:
                sound = item.load()
            except MediaError as error:
                result.failed[item.name] = str(error)
                progress(item, 0)
                continue
            if sound.warning:
                result.warnings.append(sound.warning)
            if self.is_foreign(item.labels):
                result.foreign[item.name] = item.labels.language or ""
            measures, errors = self.one(item.labels, sound.samples)
            result.warnings += [f"{item.name}: {error}" for error in errors]
            result.files[item.name] = measures
            progress(item, measures.ms)
        return result

    def is_foreign(self, labels: Labels) -> bool:
        return labels.language is not None and labels.language not in self._engine.info.capabilities.languages

    def one(self, labels: Labels, samples: Samples) -> tuple[Measures, list[str]]:
        """Stream int16 ``[channels, n]`` and count; with what the session complained of."""
        audio_format, data = encode(samples, self._pace)
        recording = self._replay.run(audio_format, data, partials=not self.is_foreign(labels))
        heard = received(audio_format, data)
        measures = Measures(
            ms=recording.duration_ms,
            segmentation=segmentation.compare(recording, labels.speech) if labels.speech is not None else SegmentationTally(),
            text=self._text(labels, recording, heard),
            stability=self._stability(labels, recording),
            nonspeech=_nonspeech(recording) if labels.nonspeech else NonspeechTally(),
            tags=self._tags(labels, [message for _, message in recording.messages]),
            ablation=self._ablation(recording, heard),
            decoded_s=seconds_of([answer.job for _, answer in recording.answers]),
        )
        return measures, [error.message for _, error in recording.of(ErrorSent)]

    def _text(self, labels: Labels, recording: Recording, heard: Samples) -> TextTally:
        if labels.text is None or labels.language is None:
            return TextTally()
        streamed = " ".join(final.text for _, final in recording.of(FinalMessage))
        return text.compare(labels.text, streamed, decode_whole(self._engine, heard[0]), labels.language)

    def _stability(self, labels: Labels, recording: Recording) -> StabilityTally:
        if labels.nonspeech:
            return StabilityTally()
        firsts = stability.first_partials(recording, labels.speech) if labels.speech else ()
        return stability.flicker(stability.texts_of(recording)) + StabilityTally(firsts=firsts)

    def _tags(self, labels: Labels, messages: list[Message]) -> TagTally:
        can = self._engine.info.capabilities
        tally = TagTally()
        if labels.text and labels.language and len(can.languages) > 1 and not self.is_foreign(labels):
            tally += TagTally(language=((labels.language, tags.heard_language(messages)),))
        if labels.emotion and can.emotion:
            tally += TagTally(emotion=((labels.emotion, tags.heard_emotion(messages)),))
        if labels.events and can.events:
            tally += TagTally(event=(("+".join(sorted(labels.events)), tags.heard_event(messages)),))
        return tally

    def _ablation(self, recording: Recording, heard: Samples) -> AblationTally:
        if not self._with_ablation:
            return AblationTally()

        def whole(job: Job, begin_ms: int) -> Hypothesis | None:
            begin = to_samples(begin_ms)
            samples = np.ascontiguousarray(heard[job.channel, begin : job.end])
            [answer] = self._engine.transcribe(
                [
                    Job(
                        session="bench",
                        channel=job.channel,
                        segment=job.segment,
                        kind=JobKind.PARTIAL,
                        begin=begin,
                        end=job.end,
                        samples=samples,
                    )
                ]
            )
            return answer if isinstance(answer, Hypothesis) else None

        return ablate(recording, self._pace.latency_ms, whole)


def _nonspeech(recording: Recording) -> NonspeechTally:
    return NonspeechTally(
        ms=recording.duration_ms,
        words=sum(text.spoken_words(final.text) for _, final in recording.of(FinalMessage)),
        segment_ms=sum(segment.end - segment.begin for segment in segmentation.segments_of(recording)),
    )
