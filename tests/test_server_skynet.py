"""Jitsi's wire over real sockets, with the scripted engine: a meeting on one socket, and a session for each who speaks."""

import asyncio
import json
import threading
import time
from contextlib import suppress
from itertools import zip_longest

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streamer.access.guard import Guard
from streamer.access.keys import Keys, new_key, save
from streamer.engine.scripted import Script, Scripted
from tests.driving import Driver, speech
from tests.serving import serving
from tests.test_server import Loud
from tests.wires.test_skynet import message

PATH = "/streaming-whisper/ws/0b5b6a7e-8c1d-4f60-9a55-0c9d5b0c3a11"
SCRIPT = "." * 20 + "#" * 60 + "." * 40 + "#" * 50 + "." * 40
SPEAKERS = {f"speaker{n}": speech(SCRIPT, seed=n) for n in range(3)}
OPEN = speech("." * 20 + "#" * 60)  # without the silence that would end it
END = b"\0"


@pytest.fixture(scope="module")
def server():
    with serving(judge=Loud(), heartbeat_s=0.2) as running:
        yield running


def address(server, path=PATH):
    return server.url.replace("http", "ws", 1) + path


def messages_of(name, samples, step=8_000):
    return [message(name, samples[at : at + step].tobytes()) for at in range(0, len(samples), step)]


def interleaved(speakers):
    rows = zip_longest(*(messages_of(name, samples) for name, samples in speakers.items()))
    return [one for row in rows for one in row if one]


def finals_of(samples):
    return [final.text for final in Driver().start().hear(samples).stop().finals]


async def read(socket):
    """What came until the socket closed."""
    got = []
    with suppress(ConnectionClosed):
        async with asyncio.timeout(20):
            async for text in socket:
                got.append(json.loads(text))
    return got


def texts(got, name, kind="final"):
    return [one["text"] for one in got if one["participant_id"] == name and one["type"] == kind]


def sessions(server, count, *, total=None):
    """Wait until so many are open, and have been."""
    for _ in range(1_000):
        if server.metric("streamer_open_sessions") == count and (total or 0) <= server.metric("streamer_sessions_total"):
            return
        time.sleep(0.01)
    raise AssertionError(server.metric("streamer_open_sessions"))


def test_three_speakers_interleaved_are_each_heard_alone(server):
    async def conversation():
        async with connect(address(server), compression=None) as socket:
            for data in [*interleaved(SPEAKERS), END]:
                await socket.send(data)
            return await read(socket), socket.close_code

    before = server.metric("streamer_sessions_total")
    began_ms = time.time_ns() // 1_000_000
    got, code = asyncio.run(conversation())
    assert code == 1000
    assert {one["participant_id"] for one in got} == set(SPEAKERS)
    for name, samples in SPEAKERS.items():
        assert texts(got, name) == finals_of(samples)
    finals = [one for one in got if one["type"] == "final"]
    assert len({one["id"] for one in finals}) == len(finals) == 6
    assert {one["id"] for one in got} == {one["id"] for one in finals}
    assert all(isinstance(one["variance"], float) for one in got)
    assert all(-500 <= one["ts"] - began_ms <= 10_000 for one in finals)  # the first message holds half a second
    assert finals[0]["sensevoice"]["emotion"]["label"] == "neutral"
    assert server.metric("streamer_sessions_total") == before + 3
    sessions(server, 0)


def test_a_meeting_is_followed_by_its_id_with_the_name_of_each_speaker(server):
    async def conversation():
        path = PATH + "f"
        async with connect(server.url.replace("http", "ws", 1) + "/calls/" + path.rpartition("/")[2]) as follower:
            async with connect(address(server, path), compression=None) as socket:
                for data in [*interleaved(SPEAKERS), END]:
                    await socket.send(data)
                await read(socket)
            return [json.loads(data) async for data in follower]

    got = asyncio.run(conversation())
    for name, samples in SPEAKERS.items():
        finals = [one["text"] for one in got if one["type"] == "final" and one["channel_name"] == name]
        assert finals == finals_of(samples)
    assert [one["state"] for one in got if one["type"] == "call"] == ["awaited", "live", "ended"]


