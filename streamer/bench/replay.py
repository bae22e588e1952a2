"""A recording through the real session without a socket, a thread or a clock: the only time is that of the audio.

Audio comes in chunks, each when its last sample would have been spoken. The judge answers at once. The engine answers a job
``latency_ms`` after it was asked, whatever the decode costs here, so two replays of the same audio give the same messages at the same
times. A job that the session discards before that is dropped, as the scheduler drops what is queued.
"""

import heapq
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import numpy as np

from streamer import __version__
from streamer.bench.telephone import to_mulaw
from streamer.core.audio import PcmDecoder
from streamer.core.events import (
    SAMPLE_RATE,
    SAMPLES_PER_MS,
    Audio,
    AudioFormat,
    Close,
    Connected,
    Discard,
    Dropped,
    Encoding,
    Hypothesis,
    Input,
    Job,
    JobKind,
    Judge,
    Judged,
    Message,
    Promote,
    Samples,
    Send,
    SessionInfo,
    Settings,
    Start,
    Stop,
    Submit,
)
from streamer.core.session import Session
from streamer.engine import Engine
from streamer.vad import Judge as FrameJudge

Sent = TypeVar("Sent", bound=Message)

TELEPHONE: Final = (Encoding.MULAW, 8_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the audio comes, and how long the engine takes."""

    chunk_ms: int = 100
    latency_ms: int = 100
    telephone: bool = False
    """Send 8 kHz mu-law, which the session's own decoder turns back to 16 kHz."""


@dataclass(slots=True, kw_only=True)
class Recording:
    """What one replay gave. Times are milliseconds of audio since its beginning."""

    duration_ms: int
    frame_ms: float
    messages: list[tuple[float, Message]] = field(default_factory=list)
    probabilities: list[tuple[float, ...]] = field(default_factory=list)
    """The judge's, ``[frames][channels]``."""
    answers: list[tuple[float, Hypothesis]] = field(default_factory=list)
    asked: list[Job] = field(default_factory=list)
    """Every job that was submitted, in order; those in ``answers`` were decoded."""

    def of(self, kind: type[Sent]) -> list[tuple[float, Sent]]:
        return [(at, message) for at, message in self.messages if isinstance(message, kind)]


def encode(samples: Samples, pace: Pace) -> tuple[AudioFormat, bytes]:
    """What a client would send of int16 ``[channels, n]`` at 16 kHz."""
    if not pace.telephone:
        return AudioFormat(channels=len(samples)), samples.T.tobytes()
    encoding, rate = TELEPHONE
    return AudioFormat(encoding=encoding, sample_rate=rate, channels=len(samples)), to_mulaw(samples, rate)


def received(audio_format: AudioFormat, data: bytes) -> Samples:
    """What the session makes of it, int16 ``[heard_channels, n]`` at 16 kHz."""
    decoder = PcmDecoder(audio_format)
    return np.concatenate((decoder.decode(data), decoder.finish()), axis=1)


class Replay:
    """One recording at a time. The engine belongs to the calling thread."""

    def __init__(self, engine: Engine, judge: FrameJudge, settings: Settings, pace: Pace) -> None:
        self._engine, self._judge = engine, judge
        self._settings, self._pace = settings, pace

    def run(self, audio_format: AudioFormat, data: bytes, *, partials: bool = True) -> Recording:
        """Stream ``data`` from start to stop."""
        settings = replace(self._settings, partials=self._settings.partials and partials)
        return _Run(self._engine, self._judge, self._pace).run(audio_format, data, settings)


class _Run:
    """The one session of a replay, and its clock."""

    def __init__(self, engine: Engine, judge: FrameJudge, pace: Pace) -> None:
        self._engine, self._judge, self._pace = engine, judge, pace
        self._now = 0.0
        self._due: list[tuple[float, int, Job]] = []
        self._promoted: set[int] = set()

    def run(self, audio_format: AudioFormat, data: bytes, settings: Settings) -> Recording:
        frame_bytes = {Encoding.PCM_S16LE: 2, Encoding.MULAW: 1}[audio_format.encoding] * audio_format.channels
        rate = audio_format.sample_rate
        self._recording = Recording(
            duration_ms=len(data) // frame_bytes * 1000 // rate, frame_ms=self._judge.frame_samples / SAMPLES_PER_MS
        )
        self._stream = self._judge.open(audio_format.heard_channels)
        self._session = Session(
            SessionInfo(
                session_id="bench", server=f"streamer {__version__}", model=self._engine.info, frame_samples=self._judge.frame_samples
            )
        )
        self._receive(Connected())
        self._receive(Start(audio_format, settings))
        chunk = self._pace.chunk_ms * rate // 1000 * frame_bytes
        for begin in range(0, len(data), chunk):
            spoken = min(begin + chunk, len(data)) // frame_bytes * 1000 / rate
            self._answer(until=spoken)
            self._now = spoken
            self._receive(Audio(data[begin : begin + chunk]))
        self._receive(Stop())
        self._answer(until=float("inf"))
        return self._recording

    def _receive(self, event: Input) -> None:
        for effect in self._session.receive(event):
            match effect:
                case Judge(samples):
                    probabilities = self._stream.judge(samples)
                    self._recording.probabilities += probabilities
                    self._receive(Judged(probabilities))
                case Submit(job):
                    self._recording.asked.append(job)
                    heapq.heappush(self._due, (self._now + self._pace.latency_ms, len(self._recording.asked), job))
                case Promote(segment):
                    self._promoted.add(segment)
                case Discard(segment):
                    self._discard(segment)
                case Send(message):
                    self._recording.messages.append((self._now, message))
                case Close():
                    pass

    def _discard(self, segment: int) -> None:
        def forgotten(job: Job) -> bool:
            kept = (JobKind.FINAL, JobKind.SPECULATIVE) if segment in self._promoted else (JobKind.FINAL,)
            return job.segment == segment and job.kind not in kept

        dropped = [job for _, _, job in self._due if forgotten(job)]
        self._due = [due for due in self._due if not forgotten(due[2])]
        heapq.heapify(self._due)
        for job in dropped:
            self._receive(Dropped(job))

    def _answer(self, until: float) -> None:
        """Decode what is due; an answer that is due with a chunk comes before it."""
        while self._due and self._due[0][0] <= until:
            self._now, _, job = heapq.heappop(self._due)
            [answer] = self._engine.transcribe([job])
            if isinstance(answer, Hypothesis):
                answer = replace(answer, queue_ms=0.0, decode_ms=float(self._pace.latency_ms))
                self._recording.answers.append((self._now, answer))
            self._receive(answer)


def seconds_of(jobs: list[Job]) -> float:
    """Audio in these jobs."""
    return sum(len(job.samples) for job in jobs) / SAMPLE_RATE
