"""What waits to be written to a client, and in which order."""

import asyncio

from streamer.core.events import Flushed, Heartbeat
from streamer.outbox import Outbox
from tests.driving import Driver, speech

PARTIALS = Driver().start().hear(speech("." * 10 + "#" * 60)).partials


def beat(processed_ms):
    return Heartbeat(received_ms=9, processed_ms=processed_ms, queue_ms=0)


def waiting(outbox):
    async def all_of():
        return [await outbox.next() for _ in range(len(outbox))]

    return asyncio.run(all_of())


def test_a_newer_partial_takes_the_place_of_one_that_waits():
    outbox = Outbox(10)
    first, second = PARTIALS[:2]
    for message in (first, Flushed(id=1), second):
        outbox.put(message)
    assert waiting(outbox) == [second, Flushed(id=1)]


def test_a_newer_heartbeat_goes_behind_what_it_calls_answered():
    outbox = Outbox(10)
    for message in (beat(1), Flushed(id=1), beat(2)):
        outbox.put(message)
    assert waiting(outbox) == [Flushed(id=1), beat(2)]
