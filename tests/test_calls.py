"""Followers of calls: before, during and after, and what they are told."""

import asyncio
import json

import pytest

from streamer import calls
from streamer.calls import Calls
from streamer.core.events import AudioFormat, ErrorSent, Flushed, Partial, SessionConfigured, Settings, SpeechStarted, Synced
from streamer.record import Held
from streamer.store import StoreFailed
from tests.driving import Driver, speech


@pytest.fixture(autouse=True)
def _no_grace(monkeypatch):
    monkeypatch.setattr(calls, "GRACE_S", 0.0)
    monkeypatch.setattr(calls, "KEPT_S", 0.05)


class Ear:
    def __init__(self):
        self.got = []

    def __call__(self, text):
        self.got.append(json.loads(text))

    @property
    def kinds(self):
        return [message.get("state", message["type"]) for message in self.got]


CONFIGURED = SessionConfigured(format=AudioFormat(channels=2, channel_names=("agent", "customer")), settings=Settings())
SPOKEN = SpeechStarted(segment=0, channel=1, begin_ms=20)


def final():
    driver = Driver().start(channels=1).hear(speech("#" * 60 + "." * 40)).stop()
    return driver.finals[0]


def test_a_follower_who_came_first_hears_everything_with_the_names_of_the_channels():
    async def story():
        all_calls, ear = Calls(), Ear()
        all_calls.follow("c", ear)
        telling = all_calls.join("c", "s1")
        for message in (CONFIGURED, SPOKEN, Flushed(id=None), Synced(id=1), final()):
            telling.tell(message)
        await telling.leave()
        await asyncio.sleep(0.01)
        return ear

    ear = asyncio.run(story())
    assert ear.kinds == ["awaited", "live", "session.configured", "speech.started", "final", "ended"]
    assert ear.got[3] == {
        "type": "speech.started",
        "session_id": "s1",
        "segment": 0,
        "channel": 1,
        "begin_ms": 20,
        "channel_name": "customer",
    }
    assert ear.got[4]["channel_name"] == "agent"


def test_a_follower_who_comes_later_is_told_what_was_settled():
    async def story():
        all_calls, middle, late, too_late = Calls(), Ear(), Ear(), Ear()
        telling = all_calls.join("c", "s1")
        for message in (CONFIGURED, SPOKEN, final()):
            telling.tell(message)
        all_calls.follow("c", middle)
        await telling.leave()
        await asyncio.sleep(0.01)
        all_calls.follow("c", late)
        await asyncio.sleep(0.1)
        all_calls.follow("c", too_late)
        return middle, late, too_late, all_calls

    middle, late, too_late, all_calls = asyncio.run(story())
    assert middle.kinds == ["live", "session.configured", "final", "ended"]
    assert late.kinds == ["session.configured", "final", "ended"]
    assert too_late.kinds == ["awaited"]
    all_calls.unfollow("c", too_late)
    assert len(all_calls) == 0


def test_a_call_goes_on_until_its_last_session_has_left():
    async def story():
        all_calls, ear = Calls(), Ear()
        one, two = all_calls.join("c", "s1"), all_calls.join("c", "s2")
        all_calls.follow("c", ear)
        await one.leave()
        await asyncio.sleep(0.01)
        two.tell(SPOKEN)
        await two.leave()
        back = all_calls.join("c", "s3")  # within the grace
        await asyncio.sleep(0.01)
        back.tell(SPOKEN)
        await back.leave()
        await asyncio.sleep(0.01)
        return ear

    ear = asyncio.run(story())
    assert ear.kinds == ["live", "speech.started", "speech.started", "ended"]
    assert [message["session_id"] for message in ear.got if "session_id" in message] == ["s2", "s3"]


def test_a_follower_is_told_a_final_once_it_is_stored_and_the_rest_behind_it():
    async def story(failure):
        all_calls, ear = Calls(), Ear()
        all_calls.follow("c", ear)
        telling = all_calls.join("c", "s1")
        stored = asyncio.get_running_loop().create_future()
        telling.tell(SPOKEN)
        telling.tell(Held(final(), stored))
        telling.tell(CONFIGURED)
        leaving = asyncio.create_task(telling.leave())
        await asyncio.sleep(0.01)
        before = ear.kinds
        stored.set_result(failure)
        await leaving
        await asyncio.sleep(0.01)
        return before, ear.kinds[len(before) :]

    before, after = asyncio.run(story(None))
    assert before == ["awaited", "live", "speech.started"]
    assert after == ["final", "session.configured", "ended"]
    assert asyncio.run(story(StoreFailed("the disk is full")))[1] == ["final", "warning", "session.configured", "ended"]


def test_who_comes_late_is_told_what_failed():
    all_calls, late = Calls(), Ear()
    telling = all_calls.join("c", "s1")
    telling.tell(ErrorSent(code="inference_failed", message="the engine died on it", fatal=False, segment=0, channel=0))
    all_calls.follow("c", late)
    assert late.kinds == ["live", "error"]


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(calls, "KEPT_CALLS", 2)

    async def story():
        all_calls = Calls()
        for n in range(4):
            telling = all_calls.join(f"c{n}", "s")
            for _ in range(calls.KEPT_MESSAGES + 10):
                telling.tell(CONFIGURED)
            await telling.leave()
        await asyncio.sleep(0.01)
        ears = [Ear() for _ in range(4)]
        for n, ear in enumerate(ears):
            all_calls.follow(f"c{n}", ear)
        return ears

    ears = asyncio.run(story())
    assert [len(ear.got) for ear in ears] == [1, 1, calls.KEPT_MESSAGES + 1, calls.KEPT_MESSAGES + 1]


def test_nothing_is_written_down_for_nobody():
    async def story():
        all_calls, ear = Calls(), Ear()
        telling = all_calls.join("c", "s1")
        partial = Driver().start().hear(speech("#" * 60)).of(Partial)[0]
        telling.tell(partial)
        all_calls.follow("c", ear)
        telling.tell(partial)
        return ear

    assert asyncio.run(story()).kinds == ["live", "partial"]
