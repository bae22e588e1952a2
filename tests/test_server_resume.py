"""A client whose socket was lost comes back to its session: nothing is missed, nothing comes twice, nothing is heard twice."""

import asyncio
import contextlib
import json
import random
import time

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streamer import calls, outbox
from streamer.access.guard import Guard
from tests.driving import Driver, speech
from tests.serving import serving
from tests.test_server import Loud

SCRIPT = ("." * 10 + "#" * 40 + "." * 40) * 4
AUDIO = speech(SCRIPT).tobytes()
TEXTS = [final.text for final in Driver().start().hear(speech(SCRIPT)).stop().finals]


@pytest.fixture(scope="module")
def server():
    with serving(judge=Loud(), heartbeat_s=0.05, resume_s=2, idle_timeout_s=30) as running:
        yield running


class Client:
    """Speaks, loses its socket when told to, comes back, and keeps what came."""

    def __init__(self, server, **settings):
        self.url = server.socket
        self.settings = {"resume": True, **settings}
        self.log = [json.dumps({"type": "start", **self.settings})]  # everything sent, in order
        self.got, self.seen, self.code = [], 0, None

    async def begin(self):
        self.socket = await connect(self.url, compression=None)
        self.created = json.loads(await self.socket.recv())
        await self.socket.send(self.log[0])
        return self

    async def say(self, message):
        self.log.append(message)
        await self.socket.send(message)

    async def read(self, until=lambda message: False):
        try:
            async for data in self.socket:
                message = json.loads(data)
                self.take(message)
                if until(message):
                    return
        except ConnectionClosed:
            pass
        self.code = self.socket.close_code

    def take(self, message):
        if message["type"] not in ("heartbeat", "session.resumed"):
            self.got.append(message)
        self.seen = message["seq"]

    def lose(self):
        self.socket.transport.abort()

    def back(self, token=None, after=None, **options):
        token, after = token or self.created["resume_token"], self.seen if after is None else after
        return connect(f"{self.url}?resume={token}&after={after}", compression=None, **options)

    async def come_back(self):
        self.socket = await self.back()
        resumed = json.loads(await self.socket.recv())
        assert resumed["type"] == "session.resumed"
        bytes_, texts = resumed["received_bytes"], resumed["received_messages"]
        for message in self.log:
            if isinstance(message, str):
                texts -= 1
                if texts < 0:
                    await self.socket.send(message)
            else:
                rest = message[max(bytes_, 0) :]
                bytes_ -= len(message)
                if rest:
                    await self.socket.send(rest)
        assert texts <= 0
        return resumed

    @property
    def texts(self):
        return [message["text"] for message in self.got if message["type"] == "final"]


def kinds(client):
    return [message["type"] for message in client.got if message["type"] not in ("partial", "sound")]


def test_a_client_that_comes_back_misses_nothing_and_is_heard_once(server):
    async def story():
        client = await Client(server).begin()
        for at in range(0, len(AUDIO), 3_200):
            if at == 3_200 * 20:
                await client.read(lambda message: message["type"] == "final")
                client.lose()
                await client.come_back()
            await client.say(AUDIO[at : at + 3_200])
        await client.say('{"type": "stop"}')
        await client.read()
        return client

    client = asyncio.run(story())
    assert client.texts == TEXTS
    assert kinds(client) == ["session.configured"] + ["speech.started", "speech.ended", "final"] * 4 + ["closed"]
    assert [message["segment"] for message in client.got if message["type"] == "final"] == [0, 1, 2, 3]
    assert client.got[-1]["totals"]["audio_ms"] == len(AUDIO) // 32
    assert client.code == 1000


@pytest.mark.parametrize("seed", range(8))
def test_wherever_and_however_often_the_socket_is_lost_every_final_comes_once(server, seed):
    dice = random.Random(seed)

    async def story():
        client = await Client(server).begin()
        for at in range(0, len(AUDIO), 4_001):
            await client.say(AUDIO[at : at + 4_001])
            if dice.random() < 0.3:
                await asyncio.sleep(dice.random() * 0.02)
                reading = asyncio.create_task(client.read())
                await asyncio.sleep(dice.random() * 0.02)
                client.lose()
                await reading
                await client.come_back()
        await client.say('{"type": "stop"}')
        await client.read()
        return client

    client = asyncio.run(story())
    assert client.texts == TEXTS
    assert kinds(client) == ["session.configured"] + ["speech.started", "speech.ended", "final"] * 4 + ["closed"]


def test_what_was_answered_while_nobody_listened_comes_afterwards_with_the_goodbye(server):
    async def story():
        client = await Client(server).begin()
        await client.say(AUDIO)
        await client.say('{"type": "flush", "id": 7}')
        await client.say('{"type": "stop"}')
        await asyncio.sleep(0.3)  # all is said, and none of it read
        client.lose()
        await client.come_back()
        await client.read()
        return client

    client = asyncio.run(story())
    assert client.texts == TEXTS
    assert [message["id"] for message in client.got if message["type"] == "flushed"] == [7]
    assert (client.got[-1]["type"], client.code) == ("closed", 1000)


