"""Events that wait to be read."""

import asyncio

import pytest

from streamer.client.inbox import Inbox
from streamer.core.events import Flushed, Heartbeat
from tests.driving import Driver, speech

PARTIALS = Driver().start().hear(speech("." * 10 + "#" * 60)).partials


def run(story):
    async def bounded():
        async with asyncio.timeout(10):
            return await story

    return asyncio.run(bounded())


async def all_of(inbox):
    got = []
    while (event := await inbox.get()) is not None:
        got.append(event)
    return got


def test_of_partials_and_heartbeats_only_the_newest_waits():
    async def story():
        inbox = Inbox()
        old, new = (Heartbeat(received_ms=ms, processed_ms=0, queue_ms=0) for ms in (1, 2))
        for event in (old, PARTIALS[0], Flushed(id=1), new, PARTIALS[1]):
            await inbox.put(event)
        inbox.finish()
        return await all_of(inbox), new

    got, new = run(story())
    assert got == [Flushed(id=1), new, PARTIALS[1]]


def test_who_fills_it_waits_until_there_is_room():
    async def story():
        inbox = Inbox(bound=2)
        putting = asyncio.create_task(put_all(inbox, 5))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not putting.done()
        got = [await inbox.get() for _ in range(5)]
        await putting
        return got

    assert run(story()) == [Flushed(id=number) for number in range(5)]


async def put_all(inbox, count):
    for number in range(count):
        await inbox.put(Flushed(id=number))


def test_the_first_reason_to_end_is_raised_behind_what_waits_and_every_time():
    async def story():
        inbox = Inbox()
        await inbox.put(Flushed(id=1))
        inbox.finish(OSError("first"))
        inbox.finish(OSError("second"))
        assert await inbox.get() == Flushed(id=1)
        for _ in range(2):
            with pytest.raises(OSError, match="first"):
                await inbox.get()

    run(story())
