"""Where sessions go when there are several devices: pure, with fakes that answer when a test says."""

import queue
import threading

import numpy as np

from streamer.core.events import Failed, Job, JobKind
from streamer.engine.placement import Placement, in_threads, placed
from streamer.engine.scheduler import Health, Scheduler
from streamer.engine.scripted import Scripted
from streamer.errors import ConfigurationError


class Fake:
    """A device: what it was given, and a health and a queue that a test sets."""

    def __init__(self, health=Health.WARM):
        self.health, self.queued_ms, self.queued_jobs, self.delay_s = health, 0, 0, 0.0
        self.info = self.warm_up = self.failure = None
        self.given, self.changed, self.closed = [], [], False

    def start(self):
        self.given.append("start")

    def on_health(self, changed):
        self.changed.append(changed)

    def become(self, health):
        self.health = health
        for changed in self.changed:
            changed(health)

    def submit(self, job, answered):
        self.given.append(job.session)
        if self.health is Health.FAILED:
            answered(Failed(job, "failed"))

    def promote(self, session, segment):
        self.given.append(("promote", session, segment))

    def discard(self, session, segment=None):
        self.given.append(("discard", session, segment))

    def close(self, timeout_s=10.0):
        self.closed = True


def job(session):
    return Job(session=session, channel=0, segment=0, kind=JobKind.FINAL, begin=0, end=4, samples=np.zeros(4, np.int16))


def submit(placement, *sessions):
    for session in sessions:
        placement.submit(job(session), lambda answer: None)


def test_sessions_are_spread_evenly_and_stay_where_they_are():
    one, two = Fake(), Fake()
    submit(Placement([one, two]), "a", "b", "c", "d", "a", "b", "a")

    assert (one.given, two.given) == (["a", "c", "a", "a"], ["b", "d", "b"])


def test_a_device_that_lags_by_seconds_gets_no_new_sessions():
    one, two = Fake(), Fake()
    placement = Placement([one, two])
    one.queued_ms = 3_500
    submit(placement, "a", "b", "c")

    assert (one.given, two.given) == ([], ["a", "b", "c"])


def test_what_waits_for_one_batch_is_no_lag():
    one, two = Fake(), Fake()
    one.queued_ms = 900
    submit(Placement([one, two]), "a", "b")

    assert (one.given, two.given) == (["a"], ["b"])


def test_a_session_that_is_gone_frees_its_place():
    one, two = Fake(), Fake()
    placement = Placement([one, two])
    submit(placement, "a", "b")
    placement.discard("a", 3)
    placement.discard("b")
    submit(placement, "c", "d")

    assert one.given == ["a", ("discard", "a", 3), "d"]
    assert two.given == ["b", ("discard", "b", None), "c"]


def test_promotions_go_where_the_session_is_and_strangers_nowhere():
    one, two = Fake(), Fake()
    placement = Placement([one, two])
    submit(placement, "a", "b")
    placement.promote("b", 1)
    placement.promote("stranger", 1)
    placement.discard("stranger")

    assert (one.given, two.given) == (["a"], ["b", ("promote", "b", 1)])


def test_new_sessions_avoid_a_device_that_restarts_and_old_ones_wait_for_it():
    one, two = Fake(), Fake()
    placement = Placement([one, two])
    submit(placement, "a", "b")
    one.become(Health.RESTARTING)
    submit(placement, "c", "d", "a")

    assert (one.given, two.given) == (["a", "a"], ["b", "c", "d"])


def test_a_device_that_failed_loses_its_sessions_to_the_others():
    one, two = Fake(), Fake()
    placement = Placement([one, two])
    submit(placement, "a")
    one.become(Health.FAILED)
    submit(placement, "a", "b")

    assert (one.given, two.given) == (["a"], ["a", "b"])


def test_the_whole_is_as_well_as_its_best_device():
    one, two = Fake(Health.LOADING), Fake(Health.LOADING)
    placement, told = Placement([one, two]), []
    placement.on_health(told.append)
    one.become(Health.FAILED)
    two.become(Health.WARM)
    two.become(Health.RESTARTING)
    two.become(Health.WARM)

    assert told == [Health.WARM, Health.RESTARTING, Health.WARM]


def test_it_has_failed_when_all_have_and_says_the_first_reason():
    one, two = Fake(Health.LOADING), Fake(Health.LOADING)
    placement = Placement([one, two])
    one.failure = ConfigurationError("no such device")
    one.become(Health.FAILED)
    assert (placement.health, placement.failure) == (Health.LOADING, None)
    two.failure = ConfigurationError("nor that one")
    two.become(Health.FAILED)

    assert (placement.health, str(placement.failure)) == (Health.FAILED, "no such device")


def test_the_queue_is_that_of_all_and_closing_closes_all():
    one, two = Fake(), Fake()
    placement = Placement([one, two])
    one.queued_ms, two.queued_ms, two.queued_jobs = 40, 2, 1
    placement.start()
    placement.close()

    assert (placement.queued_ms, placement.queued_jobs) == (42, 1)
    assert [(device.given, device.closed) for device in (one, two)] == [(["start"], True)] * 2


def test_a_single_device_has_nobody_before_it():
    one = Fake()

    assert placed([one]) is one
    scheduler = in_threads(Scripted)(lambda call: call(), lambda batch: None)
    assert isinstance(scheduler, Scheduler)
    assert scheduler.devices == (scheduler,)


def test_two_real_devices_answer_for_their_sessions():
    batches, answers, warm = [], queue.Queue(), threading.Semaphore(0)
    scheduler = in_threads(Scripted, Scripted)(lambda call: call(), batches.append)
    for device in scheduler.devices:
        device.on_health(lambda health: warm.release() if health is Health.WARM else None)
    scheduler.start()
    for _ in range(2):
        assert warm.acquire(timeout=10)
    for n in range(6):
        scheduler.submit(job(str(n)), answers.put)
    got = {answers.get(timeout=10).job.session for _ in range(6)}
    scheduler.close()

    assert got == {str(n) for n in range(6)}


def test_a_newcomer_waits_as_long_as_at_the_device_that_is_the_least_behind():
    one, two, lost = Fake(), Fake(), Fake(Health.RESTARTING)
    one.delay_s, two.delay_s = 4.0, 1.5

    assert Placement([one, two, lost]).delay_s == 1.5
