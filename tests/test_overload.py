"""More than the engine can do, over real sockets: refreshes come less often, newcomers are refused, and no final is lost."""

import asyncio
import json
import socket
import time

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from streamer.engine import BatchLimits
from streamer.engine.scripted import Script, Scripted
from tests.driving import Driver, speech
from tests.serving import serving
from tests.test_server import Loud
from tests.test_server import talk as conversation

CHUNK = 3_200  # 100 ms
TALK = [speech("." * 5 + "#" * 100 + "." * 45 + "#" * 60 + "." * 45, seed=n) for n in range(6)]
EXPECTED = [[final.text for final in Driver().start().hear(audio).stop().finals] for audio in TALK]


def slow(speed):
    """An engine that decodes so many seconds of audio in a second."""
    return lambda: Scripted(Script(cost=lambda jobs: sum(job.end - job.begin for job in jobs) / 16_000 / speed, sleep=time.sleep))


async def talk(server, audio, query="", speed=2.0):
    """Speak at ``speed`` times real time; everything that came back."""
    async with connect(server.socket + query, compression=None) as socket:
        await socket.send('{"type": "start", "sounds": false}')

        async def send():
            data = audio.tobytes()
            for at in range(0, len(data), CHUNK):
                await socket.send(data[at : at + CHUNK])
                await asyncio.sleep(0.1 / speed)
            await socket.send('{"type": "stop"}')

        sending = asyncio.create_task(send())
        got = [json.loads(message) async for message in socket]
        await sending
        return got


def texts(got):
    return [message["text"] for message in got if message["type"] == "final"]


def partials(results):
    return sum(message["type"] == "partial" for got in results for message in got)


async def refusal(server, query="", patience_s=20.0):
    """What a newcomer is told once one is refused."""
    async with asyncio.timeout(patience_s):
        while True:
            try:
                async with connect(server.socket + query):
                    await asyncio.sleep(0.05)
            except InvalidStatus as refused:
                return refused.response


def test_overload_first_costs_refreshes_then_newcomers_and_never_a_final():
    async def everybody(server):
        return await asyncio.gather(*(talk(server, audio) for audio in TALK))

    with serving(slow(200), judge=Loud()) as server:
        free = asyncio.run(everybody(server))

    with serving(slow(4), judge=Loud(), max_queue_s=0.5, heartbeat_s=0.1) as server:

        async def crowded():
            talking = asyncio.create_task(everybody(server))
            response = await refusal(server)
            return await talking, response

        busy, response = asyncio.run(asyncio.wait_for(crowded(), 120))
        refused = server.metric('streamer_refused_total{reason="overloaded"}')
        server.call(asyncio.sleep(0.1))
        later = asyncio.run(talk(server, TALK[0], speed=50))

    assert [texts(got) for got in busy] == [texts(got) for got in free] == EXPECTED
    assert 0 < partials(busy) < partials(free) / 2
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert response.body.decode().endswith("s behind, at most 0.5 s are allowed; try again later\n")
    assert refused >= 1
    assert texts(later) == EXPECTED[0]


def test_who_follows_and_who_comes_back_is_not_refused_for_load():
    with serving(slow(4), judge=Loud(), max_queue_s=0.5) as server:

        async def story():
            socket = await connect(server.socket, compression=None)
            token = json.loads(await socket.recv())["resume_token"]
            await socket.send('{"type": "start", "resume": true}')
            talking = asyncio.gather(*(talk(server, audio) for audio in TALK))
            await refusal(server)
            socket.transport.abort()
            async with connect(f"{server.socket}?resume={token}&after=1") as back:
                resumed = json.loads(await back.recv())["type"]
            async with connect(server.socket.replace("/ws", "/calls/c")) as follower:
                state = json.loads(await follower.recv())["state"]
            still = (await refusal(server)).status_code
            await talking
            return resumed, state, still

        assert asyncio.run(asyncio.wait_for(story(), 120)) == ("session.resumed", "awaited", 503)


def test_without_a_bound_nobody_is_refused_for_load():
    with serving(slow(4), judge=Loud(), max_queue_s=0) as server:

        async def story():
            talking = asyncio.gather(*(talk(server, audio) for audio in TALK))
            with pytest.raises(TimeoutError):
                await refusal(server, patience_s=2.0)
            return await talking

        assert [texts(got) for got in asyncio.run(asyncio.wait_for(story(), 120))] == EXPECTED


