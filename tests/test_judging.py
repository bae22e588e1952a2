"""Many sessions, one judge: answers in order, turns that are shared and bounded, faults that stay where they belong."""

import asyncio
import threading

import numpy as np
import pytest

from streamer.judging import LINE_FRAMES, TURN_FRAMES, Batched, Inline

FRAME = 320


class Counting:
    """Answers each frame with its first sample in thousandths, and keeps the sizes of its calls in frames. ``gate`` holds it back."""

    frame_samples = FRAME
    brief = False

    def __init__(self):
        self.calls = []
        self.asked, self.gate = threading.Event(), threading.Event()
        self.gate.set()

    def open(self, channels):
        return CountingStream(channels)

    def judge_many(self, requests):
        self.asked.set()
        self.gate.wait(10)
        self.calls.append([samples.shape[1] // FRAME for _, samples in requests])
        return [stream.judge(samples) for stream, samples in requests]


class CountingStream:
    def __init__(self, channels):
        self.channels = channels

    def judge(self, samples):
        if samples.min() < 0:
            raise RuntimeError("a negative sample")
        return tuple(tuple(row) for row in (samples[:, ::FRAME] / 1000).T.tolist())


class Listener:
    """Keeps its line's answers."""

    def __init__(self, judging, channels=1):
        self.heard, self.failure = [], None
        self.changed = asyncio.Event()
        self.line = judging.open(channels, self.answered, self.failed)

    def answered(self, probabilities):
        self.heard += probabilities
        self.changed.set()

    def failed(self, error):
        self.failure = error
        self.changed.set()

    async def hears(self, count):
        async with asyncio.timeout(10):
            while len(self.heard) < count and not self.failure:
                self.changed.clear()
                await self.changed.wait()


def frames(*firsts, channels=1):
    """Frames that begin with these samples."""
    return np.repeat(np.array([firsts] * channels, np.int16), FRAME, axis=1)


@pytest.fixture
def judge():
    return Counting()


def on_a_loop(work, judge, threads=1):
    async def main():
        judging = Batched(judge, threads)
        try:
            await work(judging)
        finally:
            judge.gate.set()
            await judging.close()

    asyncio.run(main())


def test_one_session_by_itself_is_answered_where_it_asked(judge):
    listener = Listener(Inline(judge))
    listener.line.ask(frames(1, 2))

    assert listener.heard == [(0.001,), (0.002,)]


def test_what_many_sessions_ask_at_one_time_is_one_call(judge):
    async def work(judging):
        listeners = [Listener(judging, channels=2) for _ in range(20)]
        for n, listener in enumerate(listeners):
            listener.line.ask(frames(n, 100 + n, channels=2))
        for listener in listeners:
            await listener.hears(2)
        assert [listener.heard for listener in listeners] == [[(n / 1000,) * 2, ((100 + n) / 1000,) * 2] for n in range(20)]

    on_a_loop(work, judge)
    assert judge.calls == [[2] * 20]


def test_what_comes_while_the_judge_is_busy_goes_into_the_next_call_in_order(judge):
    async def work(judging):
        first, second = Listener(judging), Listener(judging)
        judge.gate.clear()
        first.line.ask(frames(1))
        await asyncio.to_thread(judge.asked.wait, 10)
        for n in range(2, 6):
            first.line.ask(frames(n))
            second.line.ask(frames(n))
        judge.gate.set()
        await first.hears(5)
        await second.hears(4)
        assert first.heard == [(n / 1000,) for n in range(1, 6)]
        assert second.heard == first.heard[1:]

    on_a_loop(work, judge)
    assert judge.calls == [[1], [4, 4]]


def test_a_session_that_brings_much_at_once_does_not_hold_up_the_others(judge):
    async def work(judging):
        greedy, modest = Listener(judging), Listener(judging)
        greedy.line.ask(frames(*range(LINE_FRAMES * 3 + 1)))
        modest.line.ask(frames(7))
        await greedy.hears(LINE_FRAMES * 3 + 1)
        assert greedy.heard == [(n / 1000,) for n in range(LINE_FRAMES * 3 + 1)]
        assert modest.heard == [(0.007,)]

    on_a_loop(work, judge)
    assert judge.calls == [[LINE_FRAMES, 1], [LINE_FRAMES], [LINE_FRAMES], [1]]


def test_a_call_is_bounded_and_every_session_gets_its_turn(judge):
    async def work(judging):
        listeners = [Listener(judging) for _ in range(TURN_FRAMES // LINE_FRAMES + 5)]
        for listener in listeners:
            listener.line.ask(frames(*range(LINE_FRAMES + 1)))
        for listener in listeners:
            await listener.hears(LINE_FRAMES + 1)

    on_a_loop(work, judge)
    assert judge.calls[0] == [LINE_FRAMES] * (TURN_FRAMES // LINE_FRAMES)
    assert judge.calls[1] == [LINE_FRAMES] * 5 + [1] * (TURN_FRAMES // LINE_FRAMES)


def test_turns_run_side_by_side_where_there_are_threads_and_no_session_is_in_two_of_them(judge):
    async def work(judging):
        first, second = Listener(judging), Listener(judging)
        judge.gate.clear()
        first.line.ask(frames(1))
        await asyncio.to_thread(judge.asked.wait, 10)
        judge.asked.clear()
        first.line.ask(frames(2))
        second.line.ask(frames(3))
        await asyncio.to_thread(judge.asked.wait, 10)  # a second call, while the first is under way
        judge.gate.set()
        await first.hears(2)
        await second.hears(1)
        assert first.heard == [(0.001,), (0.002,)]

    on_a_loop(work, judge, threads=2)
    assert judge.calls == [[1], [1], [1]]


def test_a_fault_of_the_judge_is_told_and_later_sessions_are_served(judge, caplog):
    async def work(judging):
        unlucky = Listener(judging)
        unlucky.line.ask(frames(-1))
        await unlucky.hears(1)
        assert str(unlucky.failure) == "a negative sample"
        unlucky.line.ask(frames(1))
        later = Listener(judging)
        later.line.ask(frames(2))
        await later.hears(1)
        assert unlucky.heard == []

    on_a_loop(work, judge)
    assert "the judge failed, which ends 1 sessions" in caplog.text


def test_a_fault_in_one_session_keeps_no_other_from_its_answer(judge):
    faults = []

    async def work(judging):
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context["exception"]))
        broken, sound = judging.open(1, lambda probabilities: 1 / 0, faults.append), Listener(judging)
        broken.ask(frames(1))
        sound.line.ask(frames(2))
        await sound.hears(1)

    on_a_loop(work, judge)
    assert [type(fault) for fault in faults] == [ZeroDivisionError]


def test_nobody_answers_a_line_that_was_closed(judge):
    async def work(judging):
        gone, there = Listener(judging), Listener(judging)
        judge.gate.clear()
        gone.line.ask(frames(1))
        await asyncio.to_thread(judge.asked.wait, 10)
        gone.line.ask(frames(2))
        gone.line.close()
        gone.line.ask(frames(3))
        there.line.ask(frames(4))
        judge.gate.set()
        await there.hears(1)
        assert gone.heard == []

    on_a_loop(work, judge)
    assert judge.calls == [[1], [1]]


def test_what_is_asked_after_the_end_is_not_judged(judge):
    async def work(judging):
        late = Listener(judging)
        late.line.ask(frames(1))
        await late.hears(1)
        late.line.ask(frames(2))
        await judging.close()
        late.line.ask(frames(3))
        await asyncio.sleep(0)

    on_a_loop(work, judge)
    assert judge.calls == [[1]]


def test_work_before_a_turn_is_done_right_before_it_and_what_it_asks_is_in_it(judge):
    async def work(judging):
        listeners = [Listener(judging) for _ in range(3)]
        for n, listener in enumerate(listeners):
            judging.soon(lambda n=n, listener=listener: listener.line.ask(frames(n)))
        assert all(listener.heard == [] for listener in listeners)
        for listener in listeners:
            await listener.hears(1)
        assert [listener.heard for listener in listeners] == [[(0.0,)], [(0.001,)], [(0.002,)]]

    on_a_loop(work, judge)
    assert judge.calls == [[1, 1, 1]]


def test_a_brief_judge_is_asked_on_the_loop_and_its_faults_are_told(judge, caplog):
    threads = []
    judge.brief = True
    judge.gate.wait = lambda seconds: threads.append(threading.current_thread())

    async def work(judging):
        unlucky, lucky = Listener(judging), Listener(judging)
        unlucky.line.ask(frames(-1))
        await unlucky.hears(1)
        lucky.line.ask(frames(5))
        await lucky.hears(1)
        assert (str(unlucky.failure), lucky.heard) == ("a negative sample", [(0.005,)])

    on_a_loop(work, judge)
    assert set(threads) == {threading.main_thread()}