def test_interims_come_while_somebody_speaks(server):
    async def conversation():
        async with connect(address(server), compression=None) as socket:
            for data in messages_of("a", OPEN):
                await socket.send(data)
            return json.loads(await asyncio.wait_for(socket.recv(), 10))

    interim = asyncio.run(conversation())
    assert (interim["type"], interim["participant_id"]) == ("interim", "a")
    sessions(server, 0)  # as the client has left


def test_the_end_finishes_what_is_being_said(server):
    async def conversation():
        async with connect(address(server), compression=None) as socket:
            for data in [*messages_of("a", OPEN), END]:
                await socket.send(data)
            return await read(socket), socket.close_code

    got, code = asyncio.run(conversation())
    assert (texts(got, "a"), code) == (finals_of(OPEN), 1000)


def test_whoever_stops_sending_is_finished_and_the_meeting_goes_on(server, monkeypatch):
    monkeypatch.setattr("streamer.wires.skynet.Skynet.pause_s", 0.3)

    async def conversation():
        async with connect(address(server), compression=None) as socket:
            got = []
            for _ in range(2):
                for data in messages_of("a", OPEN):
                    await socket.send(data)
                got.append(await anext(one async for one in _json(socket) if one["type"] == "final"))
            await socket.send(END)
            return got + await read(socket), socket.close_code

    async def _json(socket):
        async for text in socket:
            yield json.loads(text)

    before = server.metric("streamer_sessions_total")
    got, code = asyncio.run(conversation())
    assert (texts(got, "a"), code) == (finals_of(OPEN) * 2, 1000)
    assert got[1]["ts"] - got[0]["ts"] >= 300  # the pause is in it
    assert server.metric("streamer_sessions_total") == before + 2


def test_a_key_that_is_revoked_ends_its_meeting_while_somebody_speaks_and_while_nobody_does(tmp_path):
    key, text = new_key("desk")

    async def conversation(running, *heard):
        save(tmp_path / "keys", [key])
        async with connect(address(running), additional_headers={"Authorization": f"Bearer {text}"}, compression=None) as socket:
            for data in heard:
                await socket.send(data)
            if heard:
                await socket.recv()
            save(tmp_path / "keys", [])
            return len(texts(await read(socket), "a")), socket.close_code, socket.close_reason

    save(tmp_path / "keys", [key])
    with serving(judge=Loud(), heartbeat_s=0.1, guard=Guard(keys=Keys(tmp_path / "keys"))) as running:
        assert asyncio.run(conversation(running, *messages_of("a", OPEN))) == (1, 1008, "access_revoked")
        assert asyncio.run(conversation(running)) == (0, 1008, "access_revoked")


def test_a_meeting_in_which_nobody_speaks_is_closed(server, monkeypatch):
    monkeypatch.setattr("streamer.wires.skynet.Skynet.idle_timeout_s", 0.2)

    async def conversation():
        async with connect(address(server)) as socket:
            return await read(socket), socket.close_code, socket.close_reason

    assert asyncio.run(conversation()) == ([], 1001, "idle_timeout")


def test_who_vanishes_leaves_no_session_and_no_task():
    async def tasks():
        return sorted(task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task())

    async def conversation(running):
        async with connect(address(running), compression=None) as socket:
            for data in interleaved(dict.fromkeys(SPEAKERS, OPEN)):
                await socket.send(data)
            await socket.recv()
            during.append(running.call(tasks()))
            socket.transport.abort()

    during = []
    with serving(judge=Loud()) as running:
        before = running.call(tasks())
        asyncio.run(conversation(running))
        sessions(running, 0)
        for _ in range(500):
            if running.call(tasks()) == before:
                break
            time.sleep(0.01)
        assert running.call(tasks()) == before
    assert len(during[0]) > len(before) + 10


