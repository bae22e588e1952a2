"""Carriers' streams over real sockets, with the scripted engine: nothing comes back, and what was said is finished for who follows."""

import asyncio
import time
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streamer.connection import Connection
from streamer.core.events import Closed, ErrorSent, Final, SessionConfigured
from streamer.engine.scripted import Script, Scripted
from tests.carriers import exotel, mulaw, plivo, telnyx, twilio
from tests.driving import speech
from tests.serving import serving
from tests.test_server import Loud

SPEECH, PAUSE = "#" * 75, "." * 60


def said(script, seed):
    """8 kHz int16."""
    return speech(script, seed)[::2]


AGENT, CUSTOMER = said(PAUSE + PAUSE + SPEECH, 1), said(PAUSE + SPEECH + PAUSE, 2)
TRACKS = {"inbound": mulaw(CUSTOMER), "outbound": mulaw(AGENT)}
CUTS = {
    "/twilio": twilio(TRACKS),
    "/telnyx": telnyx(TRACKS),
    "/plivo": plivo(TRACKS),
    "/exotel": exotel(CUSTOMER.astype("<i2").tobytes()),
}


@pytest.fixture(scope="module")
def server():
    with serving(judge=Loud()) as running:
        yield running


@pytest.fixture
def followed(monkeypatch):
    """What a session tells, as a follower would read it."""
    told = []
    send = Connection._send

    def telling(connection, message):
        told.append(message)
        send(connection, message)

    monkeypatch.setattr(Connection, "_send", telling)
    return told


def dialled(server, path, messages, *, hang_up=False, wait=True):
    """A carrier's call: what came back, and the close code and reason."""

    async def call():
        async with connect(server.url.replace("http", "ws", 1) + path, compression=None) as socket:
            got = []
            for message in messages:
                await socket.send(message)
            if hang_up:
                socket.transport.abort()
                return got, None, None
            with suppress(ConnectionClosed):
                async with asyncio.timeout(20):
                    got.extend([text async for text in socket])
            return got, socket.close_code, socket.close_reason

    return asyncio.run(call())


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def closed(told):
    return any(isinstance(message, Closed) for message in told)


@pytest.mark.parametrize("path", CUTS)
def test_a_call_is_heard_by_who_follows_and_its_carrier_reads_nothing(server, followed, path):
    got, code, reason = dialled(server, path, CUTS[path])
    assert (got, code, reason) == ([], 1000, "stop")
    (configured,) = [message for message in followed if isinstance(message, SessionConfigured)]
    names = configured.format.channel_names
    finals = {names[message.channel]: (message.begin_ms, len(message.words)) for message in followed if isinstance(message, Final)}
    spoken = {"customer": (880, 8), "agent": (2_080, 7)}  # 320 ms before the speech itself
    assert finals == {name: spoken[name] for name in names}
    assert not [message for message in followed if isinstance(message, ErrorSent)]


@pytest.mark.parametrize("messages", [twilio(TRACKS, stop=False), twilio(TRACKS)], ids=["without a word", "after stop"])
def test_a_carrier_that_hangs_up_loses_nobody_a_word(followed, messages):
    slow = Script(cost=lambda jobs: 0.3, sleep=time.sleep)
    with serving(lambda: Scripted(slow), judge=Loud()) as server:
        dialled(server, "/twilio", messages, hang_up=True)
        until(lambda: closed(followed))
        finals = [message for message in followed if isinstance(message, Final)]
        assert {message.channel for message in finals} == {0, 1}
        assert all(message.text for message in finals)
        assert isinstance(followed[-1], Closed)
        assert followed[-1].reason == ("stop" if "stop" in messages[-1] else "gone")
        until(lambda: server.metric("streamer_open_sessions") == 0)
        assert server.metric('streamer_errors_total{code="slow_reader"}') == 0


def test_a_session_that_cannot_be_finished_is_not_waited_for_longer_than_a_drain(followed):
    slow = Script(cost=lambda jobs: 3.0, sleep=time.sleep)
    with serving(lambda: Scripted(slow), judge=Loud(), drain_s=0.2) as server:
        dialled(server, "/twilio", twilio(TRACKS, stop=False), hang_up=True)
        until(lambda: followed)
        until(lambda: server.metric("streamer_open_sessions") == 0, seconds=3)
        assert not closed(followed)


def test_a_client_that_reads_its_own_results_is_forgotten_when_it_leaves(server, followed):
    dialled(server, "/v1/listen?encoding=mulaw", [mulaw(CUSTOMER)], hang_up=True)
    until(lambda: server.metric("streamer_open_sessions") == 0)
    assert not closed(followed)


def test_a_carrier_that_leaves_before_it_began_leaves_nothing(server, followed):
    dialled(server, "/twilio", twilio(TRACKS)[:1], hang_up=True)
    until(lambda: server.metric("streamer_open_sessions") == 0, seconds=3)
    assert not [message for message in followed if isinstance(message, ErrorSent | SessionConfigured)]


def test_a_codec_that_cannot_be_read_closes_the_socket_with_a_sentence(server, followed):
    got, code, reason = dialled(server, "/telnyx", telnyx(TRACKS, encoding="OPUS"))
    assert (got, code) == ([], 1007)
    assert reason == "the encoding is 'OPUS', expected PCMU, PCMA or L16 (mulaw, alaw, linear PCM)"
    (error,) = [message for message in followed if isinstance(message, ErrorSent)]
    assert (error.message, error.fatal) == (reason, True)


def test_an_option_that_cannot_be_followed_refuses_the_handshake(server):
    with pytest.raises(InvalidStatus) as refused:
        dialled(server, "/plivo?inbound=caller", [])
    assert refused.value.response.status_code == 400
    assert refused.value.response.body.decode() == "inbound is 'caller', expected customer or agent\n"


@pytest.mark.parametrize("how", ["drained", "idle"])
def test_what_the_wire_held_back_is_heard_when_the_session_is_ended_from_elsewhere(followed, how):
    one = {"inbound": mulaw(CUSTOMER)}  # the other track is waited for

    async def call(server):
        async with connect(server.url.replace("http", "ws", 1) + "/telnyx", compression=None) as carrier:
            for message in telnyx(one, stop=False):
                await carrier.send(message)
            until(lambda: any(isinstance(message, Final) for message in followed))
            if how == "drained":
                (connection,) = server.server.hosting.connections
                server.call(connection.stop("going_away"))
            with suppress(ConnectionClosed):
                await asyncio.wait_for(carrier.recv(), 20)
            return carrier.close_code

    with serving(judge=Loud(), idle_timeout_s=1 if how == "idle" else 30) as server:
        assert asyncio.run(call(server)) == (1008 if how == "idle" else 1001)
    assert followed[-1].totals["audio_ms"] == len(CUSTOMER) // 8
