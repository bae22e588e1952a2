"""Where a process's CPU time goes: by room, sampled on the event loop's thread, and by clock for the threads beside it."""

import signal
import time
from collections import Counter
from collections.abc import Sequence
from types import FrameType
from typing import Final

from streamer.core.events import SAMPLE_RATE, Failed, Hypothesis, Job, ModelInfo
from streamer.engine import BatchLimits, Engine, WarmUp
from streamer.vad import Judge, Probabilities, Request, Stream

SAMPLE_S: Final = 0.002  # of CPU time
ROOMS: Final = (  # the innermost frame that lies in one of these decides
    ("/streamer/core/audio.py", "decode and keep"),
    ("/streamer/core/", "session"),
    ("/streamer/wires/", "encode"),
    ("/streamer/judging.py", "around the judge"),
    ("/streamer/runner.py", "session"),
    ("/streamer/vad/", "detector"),
    ("/streamer/engine/", "around the engine"),
    ("/streamer/metrics.py", "metrics"),
    ("/prometheus_client/", "metrics"),
    ("/streamer/connection.py", "connection"),
    ("/websockets/", "websockets"),
)
REST: Final = "loop and system calls"


class Profile:
    """CPU seconds of the main thread by room. Signals come by the process's CPU clock; the thread's own clock says what each is worth."""

    def __init__(self) -> None:
        self.rooms: Counter[str] = Counter()
        self._last = 0.0

    def start(self) -> None:
        self._last = time.thread_time()
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_S, SAMPLE_S)

    def _sample(self, number: int, frame: FrameType | None) -> None:
        now = time.thread_time()
        self.rooms[_room(frame)] += now - self._last  # type: ignore[assignment]
        self._last = now


def _room(frame: FrameType | None) -> str:
    while frame:
        name = frame.f_code.co_filename
        for part, room in ROOMS:
            if part in name:
                return room
        frame = frame.f_back
    return REST


class TimedJudge:
    """A judge, how much it has judged, and the CPU seconds it took in threads of its own."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.seconds = self.audio_s = 0.0

    @property
    def frame_samples(self) -> int:
        return self._judge.frame_samples

    @property
    def brief(self) -> bool:
        return self._judge.brief

    def open(self, channels: int) -> Stream:
        return self._judge.open(channels)

    def judge_many(self, requests: Sequence[Request]) -> list[Probabilities]:
        began = time.thread_time()
        answers = self._judge.judge_many(requests)
        if not self.brief:  # or the loop's own clock has it
            self.seconds += time.thread_time() - began
        self.audio_s += sum(samples.shape[1] for _, samples in requests) / SAMPLE_RATE
        return answers


class TimedEngine:
    """An engine, and the CPU seconds it took."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.seconds = 0.0

    @property
    def info(self) -> ModelInfo:
        return self._engine.info

    @property
    def batch_limits(self) -> BatchLimits:
        return self._engine.batch_limits

    def warm_up(self) -> WarmUp:
        return self._engine.warm_up()

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis | Failed]:
        began = time.thread_time()
        answers = self._engine.transcribe(jobs)
        self.seconds += time.thread_time() - began
        return answers

    def close(self) -> None:
        self._engine.close()
