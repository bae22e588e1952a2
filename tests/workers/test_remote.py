"""The remote scheduler against a real engine process over a real socket, which is stopped and killed when a test says."""

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
import pytest

from streamer.core.events import Dropped, Failed, Hypothesis, Job, JobKind
from streamer.engine.scheduler import Health
from streamer.engine.scripted import Script, Scripted, heard
from streamer.workers.arena import Arena
from streamer.workers.child import Child, Order
from streamer.workers.engine import EngineWork
from streamer.workers.remote import RemoteScheduler


def job(kind=JobKind.FINAL, session="a", segment=0, seconds=1.0):
    samples = (np.arange(int(seconds * 16_000)) * (segment + 7)).astype(np.int16)
    return Job(session=session, channel=0, segment=segment, kind=kind, begin=0, end=len(samples), samples=samples)


def broken():
    raise FileNotFoundError("no model.pt in /models")


def mortal():
    """Dies, process and all, on the audio of segment 13."""
    return Scripted(Script(fails=lambda job: os._exit(3) if job.segment == 13 else None))


async def nothing():
    return b""


class Rig:
    """One engine process and one gateway's side of it."""

    def __init__(self, child, scheduler):
        self.child, self.scheduler = child, scheduler
        self.answers, self.health = asyncio.Queue(), asyncio.Queue()
        scheduler.on_health(self.health.put_nowait)

    def submit(self, *jobs):
        for one in jobs:
            self.scheduler.submit(one, self.answers.put_nowait)

    async def until(self, *healths):
        while await asyncio.wait_for(self.health.get(), 20) not in healths:
            pass

    async def get(self, count):
        return [await asyncio.wait_for(self.answers.get(), 20) for _ in range(count)]

    def signal(self, number):
        os.kill(self.child.pid, number)

    async def quiet(self):
        """Nothing more was answered than what was read."""
        await self.until_answered()
        assert self.answers.empty()

    async def until_answered(self):
        last = job(session="last")
        self.submit(last)
        assert (await self.get(1))[0].job is last


@asynccontextmanager
async def rig(folder, build=Scripted, warm=True):
    path = folder / "engine"
    child = Child(Order(EngineWork(name="engine 1", build=build, path=path, leave_s=5.0), "error"), answer=nothing, died=lambda child: None)
    scheduler = RemoteScheduler(path)
    running = Rig(child, scheduler)
    scheduler.start()
    try:
        if warm:
            await running.until(Health.WARM)
        yield running
        await asyncio.to_thread(scheduler.close)
    finally:
        await child.stop(10)


def test_jobs_are_answered_as_the_engine_answers_them(tmp_path):
    async def talk():
        async with rig(tmp_path) as running:
            asked = [job(segment=n, seconds=1 + n / 10) for n in range(20)]
            running.submit(*asked)
            got = {answer.job.segment: answer for answer in await running.get(20)}
            assert running.scheduler._arena.empty
            return asked, got, running.scheduler

    asked, got, scheduler = asyncio.run(talk())
    assert [got[n].tokens for n in range(20)] == [heard(one).tokens for one in asked]
    assert all(got[n].job is one for n, one in enumerate(asked))
    assert all(answer.queue_ms >= 0 and answer.decode_ms > 0 for answer in got.values())
    assert scheduler.info == Scripted().info
    assert (scheduler.queued_ms, scheduler.queued_jobs) == (0, 0)


def test_audio_for_which_the_arena_has_no_room_travels_along(tmp_path):
    async def talk():
        async with rig(tmp_path, warm=False) as running:
            small = Arena(8192)
            running.scheduler._arena, before = small, running.scheduler._arena
            before.close()
            await running.until(Health.WARM)
            asked = job(seconds=20.0)
            running.submit(asked)
            (answer,) = await running.get(1)
            return answer.tokens == heard(asked).tokens

    assert asyncio.run(talk())


def test_a_model_that_cannot_be_loaded_says_so_through_the_socket(tmp_path):
    async def talk():
        async with rig(tmp_path, broken, warm=False) as running:
            await running.until(Health.FAILED)
            running.submit(job())
            (answer,) = await running.get(1)
            return str(running.scheduler.failure), answer.reason

    assert asyncio.run(talk()) == ("no model.pt in /models", "the engine is failed")


