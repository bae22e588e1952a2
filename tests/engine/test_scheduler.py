"""The thread that owns the model: order, isolation, death and rebirth. Waits are on events, never on time."""

import queue as queues
import threading

import numpy as np
import pytest

from streamer.core.events import Dropped, Failed, Hypothesis, Job, JobKind
from streamer.engine import OutOfMemory
from streamer.engine.scheduler import Health, Scheduler
from streamer.engine.scripted import Script, Scripted, heard


def job(kind=JobKind.FINAL, session="a", segment=0, seconds=1.0):
    samples = np.arange(int(seconds * 16_000)).astype(np.int16)
    return Job(session=session, channel=0, segment=segment, kind=kind, begin=0, end=len(samples), samples=samples)


class Gate(Scripted):
    """A scripted engine whose batches wait for ``go``; it records the batches it saw and the thread it lived in."""

    def __init__(self, script=None):
        super().__init__(script)
        self.go, self.entered = threading.Semaphore(0), threading.Semaphore(0)
        self.batches, self.threads = [], {threading.get_ident()}

    def transcribe(self, jobs):
        self.threads.add(threading.get_ident())
        self.batches.append([(job.kind.name, job.session, job.segment) for job in jobs])
        self.entered.release()
        assert self.go.acquire(timeout=10)
        return super().transcribe(jobs)


@pytest.fixture
def running():
    """Starts schedulers over engines and closes them; answers arrive in a queue."""
    schedulers = []

    def run(build, **options):
        scheduler = Scheduler(build, deliver=lambda call: call(), **options)
        answers, warm = queues.Queue(), threading.Event()
        scheduler.on_health(lambda health: warm.set() if health is Health.WARM else None)
        scheduler.start()
        schedulers.append(scheduler)
        return scheduler, answers, warm

    yield run
    for scheduler in schedulers:
        scheduler.close()
        assert not scheduler._thread.is_alive()
        assert not scheduler._watchdog.is_alive()


def test_jobs_are_answered_with_the_time_they_waited_and_took(running):
    ticks = iter(range(100))
    scheduler, answers, warm = running(Scripted, clock=lambda: next(ticks) / 1000)
    assert warm.wait(10)
    asked = job()
    scheduler.submit(asked, answers.put)
    answer = answers.get(timeout=10)

    assert answer.job is asked
    assert answer.tokens == heard(asked).tokens
    assert (answer.queue_ms, answer.decode_ms) == (1.0, 1.0)


def test_what_waits_is_reckoned_by_the_speed_of_late(running):
    ticks = iter(n / 2 for n in range(100))  # half a second for each batch
    engine = Gate()
    scheduler, answers, warm = running(lambda: engine, clock=lambda: next(ticks))
    assert warm.wait(10)
    assert scheduler.delay_s == 0.0
    engine.go.release()
    scheduler.submit(job(seconds=2.0), answers.put)
    answers.get(timeout=10)
    scheduler.submit(job(session="b", seconds=2.0), answers.put)
    for _ in range(2):
        assert engine.entered.acquire(timeout=10)
    scheduler.submit(job(session="c", seconds=6.0), answers.put)

    assert scheduler.delay_s == 1.5
    engine.go.release(5)


def test_the_engine_lives_in_one_thread(running):
    engines = []
    scheduler, answers, warm = running(lambda: engines.append(Gate()) or engines[-1])
    assert warm.wait(10)
    engines[0].go.release(3)
    for n in range(3):
        scheduler.submit(job(segment=n), answers.put)
        answers.get(timeout=10)

    assert engines[0].threads == {scheduler._thread.ident}


def test_what_waits_goes_together_and_finals_first(running):
    engine = Gate()
    scheduler, answers, warm = running(lambda: engine)
    assert warm.wait(10)
    scheduler.submit(job(session="x"), answers.put)
    assert engine.entered.acquire(timeout=10)
    for kind, session in ((JobKind.PARTIAL, "b"), (JobKind.FINAL, "c"), (JobKind.PARTIAL, "b"), (JobKind.SPECULATIVE, "d")):
        scheduler.submit(job(kind, session), answers.put)
    assert isinstance(answers.get(timeout=10), Dropped)
    scheduler.promote("d", 0)
    engine.go.release(2)
    for _ in range(4):
        answers.get(timeout=10)

    assert engine.batches[1] == [("FINAL", "c", 0), ("SPECULATIVE", "d", 0), ("PARTIAL", "b", 0)]


