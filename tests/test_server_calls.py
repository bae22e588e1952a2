"""A second socket follows a session by the id of its call."""

import asyncio
import json
from urllib.parse import quote

import msgpack
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streamer import calls
from tests.driving import speech
from tests.serving import serving
from tests.test_server import Loud

SENTENCE = speech("." * 20 + "#" * 60 + "." * 40).tobytes()
START = json.dumps({"type": "start", "channel_names": ["customer"]})


@pytest.fixture(scope="module")
def server():
    grace, calls.GRACE_S = calls.GRACE_S, 0.1
    with serving(judge=Loud(), max_followers=3, heartbeat_s=60) as running:
        yield running
    calls.GRACE_S = grace


def at(server, path):
    return server.url.replace("http", "ws", 1) + path


async def read(socket):
    got = []
    try:
        async for data in socket:
            got.append(msgpack.unpackb(data) if isinstance(data, bytes) else json.loads(data))
    except ConnectionClosed:
        pass
    return got, socket.close_code


async def speak(server, call):
    async with connect(at(server, f"/ws?call={call}")) as socket:
        await socket.send(START)
        await socket.send(SENTENCE)
        await socket.send('{"type": "stop"}')
        return await read(socket)


@pytest.mark.parametrize("subprotocols", [None, ["msgpack"]])
def test_a_follower_reads_what_the_session_says_and_is_told_when_the_call_has_ended(server, subprotocols):
    async def story():
        call = f"CA:{subprotocols}"
        async with connect(at(server, "/calls/" + quote(call, safe="")), subprotocols=subprotocols) as follower:
            await follower.send("whatever")
            own, _ = await speak(server, quote(call, safe=""))
            return own, *await read(follower)

    own, got, code = asyncio.run(story())
    assert code == 1000
    assert [message.get("state") for message in got if message["type"] == "call"] == ["awaited", "live", "ended"]
    assert [message["type"] for message in got if message["type"] != "call"] == [message["type"] for message in own]
    final = next(message for message in got if message["type"] == "final")
    ours = next(message for message in own if message["type"] == "final")
    assert {"seq": ours["seq"], **final} == {**ours, "session_id": own[0]["session_id"], "channel_name": "customer"}


def test_followers_are_counted_and_bounded_and_leave_when_they_like(server):
    async def story():
        sockets = [await connect(at(server, f"/calls/{n}")) for n in range(3)]
        assert await asyncio.to_thread(server.metric, "streamer_followers") == 3
        with pytest.raises(InvalidStatus) as refused:
            await connect(at(server, "/calls/4"))
        assert refused.value.response.status_code == 503
        for socket in sockets:
            await socket.close()
        while await asyncio.to_thread(server.metric, "streamer_followers"):
            pass

    asyncio.run(asyncio.wait_for(story(), 20))
    assert len(server.server.hosting.calls) == 0


@pytest.mark.parametrize("path", ["/calls/" + "x" * 257, "/ws?call=" + "x" * 257, "/ws?call="])
def test_an_id_that_is_none_is_refused(server, path):
    with pytest.raises(InvalidStatus) as refused:
        asyncio.run(connect(at(server, path)).__aenter__())
    assert refused.value.response.status_code == 400
    assert refused.value.response.body.startswith(b"the id of a call has ")


def test_a_server_that_stops_tells_followers_that_their_calls_have_ended():
    async def story(running):
        async with connect(at(running, "/calls/c")) as follower:
            speaking = asyncio.create_task(speak(running, "c"))
            await speaking
            stopping = asyncio.create_task(asyncio.to_thread(running.call, running.server.stop()))
            got, code = await read(follower)
            await stopping
            return got, code

    with serving(judge=Loud()) as running:
        got, code = asyncio.run(story(running))
        running.server.stop = lambda: asyncio.sleep(0)
    assert (got[-1]["state"], code) == ("ended", 1000)