def test_a_pong_proves_what_has_arrived_and_it_is_kept_no_longer(server, monkeypatch):
    monkeypatch.setattr(outbox, "KEPT", 2)

    async def story():
        client = await Client(server).begin()
        await client.say(AUDIO)
        await client.read(lambda message: message["type"] == "final" and message["segment"] == 2)
        (connection,) = server.server.hosting.connections
        reading = asyncio.create_task(client.read())
        async with asyncio.timeout(10):
            while len(connection._unconfirmed) > 2:  # noqa: ASYNC110 - of another thread's loop
                await asyncio.sleep(0.01)
        client.lose()
        await reading
        with pytest.raises(InvalidStatus) as refused:
            await client.back(after=1)
        await client.come_back()
        await client.socket.close()
        return refused.value.response.body.decode()

    assert asyncio.run(story()) == "the session cannot be resumed: it has missed more than is kept. Begin a new one\n"


def test_the_old_socket_may_still_look_alive(server):
    async def story():
        client = await Client(server).begin()
        await client.say(AUDIO[: len(AUDIO) // 2])
        old = client.socket
        await client.come_back()
        with pytest.raises(ConnectionClosed):
            while True:
                await old.recv()
        await client.say(AUDIO[len(AUDIO) // 2 :])
        await client.say('{"type": "stop"}')
        await client.read()
        return client

    assert asyncio.run(story()).texts == TEXTS


def test_a_session_keeps_its_one_place_over_all_its_sockets():
    with serving(judge=Loud(), guard=Guard(sessions_per_address=1), resume_s=30) as server:

        async def newcomer():
            async with connect(server.socket):
                pass

        async def story():
            client = await Client(server).begin()
            await client.come_back()  # while the old socket looks alive
            client.lose()
            with pytest.raises(InvalidStatus, match="429"):
                await newcomer()
            await client.come_back()
            await client.say('{"type": "stop"}')
            await client.read()
            async with asyncio.timeout(10):
                while True:
                    with contextlib.suppress(InvalidStatus):
                        return await newcomer()

        asyncio.run(story())


def test_heartbeats_acknowledge_what_was_received(server):
    async def story():
        client = await Client(server).begin()
        await client.say(AUDIO[:5_000])
        await client.say('{"type": "keepalive"}')
        async with asyncio.timeout(10):
            while True:
                message = json.loads(await client.socket.recv())
                if message["type"] == "heartbeat" and (message["received_bytes"], message["received_messages"]) == (5_000, 2):
                    break
        await client.socket.close()

    asyncio.run(story())


def test_who_cannot_come_back_is_told_why(server):
    async def refusal(client, **options):
        with pytest.raises(InvalidStatus) as refused:
            await client.back(**options)
        return refused.value.response.status_code, refused.value.response.body.decode()

    async def story():
        client = await Client(server).begin()
        await client.say(AUDIO)
        await client.read(lambda message: message["type"] == "final")
        yes = await refusal(client, token="nonsense")
        wrong = await refusal(client, subprotocols=["msgpack"])
        number = await refusal(client, after="many")
        await client.socket.close()
        await asyncio.sleep(0.1)
        left = await refusal(client)
        other = await Client(server, resume=False).begin()
        await other.read(lambda message: message["type"] == "session.configured")
        unasked = await refusal(other)
        await other.socket.close()
        return yes, wrong, number, left, unasked

    unknown, wrong, number, left, unasked = asyncio.run(story())
    begin = "the session cannot be resumed: "
    assert unknown == left == (410, begin + "no session waits for it; the window may be over. Begin a new one\n")
    assert wrong == (410, begin + "its session speaks json; come back with the same subprotocol. Begin a new one\n")
    assert number == (400, "after is 'many', expected the seq of the last message that came, or 0\n")
    assert unasked == (410, begin + "its session has not asked for `resume`, or has ended. Begin a new one\n")


def test_a_session_whose_client_does_not_come_back_is_finished_for_its_followers_and_forgotten():
    async def story(running):
        client = Client(running)
        client.url += "?call=c"
        async with connect(running.url.replace("http", "ws", 1) + "/calls/c") as follower:
            await client.begin()
            await client.say(AUDIO[: 32 * 800])
            await client.read(lambda message: message["type"] == "speech.started")
            client.lose()
            return [json.loads(data) async for data in follower]

    grace, calls.GRACE_S = calls.GRACE_S, 0.05
    try:
        with serving(judge=Loud(), resume_s=0.2, heartbeat_s=60) as running:
            got = asyncio.run(story(running))
            assert running.metric("streamer_detached_sessions") == 0
            assert running.metric("streamer_open_sessions") == 0
    finally:
        calls.GRACE_S = grace
    assert [message["type"] for message in got[-3:]] == ["final", "closed", "call"]
    assert got[-2]["reason"] == "gone"


def test_a_server_that_stops_does_not_wait_for_who_may_come_back():
    async def story(running):
        client = await Client(running).begin()
        await client.say(AUDIO)
        client.lose()
        await asyncio.sleep(0.2)

    with serving(judge=Loud(), resume_s=60, drain_s=30) as running:
        asyncio.run(story(running))
        assert running.metric("streamer_detached_sessions") == 1
        began = time.monotonic()
    assert time.monotonic() - began < 10