def test_jobs_that_come_while_the_model_loads_are_answered_once_it_is_warm(running):
    loaded = threading.Event()

    def build():
        assert loaded.wait(10)
        return Scripted()

    scheduler, answers, _ = running(build)
    scheduler.submit(job(), answers.put)
    assert scheduler.health is Health.LOADING
    loaded.set()

    assert isinstance(answers.get(timeout=10), Hypothesis)


def test_a_bad_item_fails_alone(running):
    bad = lambda jobs: ValueError("poison") if any(item.session == "bad" for item in jobs) else None  # noqa: E731
    engine = Gate(Script(raises=bad))
    scheduler, answers, warm = running(lambda: engine)
    assert warm.wait(10)
    scheduler.submit(job(session="first"), answers.put)
    assert engine.entered.acquire(timeout=10)
    for session in ("good", "bad", "fine"):
        scheduler.submit(job(session=session), answers.put)
    engine.go.release(10)
    got = {(answer := answers.get(timeout=10)).job.session: answer for _ in range(4)}

    assert isinstance(got["good"], Hypothesis)
    assert isinstance(got["fine"], Hypothesis)
    assert isinstance(got["bad"], Failed)
    assert got["bad"].reason == "ValueError: poison"


class Small(Gate):
    """A device that holds ``room_s`` of padded audio."""

    def __init__(self, room_s):
        super().__init__()
        self.room_s, self.sizes = room_s, []

    def transcribe(self, jobs):
        self.sizes.append(len(jobs))
        self.go.release()
        answers = super().transcribe(jobs)
        if len(jobs) * max(item.end for item in jobs) / 16_000 > self.room_s:
            raise OutOfMemory("tried to allocate 2 GiB")
        return answers


def test_a_batch_that_the_device_cannot_hold_is_halved_and_later_ones_are_kept_to_what_fits(running):
    engine = Small(4.0)
    queued = threading.Event()
    scheduler, answers, warm = running(lambda: queued.wait(10) and engine)
    for n in range(16):
        scheduler.submit(job(session=str(n)), answers.put)
    queued.set()
    first = [answers.get(timeout=10) for _ in range(16)]

    assert all(isinstance(answer, Hypothesis) for answer in first)
    assert [answer.job.session for answer in first] == [str(n) for n in range(16)]
    assert engine.sizes == [16, 8, 4, 4, 8, 4, 4]
    assert scheduler._queue.limits.max_audio_s == 4.0


def test_an_item_that_is_too_large_alone_fails_and_the_others_do_not_pay_for_it(running):
    engine = Small(1.5)
    scheduler, answers, warm = running(lambda: engine)
    assert warm.wait(10)
    scheduler.submit(job(seconds=2.0), answers.put)
    failed = answers.get(timeout=10)
    scheduler.submit(job(), answers.put)

    assert failed.reason == "2.0 s of audio need more memory than the device has: tried to allocate 2 GiB"
    assert isinstance(answers.get(timeout=10), Hypothesis)
    assert scheduler._queue.limits.max_audio_s == 240.0


def test_a_dead_engine_is_noticed_and_rebuilt_and_its_job_is_tried_again(running):
    health = []

    class Mortal(Scripted):
        def transcribe(self, jobs):
            if len(health) < 2:
                raise MemoryError("device lost")
            return super().transcribe(jobs)

    scheduler, answers, warm = running(Mortal)
    scheduler.on_health(health.append)
    assert warm.wait(10)
    asked = job()
    scheduler.submit(asked, answers.put)
    answer = answers.get(timeout=20)

    assert isinstance(answer, Hypothesis)
    assert health[-2:] == [Health.RESTARTING, Health.WARM]