def test_a_file_sent_at_once_leaves_others_their_words_and_little_memory():
    """It is worked off by turns: whoever speaks waits for one batch of it at the most."""
    file = speech(("#" * 200 + "." * 40) * 12).tobytes() * 30  # half an hour
    alone = Script(
        cost=lambda jobs: sum(job.end - job.begin for job in jobs) / 16_000 / 30,
        sleep=time.sleep,
        limits=BatchLimits(max_items=1, max_audio_s=30.0, buckets_s=(2.0, 10.0, 30.0)),
    )
    with serving(lambda: Scripted(alone), judge=Loud(), drain_s=1) as server:

        async def upload(socket):
            await socket.send('{"type": "start", "sounds": false, "partials": false}')
            for at in range(0, len(file), 320_000):
                await socket.send(file[at : at + 320_000])

        async def story():
            async with connect(server.socket, compression=None, ping_interval=None, max_queue=None) as socket:
                uploading = asyncio.create_task(upload(socket))
                await asyncio.sleep(1.0)
                before = server.metric("process_resident_memory_bytes")
                got = await talk(server, TALK[0], speed=1.0)
                grown = server.metric("process_resident_memory_bytes") - before
                assert not uploading.done()
                uploading.cancel()
                socket.transport.abort()
            return got, grown

        got, grown = asyncio.run(asyncio.wait_for(story(), 120))

    assert texts(got) == EXPECTED[0]
    assert partials([got]) > 2  # of nine without the file
    assert max(message["queue_ms"] for message in got if message["type"] == "final") < 1_000
    assert grown < 20_000_000


def test_little_is_taken_of_a_client_before_it_is_heard():
    """Its pings wait behind what was taken, and its memory is ours."""
    second = speech("#" * 50).tobytes()
    owed_s = 2.0

    async def most_ahead(server):
        ahead = sent = heard = 0
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as plain:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)  # as if the network were between
            async with connect(server.socket, sock=plain, compression=None, ping_interval=None) as client:

                async def read():
                    nonlocal heard
                    async for message in client:
                        heard = json.loads(message).get("received_bytes", heard)

                await client.send('{"type": "start", "sounds": false, "partials": false}')
                reading = asyncio.create_task(read())
                while heard < 120 * len(second):
                    await client.send(second)
                    sent += len(second)
                    ahead = max(ahead, sent - heard)
                client.transport.abort()
                await asyncio.gather(reading, return_exceptions=True)
        return ahead

    with serving(slow(30), judge=Loud(), drain_s=0, backlog_s=owed_s, heartbeat_s=0.05) as server:
        assert asyncio.run(asyncio.wait_for(most_ahead(server), 60)) < 1_600_000


def test_more_messages_than_anybody_needs_wait_and_are_all_read():
    with serving(judge=Loud(), messages_per_s=100, heartbeat_s=0.1) as server:

        async def story():
            began = time.monotonic()
            async with connect(server.socket, compression=None) as socket:
                await socket.send('{"type": "start"}')
                for n in range(800):
                    await socket.send('{"type": "keepalive"}' if n % 2 else b"\0\0")
                await socket.send('{"type": "stop"}')
                closed = [json.loads(message) async for message in socket][-1]
            return closed["reason"], closed["totals"]["audio_ms"], time.monotonic() - began

        reason, audio_ms, seconds = asyncio.run(asyncio.wait_for(story(), 60))

    assert (reason, audio_ms) == ("stop", 25)
    assert seconds > 2.5  # 500 at once, 100 a second from then on


def test_a_session_that_has_lasted_too_long_is_told_after_its_finals():
    with serving(judge=Loud(), max_session_s=1) as server:
        got, code = conversation(server.socket, {"type": "start", "sounds": False}, TALK[0][:32_000].tobytes())

    assert [message["type"] for message in got[-4:]] == ["speech.ended", "final", "error", "closed"]
    assert (got[-2]["code"], got[-2]["fatal"], code) == ("session_too_long", True, 1008)
    assert got[-1]["reason"] == "session_too_long"
