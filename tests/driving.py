"""Drives sessions without a socket, a thread or a clock: effects are performed here, the engine's answers come when a test says."""

from collections import deque

import numpy as np

from streamer.core.events import (
    Audio,
    AudioFormat,
    Capabilities,
    Close,
    Connected,
    Discard,
    Dropped,
    Final,
    JobKind,
    Judge,
    Judged,
    ModelInfo,
    Partial,
    Promote,
    Send,
    SessionInfo,
    Settings,
    Start,
    Stop,
    Submit,
)
from streamer.core.session import Session
from streamer.engine.scripted import Scripted, heard

FRAME = 320
CAPABLE = Scripted().info
PLAIN = ModelInfo(
    name="plain",
    device="cpu",
    capabilities=Capabilities(
        languages=("en",), emotion=False, events=False, itn=False, hotwords=False, word_times="estimated", confidence=False
    ),
    notice="only English",
)


def info(session_id="s", model=CAPABLE):
    return SessionInfo(session_id=session_id, server="streamer", model=model, frame_samples=FRAME, limits={"idle_timeout_s": 60})


def judgement(samples):
    """A judge that hears what is loud: ``[channels, frames * FRAME]`` to ``[frames][channels]``."""
    frames = np.abs(samples.reshape(len(samples), -1, FRAME).astype(np.int32)).max(axis=2).T
    return tuple(tuple(1.0 if value > 500 else 0.0 for value in row) for row in frames)


def speech(script, seed=0, unit_ms=20):
    """One channel of int16 audio from ``#`` (noise at speech level) and ``.`` (near silence), ``unit_ms`` each."""
    rng = np.random.default_rng(seed)
    unit = 16 * unit_ms
    parts = [rng.integers(-8000, 8000, unit) if mark == "#" else rng.integers(-20, 20, unit) for mark in script]
    return np.concatenate(parts).astype(np.int16) if parts else np.zeros(0, np.int16)


class Driver:
    """One session. ``lag`` jobs wait before the oldest is answered; ``answer`` turns a job into its answer."""

    def __init__(self, *, lag=0, answer=heard, model=CAPABLE, session_id="s", judge_late=False):
        self.session = Session(info(session_id, model))
        self.sent, self.jobs, self.closed = [], deque(), None
        self.submitted, self.effects = [], []
        self.lag, self.answer = lag, answer
        self.judge_late, self.unjudged = judge_late, deque()
        self.receive(Connected())

    def start(self, settings=None, **audio_format):
        self.receive(Start(AudioFormat(**audio_format), settings or Settings()))
        return self

    def receive(self, event):
        for effect in self.session.receive(event):
            self.effects.append(effect)
            self._perform(effect)
        while len(self.jobs) > self.lag:
            self.answer_next()

    def _perform(self, effect):
        match effect:
            case Judge(samples) if self.judge_late:
                self.unjudged.append(samples)
            case Judge(samples):
                self.receive(Judged(judgement(samples)))
            case Submit(job):
                self.submitted.append(job)
                self.jobs.append(job)
            case Promote():
                pass
            case Discard(segment):
                promoted = [e.segment for e in self.effects if isinstance(e, Promote)]
                for job in [job for job in self.jobs if job.segment == segment and job.kind is not JobKind.FINAL]:
                    if job.kind is JobKind.SPECULATIVE and segment in promoted:
                        continue
                    if job not in self.jobs:  # answered meanwhile
                        continue
                    self.jobs.remove(job)
                    self.receive(Dropped(job))
            case Send(message):
                self.sent.append(message)
            case Close(code, reason):
                self.closed = (code, reason)

    def answer_next(self):
        self.receive(self.answer(self.jobs.popleft()))

    def judge_all(self):
        while self.unjudged:
            self.receive(Judged(judgement(self.unjudged.popleft())))

    def hear(self, samples, cuts=()):
        data = samples.tobytes()
        edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
        for begin, end in zip(edges, edges[1:], strict=False):
            self.receive(Audio(data[begin:end]))
        return self

    def stop(self):
        self.receive(Stop())
        return self.drain()

    def drain(self):
        self.judge_all()
        while self.jobs:
            self.answer_next()
        return self

    def of(self, kind):
        return [message for message in self.sent if isinstance(message, kind)]

    @property
    def finals(self):
        return self.of(Final)

    @property
    def partials(self):
        return self.of(Partial)
