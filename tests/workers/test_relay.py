"""Calls across gateways."""

import asyncio
import json
from contextlib import suppress

import pytest

from streamer import calls
from streamer.calls import Calls
from streamer.core.events import SpeechStarted
from streamer.workers import relay

SPOKEN = SpeechStarted(segment=0, channel=0, begin_ms=20)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(calls, "GRACE_S", 0.0)
    monkeypatch.setattr(relay, "AGAIN_S", 0.01)


async def until(holds):
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


def test_who_follows_elsewhere_hears_the_call_and_its_end(tmp_path):
    path, got = tmp_path / "calls-0", []

    async def story():
        here = Calls()
        following = asyncio.create_task(relay.follow([path], "ü/1", lambda text: got.append(json.loads(text))))
        await asyncio.sleep(0.03)  # nobody listens there yet
        sharing = asyncio.create_task(relay.share(path, here, None))
        await until(lambda: len(here) == 1)
        telling = here.join("ü/1", "s")
        telling.tell(SPOKEN)
        await telling.leave()
        await until(lambda: len(got) == 3)
        following.cancel()
        sharing.cancel()
        await asyncio.gather(following, sharing, return_exceptions=True)

    asyncio.run(story())
    assert [message.get("state", message["type"]) for message in got] == ["live", "speech.started", "ended"]


def test_a_gateway_that_follows_no_more_is_forgotten(tmp_path):
    path = tmp_path / "calls-0"

    async def story():
        here = Calls()
        sharing = asyncio.create_task(relay.share(path, here, None))
        following = asyncio.create_task(relay.follow([path], "c", print))
        await until(lambda: len(here) == 1)
        following.cancel()
        await until(lambda: len(here) == 0)
        sharing.cancel()
        with suppress(asyncio.CancelledError):
            await sharing

    asyncio.run(story())


def test_nonsense_is_borne(tmp_path):
    path = tmp_path / "calls-0"

    async def story():
        sharing = asyncio.create_task(relay.share(path, Calls(), None))
        await until(path.exists)
        for line in (b"", b"nonsense\n", b"\xff\n"):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(line)
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
        sharing.cancel()

    asyncio.run(story())
