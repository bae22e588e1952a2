"""Frames before the judge and answers back: at once for one session, or many sessions in one call.

A call for many costs a third of as many calls for one (docs/quality.md), so the sessions of a server share a turn: what came since the
last turn goes to the judge together, off the event loop, at most every ``TURN_S``. Whoever is alone waits for nobody. A turn is bounded,
and who brings much at once gets it judged over several turns, so that the others need not wait for it.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Protocol

import numpy as np

from streamer.core.events import Samples
from streamer.vad import Judge, Probabilities, Request, Stream

logger: Final = logging.getLogger(__name__)

TURN_S: Final = 0.01, 0.04  # between the begins of two turns, at the least and at the most, by how many sessions are in a turn:
TURN_S_A_LINE: Final = 0.0004  # what a turn costs a session hardly grows with what it brings, so a hundred wait for two chunks of 20 ms
TURN_FRAMES: Final = 512  # frames of one channel in a turn, some 40 ms of work; what waits beyond them takes the next turn
CORES_A_THREAD: Final = 4  # a thread serves some 400 speakers, and the model and the sockets want the other cores
LINE_FRAMES: Final = 16  # frames of one line in a turn, half a second of Silero's

Answered = Callable[[Probabilities], None]
Failed = Callable[[BaseException], None]


class Line(Protocol):
    """One session's way to the judge. Answers come in the order of the frames, not always as many at a time as were asked."""

    def ask(self, samples: Samples) -> None:
        """Have int16 ``[channels, frames * frame_samples]`` judged."""

    def close(self) -> None:
        """Nobody waits for answers any more."""


class Judging(Protocol):
    """What a session is judged by."""

    @property
    def frame_samples(self) -> int: ...

    def soon(self, work: Callable[[], None]) -> None:
        """Do this right before the next turn, so that what it asks is in it."""

    def open(self, channels: int, answered: Answered, failed: Failed) -> Line:
        """A line whose frames are answered through ``answered``, until a fault of the judge, told through ``failed``, ends it."""


class Inline:
    """Judges at once, where it was asked: for a session that has its judge to itself."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    @property
    def frame_samples(self) -> int:
        return self._judge.frame_samples

    def soon(self, work: Callable[[], None]) -> None:
        work()

    def open(self, channels: int, answered: Answered, failed: Failed) -> Line:
        return _InlineLine(self._judge.open(channels), answered)


class _InlineLine:
    def __init__(self, stream: Stream, answered: Answered) -> None:
        self._stream, self._answered = stream, answered

    def ask(self, samples: Samples) -> None:
        self._answered(self._stream.judge(samples))

    def close(self) -> None:
        pass


class Batched:
    """One judge for all sessions of the running event loop, on which the answers come. ``threads`` turns may run side by side."""

    def __init__(self, judge: Judge, threads: int | None = None) -> None:
        self._judge = judge
        self._loop = asyncio.get_running_loop()
        self._free = threads or max(1, (os.cpu_count() or 1) // CORES_A_THREAD)
        self._threads = ThreadPoolExecutor(self._free, "judge")
        self._waiting: deque[_BatchedLine] = deque()  # each once, and none that is being judged
        self._soon: list[Callable[[], None]] = []
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._earliest = 0.0  # the loop's time of the next turn

    @property
    def frame_samples(self) -> int:
        return self._judge.frame_samples

    def soon(self, work: Callable[[], None]) -> None:
        self._soon.append(work)
        self._set_timer()

    def open(self, channels: int, answered: Answered, failed: Failed) -> Line:
        return _BatchedLine(self._judge.open(channels), answered, failed, self._wait)

    async def close(self) -> None:
        """Take no more turns, and wait for the end of the threads."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)

    def _wait(self, line: "_BatchedLine") -> None:
        self._waiting.append(line)
        self._set_timer()

    def _set_timer(self) -> None:
        if (self._waiting or self._soon) and self._free and self._timer is None:
            self._timer = self._loop.call_later(max(0.0, self._earliest - self._loop.time()), self._take_turn)

    def _take_turn(self) -> None:
        works, self._soon = self._soon, []
        for work in works:
            work()  # the timer still stands: what is asked now is in this turn
        self._timer = None
        if self._closed:
            return
        lines, requests, room = [], [], TURN_FRAMES * self.frame_samples
        most = LINE_FRAMES * self.frame_samples
        while self._waiting and room > 0:
            line = self._waiting.popleft()
            if not line.closed:
                samples = line.take(most)
                lines.append(line)
                requests.append((line.stream, samples))
                room -= samples.size
        if not lines:
            return
        self._free -= 1
        self._earliest = self._loop.time() + min(TURN_S[1], max(TURN_S[0], len(lines) * TURN_S_A_LINE))
        if self._judge.brief:
            self._judge_in_place(lines, requests)
            return
        future = self._loop.run_in_executor(self._threads, self._judge_all, requests)
        future.add_done_callback(partial(self._judged, lines))
        self._set_timer()

    def _judge_in_place(self, lines: "list[_BatchedLine]", requests: list[Request]) -> None:
        future: asyncio.Future[list[Probabilities]] = self._loop.create_future()
        try:
            future.set_result(self._judge_all(requests))
        except Exception as error:  # noqa: BLE001 - told to the sessions of this turn, as from a thread
            future.set_exception(error)
        self._judged(lines, future)

    def _judge_all(self, requests: list[Request]) -> list[Probabilities]:
        return self._judge.judge_many(requests)

    def _judged(self, lines: "list[_BatchedLine]", future: "asyncio.Future[list[Probabilities]]") -> None:
        self._free += 1
        if future.cancelled():
            return
        # Each on its own: a fault in one session may not keep the others from their answers.
        if error := future.exception():
            logger.error("the judge failed, which ends %d sessions", len(lines), exc_info=error)
            for line in lines:
                self._loop.call_soon(line.fail, error)
        else:
            for line, probabilities in zip(lines, future.result(), strict=True):
                self._loop.call_soon(line.answer, probabilities)
        self._set_timer()


class _BatchedLine:
    """Either in the queue, or being judged, or with nothing to ask."""

    def __init__(self, stream: Stream, answered: Answered, failed: Failed, wait: "Callable[[_BatchedLine], None]") -> None:
        self.stream = stream
        self.closed = False
        self._answered, self._failed, self._wait = answered, failed, wait
        self._asked: list[Samples] = []
        self._busy = False

    def ask(self, samples: Samples) -> None:
        self._asked.append(samples)
        self._go_on()

    def close(self) -> None:
        self.closed = True
        self._asked.clear()

    def take(self, most: int) -> Samples:
        """What was asked first, at most ``most`` samples of each channel."""
        samples = np.concatenate(self._asked, axis=1) if len(self._asked) > 1 else self._asked[0]
        self._asked = [samples[:, most:]] if samples.shape[1] > most else []
        return samples[:, :most]

    def answer(self, probabilities: Probabilities) -> None:
        self._busy = False
        self._go_on()
        if not self.closed:
            self._answered(probabilities)

    def fail(self, error: BaseException) -> None:
        if not self.closed:
            self.close()
            self._failed(error)

    def _go_on(self) -> None:
        if self._asked and not self._busy and not self.closed:
            self._busy = True
            self._wait(self)