def test_jigasi_ends_and_disconnects_at_once(server):
    async def conversation():
        async with connect(address(server), compression=None) as socket:
            for data in messages_of("a", OPEN):
                await socket.send(data)
            await socket.recv()
            await socket.send(END)
            socket.transport.abort()

    asyncio.run(conversation())
    sessions(server, 0)


def test_who_finds_the_server_full_is_not_heard_until_there_is_room(caplog):
    async def conversation(running):
        async with connect(address(running), compression=None) as socket:
            for data in [*interleaved(SPEAKERS), END]:
                await socket.send(data)
            first = await read(socket)
        async with connect(address(running), compression=None) as socket:
            for data in [*messages_of("speaker2", SPEAKERS["speaker2"]), END]:
                await socket.send(data)
            return first, await read(socket)

    with serving(judge=Loud(), max_sessions=2) as running:
        first, second = asyncio.run(conversation(running))
        assert running.metric('streamer_refused_total{reason="server_full"}') == 1
    assert texts(first, "speaker0") == finals_of(SPEAKERS["speaker0"])
    assert texts(first, "speaker1") == finals_of(SPEAKERS["speaker1"])
    assert texts(first, "speaker2") == []
    assert texts(second, "speaker2") == finals_of(SPEAKERS["speaker2"])
    assert "'speaker2' is not heard: all 2 sessions are taken; try again later" in caplog.text


def test_meetings_are_bounded_as_sessions_are():
    async def conversation(running):
        async with connect(address(running)):
            with pytest.raises(InvalidStatus) as refused:
                await connect(address(running))
            return refused.value.response.status_code

    with serving(judge=Loud(), max_sessions=1) as running:
        assert asyncio.run(conversation(running)) == 503


def test_a_server_that_stops_finishes_every_voice_and_says_so():
    async def conversation(running, stop):
        async with connect(address(running), compression=None) as socket, connect(address(running)) as silent:
            for data in interleaved(dict.fromkeys(("a", "b"), OPEN)):
                await socket.send(data)
            got = [json.loads(await socket.recv()) for _ in range(2)]
            stop()
            got += await read(socket)
            await silent.wait_closed()
            return got, (socket.close_code, silent.close_code)

    release = threading.Event()
    slow = Script(sleep=lambda seconds: release.wait(5) and None, cost=lambda jobs: 1.0)
    release.set()
    with serving(lambda: Scripted(slow), judge=Loud()) as running:
        stopping = []

        def stop():
            release.clear()
            stopping.append(threading.Thread(target=lambda: running.call(running.server.stop())))
            stopping[0].start()
            threading.Timer(0.3, release.set).start()

        got, codes = asyncio.run(conversation(running, stop))
        stopping[0].join(20)
    assert texts(got, "a") == texts(got, "b") == finals_of(OPEN)
    assert codes == (1001, 1001)


def test_what_is_no_message_of_this_wire_is_borne_for_a_while(server):
    async def conversation(*nonsense):
        async with connect(address(server), compression=None) as socket:
            for data in [*nonsense, *messages_of("a", OPEN), END]:
                with suppress(ConnectionClosed):
                    await socket.send(data)
            return texts(await read(socket), "a"), socket.close_code, socket.close_reason

    assert asyncio.run(conversation("hello", b"\1\2", bytes(80))) == (finals_of(OPEN), 1000, "stop")
    assert asyncio.run(conversation(*[b"\1\2"] * 30)) == ([], 1008, "too_many_errors")


def test_it_may_have_a_port_of_its_own_for_jigasis_default_address():
    async def conversation(running):
        async with connect(f"ws://127.0.0.1:{running.port('skynet')}/ws/some-id", compression=None) as socket:
            for data in [*messages_of("a", OPEN), END]:
                await socket.send(data)
            return await read(socket)

    with serving(judge=Loud(), listen={"skynet": 0}) as running:
        assert texts(asyncio.run(conversation(running)), "a") == finals_of(OPEN)
