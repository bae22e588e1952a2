"""A server that stops does so within its bounds, whoever is still there."""

import asyncio
import json
import socket
import threading
import time
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from streamer.engine.scripted import Script, Scripted
from tests.driving import speech
from tests.serving import serving
from tests.test_server import Loud

SPEECH = speech("#" * 60).tobytes()


@pytest.fixture
def stuck():
    """A server whose engine is asked and does not answer, until the test is over."""
    gate = threading.Event()
    with serving(
        lambda: Scripted(Script(cost=lambda jobs: 1.0, sleep=lambda seconds: gate.wait(30) and None)), judge=Loud(), drain_s=0.3
    ) as one:
        stop = one.server.stop

        async def stopped():  # the engine's thread is waited for at the end, which is not what is measured here
            asyncio.get_running_loop().call_later(4.0, gate.set)
            await stop()

        one.server.stop = stopped
        yield one
        gate.set()


async def speak(server, path="/ws", start='{"type": "start"}'):
    connected = await connect(server.url.replace("http", "ws", 1) + path, compression=None)
    await connected.recv()
    await connected.send(start)
    await connected.send(SPEECH)
    return connected


async def rest(connected):
    got = []
    with suppress(ConnectionClosed):
        async for text in connected:
            got.append(json.loads(text))
    return got, connected.close_code


def stopping(server):
    return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(server.server.stop(), server._loop))


@pytest.mark.parametrize("start", ['{"type": "start"}', '{"type": "start", "resume": true}'], ids=["plain", "with resume"])
def test_a_session_that_the_drain_cannot_finish_is_told_so_and_closed(stuck, start):
    async def story():
        connected = await speak(stuck, start=start)
        began = time.monotonic()
        done = stopping(stuck)
        told = await rest(connected)
        took = time.monotonic() - began
        await done
        return *told, took

    got, code, took = asyncio.run(asyncio.wait_for(story(), 30))
    stuck.server.stop = lambda: asyncio.sleep(0)
    error, closed = got[-2:]
    assert (error["type"], error["code"], error["fatal"]) == ("error", "internal", True)
    assert (
        error["message"] == "the server stops, and what was said could not be finished within 0.3 s; begin a new session, and say it again"
    )
    assert (closed["type"], closed["reason"], code) == ("closed", "internal", 1011)
    assert took < 8.0


def test_a_client_that_neither_reads_nor_answers_does_not_hold_up_the_stop(stuck):
    async def story():
        connected = await speak(stuck)
        connected.transport.pause_reading()
        began = time.monotonic()
        await stopping(stuck)
        took = time.monotonic() - began
        connected.transport.abort()
        return took

    assert asyncio.run(asyncio.wait_for(story(), 30)) < 8.0
    stuck.server.stop = lambda: asyncio.sleep(0)


def test_a_handshake_that_is_never_finished_does_not_hold_up_the_stop():
    with serving(judge=Loud()) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as half:
            half.sendall(b"GET /ws HTTP/1.1\r\nHost: x\r\n")
            time.sleep(0.1)
            began = time.monotonic()
            server.call(server.server.stop())
            server.server.stop = lambda: asyncio.sleep(0)
            assert time.monotonic() - began < 5.0


def test_a_follower_that_does_not_read_does_not_hold_up_the_stop():
    async def story(server):
        async with connect(server.url.replace("http", "ws", 1) + "/calls/c", compression=None) as follower:
            await follower.recv()
            follower.transport.pause_reading()
            began = time.monotonic()
            await stopping(server)
            server.server.stop = lambda: asyncio.sleep(0)
            follower.transport.abort()
            return time.monotonic() - began

    with serving(judge=Loud()) as server:
        assert asyncio.run(asyncio.wait_for(story(server), 30)) < 8.0