def test_finals_and_speculations_survive_the_death_of_their_process_and_partials_do_not(tmp_path):
    async def talk():
        async with rig(tmp_path) as running:
            running.signal(signal.SIGSTOP)
            kinds = [JobKind.FINAL, JobKind.SPECULATIVE, JobKind.PARTIAL, JobKind.SOUND]
            running.submit(*(job(kind, session=kind.name) for kind in kinds))
            running.scheduler.promote("SPECULATIVE", 0)
            await asyncio.sleep(0.1)
            running.signal(signal.SIGKILL)
            await running.until(Health.RESTARTING)
            assert running.scheduler.info == Scripted().info
            first = await running.get(2)
            running.submit(job(JobKind.PARTIAL, session="meanwhile"))
            first += await running.get(1)
            running.submit(job(session="later"))
            await running.until(Health.WARM)
            second = await running.get(3)
            await running.quiet()
            return first, second

    first, second = asyncio.run(talk())
    assert [(type(answer), answer.job.session) for answer in first] == [
        (Dropped, "PARTIAL"),
        (Dropped, "SOUND"),
        (Dropped, "meanwhile"),
    ]
    assert {answer.job.session: type(answer) for answer in second} == {
        "FINAL": Hypothesis,
        "SPECULATIVE": Hypothesis,
        "later": Hypothesis,
    }


def test_a_job_that_kills_every_process_is_given_up_and_the_others_are_not(tmp_path):
    async def talk():
        async with rig(tmp_path, mortal) as running:
            running.submit(job(segment=13))
            (answer,) = await running.get(1)
            running.submit(job(segment=1))
            return answer, (await running.get(1))[0]

    answer, other = asyncio.run(talk())
    assert (type(answer), answer.reason) == (Failed, "two engine processes died with it")
    assert isinstance(other, Hypothesis)


@pytest.mark.parametrize("segment", [None, 0])
def test_what_is_discarded_while_no_process_is_there_is_dropped_at_once(tmp_path, segment):
    async def talk():
        async with rig(tmp_path) as running:
            running.signal(signal.SIGSTOP)
            running.submit(job(session="x", segment=0), job(JobKind.SPECULATIVE, session="x", segment=0))
            await asyncio.sleep(0.1)
            running.signal(signal.SIGKILL)
            await running.until(Health.RESTARTING)
            running.scheduler.discard("x", segment)
            got = await running.get(2)
            await running.quiet()
            return [(type(answer), answer.job.kind) for answer in got]

    final = Dropped if segment is None else Hypothesis
    assert sorted(asyncio.run(talk()), key=lambda row: row[1]) == [(final, JobKind.FINAL), (Dropped, JobKind.SPECULATIVE)]


def test_a_discarded_speculation_is_not_tried_again(tmp_path):
    async def talk():
        async with rig(tmp_path) as running:
            running.signal(signal.SIGSTOP)
            running.submit(job(JobKind.SPECULATIVE, session="x"))
            running.scheduler.discard("x", 0)
            await asyncio.sleep(0.1)
            running.signal(signal.SIGKILL)
            return (await running.get(1))[0], running.scheduler.health

    answer, health = asyncio.run(talk())
    assert (type(answer), health) == (Dropped, Health.RESTARTING)


def test_a_gateway_that_is_gone_takes_its_jobs_along_and_leaves_the_others_alone(tmp_path):
    async def talk():
        async with rig(tmp_path) as running:
            other = RemoteScheduler(running.scheduler._path)
            other.start()
            running.signal(signal.SIGSTOP)
            other.submit(job(session="other"), running.answers.put_nowait)
            running.submit(job(session="mine"))
            await asyncio.sleep(0.2)
            await asyncio.to_thread(other.close)
            (closed,) = await running.get(1)
            running.signal(signal.SIGCONT)
            (answer,) = await running.get(1)
            return closed, answer

    closed, answer = asyncio.run(talk())
    assert (closed.job.session, closed.reason) == ("other", "the server is closing")
    assert (answer.job.session, type(answer)) == ("mine", Hypothesis)


def test_an_engine_process_whose_supervisor_is_gone_answers_until_the_last_gateway_has_left(tmp_path):
    async def talk():
        async with rig(tmp_path) as running:
            process = running.child._process
            running.child._stopping.set()
            await running.child._channel.close()
            running.submit(job())
            (answer,) = await running.get(1)
        return answer, await asyncio.wait_for(process.wait(), 10)

    answer, code = asyncio.run(talk())
    assert (type(answer), code) == (Hypothesis, 0)


class Unsayable(Scripted):
    """Its answers for segment 13 hold what MessagePack has no word for."""

    def transcribe(self, jobs):
        return [
            replace(answer, queue_ms=0.0, raw_text=object()) if answer.job.segment == 13 else answer for answer in super().transcribe(jobs)
        ]


def test_an_answer_that_cannot_be_sent_fails_alone(tmp_path):
    async def talk():
        async with rig(tmp_path, Unsayable) as running:
            running.submit(job(segment=12), job(segment=13), job(segment=14))
            return {answer.job.segment: answer for answer in await running.get(3)}

    got = asyncio.run(talk())
    assert {number: type(answer) for number, answer in got.items()} == {12: Hypothesis, 13: Failed, 14: Hypothesis}
    assert got[13].reason.startswith("its answer cannot be sent: can not serialize")