def test_a_job_that_kills_every_engine_is_given_up(running):
    class Killed(Scripted):
        def transcribe(self, jobs):
            raise MemoryError("device lost")

    scheduler, answers, warm = running(Killed)
    assert warm.wait(10)
    scheduler.submit(job(), answers.put)
    answer = answers.get(timeout=20)

    assert answer.reason == "the engine died on it: device lost"


def test_an_engine_that_cannot_be_built_fails_with_its_reason(running):
    def build():
        raise FileNotFoundError("no model.pt")

    scheduler, answers, _ = running(build)
    scheduler.submit(job(), answers.put)

    assert isinstance(answers.get(timeout=10), Failed)
    scheduler._thread.join(10)
    assert scheduler.health is Health.FAILED
    assert str(scheduler.failure) == "no model.pt"
    scheduler.submit(job(), answers.put)
    assert answers.get(timeout=10).reason == "the engine is failed"


def test_closing_answers_what_still_waits(running):
    engine = Gate()
    scheduler, answers, warm = running(lambda: engine)
    assert warm.wait(10)
    scheduler.submit(job(session="running"), answers.put)
    assert engine.entered.acquire(timeout=10)
    scheduler.submit(job(session="waiting"), answers.put)
    closed = threading.Event()
    scheduler.on_health(lambda health: closed.set())
    closing = threading.Thread(target=scheduler.close)
    closing.start()
    assert closed.wait(10)
    engine.go.release(1)
    got = {answers.get(timeout=10).job.session for _ in range(2)}
    engine.go.release(5)
    closing.join(10)

    assert got == {"running", "waiting"}


def test_a_client_that_is_gone_takes_its_jobs_along(running):
    engine = Gate()
    scheduler, answers, warm = running(lambda: engine)
    assert warm.wait(10)
    scheduler.submit(job(session="other"), answers.put)
    assert engine.entered.acquire(timeout=10)
    scheduler.submit(job(session="gone"), answers.put)
    scheduler.discard("gone")

    assert isinstance(answers.get(timeout=10), Dropped)
    assert scheduler.queued_jobs == 0
    engine.go.release(1)
    answers.get(timeout=10)


def test_an_engine_that_hangs_is_given_up_and_only_who_hangs_it_again_is_lost(running):
    over = threading.Event()

    class Hangs(Scripted):
        def transcribe(self, jobs):
            if any(item.session == "bad" for item in jobs):
                over.wait(60)
            return super().transcribe(jobs)

    queued = threading.Event()
    scheduler, answers, warm = running(lambda: queued.wait(10) and Hangs(), hung_s=0.1)
    for session in ("good", "bad", "fine"):
        scheduler.submit(job(session=session), answers.put)
    queued.set()
    got = {(answer := answers.get(timeout=20)).job.session: answer for _ in range(3)}
    over.set()

    assert isinstance(got["good"], Hypothesis)
    assert isinstance(got["fine"], Hypothesis)
    assert got["bad"].reason == "the engine hung on it"
    scheduler.submit(job(), answers.put)
    assert isinstance(answers.get(timeout=20), Hypothesis)


def test_an_engine_that_is_slow_but_answers_is_let_be(running):
    engine = Gate()
    scheduler, answers, warm = running(lambda: engine, hung_s=0.4)
    health = []
    scheduler.on_health(health.append)
    assert warm.wait(10)
    for n in range(8):
        scheduler.submit(job(segment=n), answers.put)
        assert engine.entered.acquire(timeout=10)
        threading.Event().wait(0.1)
        engine.go.release()
        answers.get(timeout=10)

    assert Health.RESTARTING not in health


def test_where_the_next_engine_hangs_too_it_is_told(running):
    over, told = threading.Event(), threading.Event()
    builds = []

    class Hangs(Scripted):
        def warm_up(self):
            builds.append(self)
            if len(builds) > 1:
                over.wait(60)
            return super().warm_up()

        def transcribe(self, jobs):
            over.wait(60)
            return super().transcribe(jobs)

    scheduler, answers, warm = running(Hangs, hung_s=0.05, hung=told.set)
    assert warm.wait(10)
    scheduler.submit(job(), answers.put)

    assert told.wait(20)
    assert len(builds) == 2
    over.set()
    assert answers.get(timeout=10).job.session == "a"
