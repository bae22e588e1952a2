"""What waits behind a message that is being stored."""

import asyncio
from contextlib import suppress

from streamer.core.events import Flushed, Warned
from streamer.outbox import Outbox
from streamer.record import OWED, Held
from streamer.store import StoreFailed
from tests.store.said import final


def waiting(*outcomes):
    """Two messages of which the first is stored with each of these outcomes: what the outbox gives in the end."""

    async def conversation():
        got = []
        outbox = Outbox(10)
        stored = asyncio.get_running_loop().create_future()
        outbox.put(Held(final(), stored))
        outbox.put(Flushed(id=1))
        for _ in range(2):  # two writers that are cancelled while they wait, as when a socket is lost
            writer = asyncio.create_task(outbox.next())
            await asyncio.sleep(0.01)
            assert not writer.done()
            writer.cancel()
            with suppress(asyncio.CancelledError):
                await writer
        assert len(outbox) == 2
        stored.set_result(*outcomes)
        outbox.put_close(1000, "stop")
        while (message := await outbox.next()) is not None:
            got.append(message)
        return got

    return asyncio.run(conversation())


def test_a_writer_that_is_replaced_while_it_waits_loses_nothing():
    assert waiting(None) == [final(), Flushed(id=1)]


def test_a_warning_comes_right_behind_what_was_not_stored():
    warning = Warned(code="not_stored", message=OWED.format(why="the disk is full"))
    assert waiting(StoreFailed("the disk is full")) == [final(), warning, Flushed(id=1)]
