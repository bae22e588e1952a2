"""Wyoming over real TCP, with the scripted engine: what a client sees that leaves, does not read, or comes at a bad time."""

import asyncio
import socket
import struct
import threading
import time

import pytest

from streamer.engine.scripted import Scripted
from tests.driving import Driver, speech
from tests.serving import serving
from tests.test_server import Loud
from tests.wires.test_wyoming import SOUND, chunk, event, read

SENTENCE = speech("." * 20 + "#" * 60 + "." * 40)
TURN = event("audio-start", SOUND) + chunk(SENTENCE.tobytes()) + event("audio-stop")
TEXT = Driver().start().hear(SENTENCE).stop().finals[0].text
RESET = struct.pack("ii", 1, 0)  # lingers for no time: a close tells the other side with a reset


@pytest.fixture(scope="module")
def server():
    with serving(judge=Loud(), listen={"wyoming": 0}) as running:
        yield running


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port("wyoming")), timeout=20)


def until(client, kind):
    """Events up to the first of a kind."""
    data = b""
    while True:
        piece = client.recv(65_536)
        assert piece, data
        data += piece
        try:
            events = read(data)
        except ValueError:  # not whole yet
            continue
        if events and events[-1][0] == kind:
            return events


def rest(client):
    """Events up to the end of the stream."""
    return read(b"".join(iter(lambda: client.recv(65_536), b"")))


def transcripts(events):
    return [data["text"] for kind, data in events if kind == "transcript"]


def wait_until(holds):
    """Within ten seconds."""
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def nobody_is_left(server):
    wait_until(lambda: not server.server.hosting.connections and not server.server.hosting.streams)


def test_a_client_asks_what_is_there_and_has_its_turns_answered(server):
    with connect(server) as client:
        client.sendall(event("describe") + event("ping", {"text": "there?"}))
        (_, info), pong = until(client, "pong")
        assert info["asr"][0]["models"][0]["name"] == "scripted"
        assert pong == ("pong", {"text": "there?"})
        for _ in range(2):
            for begin in range(0, len(TURN), 997):
                client.sendall(TURN[begin : begin + 997])
            assert transcripts(until(client, "transcript-stop")) == [TEXT]


@pytest.mark.parametrize("sent", [TURN, TURN.removesuffix(event("audio-stop"))])
def test_a_client_that_closes_its_own_half_is_answered_and_then_let_go(server, sent):
    with connect(server) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        assert transcripts(rest(client)) == [TEXT]
    nobody_is_left(server)


@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(server, reset):
    with connect(server) as client:
        client.sendall(event("audio-start", SOUND) + chunk(SENTENCE[:20_000].tobytes()) + chunk(bytes(9_000))[:-7])
        wait_until(lambda: server.server.hosting.connections)
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    nobody_is_left(server)
    with connect(server) as client:
        client.sendall(TURN)
        assert transcripts(until(client, "transcript-stop")) == [TEXT]


def test_nonsense_is_told_even_to_who_goes_on_sending_and_the_stream_is_closed(server):
    with connect(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\n" + bytes(4_000_000))
        ((kind, data),) = rest(client)
        assert (kind, data["code"]) == ("error", "invalid_message")
        assert data["text"].startswith("an event's header is 'GET / HTTP/1.1")
    nobody_is_left(server)


def test_an_idle_client_is_told_and_closed():
    with serving(judge=Loud(), listen={"wyoming": 0}, idle_timeout_s=1) as server, connect(server) as client:
        client.sendall(event("audio-start", SOUND))
        ((kind, data),) = rest(client)
        assert (kind, data["text"]) == ("error", "nothing came for 1 s; send audio, or keepalive")


def test_a_client_that_does_not_read_is_let_go():
    with serving(judge=Loud(), listen={"wyoming": 0}, stall_s=1.0, outbox_messages=20) as server, connect(server) as client:
        pings = event("ping", {"text": "x" * 60_000}) * 20
        with pytest.raises(ConnectionError):
            for _ in range(1_000):
                client.sendall(pings)
        nobody_is_left(server)
        assert server.metric('streamer_errors_total{code="slow_reader"}') == 1


def test_one_session_too_many_is_told_so_in_an_event():
    with serving(judge=Loud(), listen={"wyoming": 0}, max_sessions=1) as server, connect(server) as first:
        first.sendall(event("describe"))
        until(first, "info")
        with connect(server) as second:
            second.sendall(TURN)
            assert rest(second) == [("error", {"text": "all 1 sessions are taken; try again later", "code": "server_full"})]
        first.sendall(TURN)
        assert transcripts(until(first, "transcript-stop")) == [TEXT]
        assert server.metric('streamer_refused_total{reason="server_full"}') == 1


def test_while_the_model_loads_a_client_is_told_so_and_may_come_again():
    loaded = threading.Event()

    def build():
        assert loaded.wait(30)
        return Scripted()

    with serving(build, judge=Loud(), warm=False, listen={"wyoming": 0}) as server:
        with connect(server) as client:
            client.sendall(event("describe"))
            assert rest(client) == [("error", {"text": "the model is loading", "code": "not_ready"})]
        loaded.set()
        server.call(asyncio.wait_for(server.server.settled.wait(), 10))
        with connect(server) as client:
            client.sendall(event("describe"))
            assert until(client, "info")


def test_a_server_that_stops_answers_what_was_said_and_tells_everybody():
    with serving(judge=Loud(), listen={"wyoming": 0}) as server:
        silent, speaking, idle = connect(server), connect(server), connect(server)
        speaking.sendall(TURN.removesuffix(event("audio-stop")))
        idle.sendall(event("describe"))
        until(idle, "info")
        until(speaking, "transcript-chunk")
        wait_until(lambda: len(server.server.hosting.connections) == 3)
    # Everybody was told, though nobody has closed.
    with silent, speaking, idle:
        assert [data["code"] for _, data in rest(idle)] == ["going_away"]
        assert [data["code"] for _, data in rest(silent)] == ["going_away"]
        events = rest(speaking)
        assert transcripts(events) == [TEXT]
        assert "going_away" in [data.get("code") for _, data in events]


def test_a_client_that_takes_nothing_cannot_keep_the_server_from_stopping():
    with serving(judge=Loud(), listen={"wyoming": 0}, drain_s=1.0) as server:
        client = connect(server)
        client.sendall(event("ping", {"text": "x" * 60_000}) * 400)  # more than the sockets between them hold
        wait_until(lambda: any(len(connection._outbox) for connection in server.server.hosting.connections))
        began = time.monotonic()
    with client:
        assert 1 <= time.monotonic() - began < 10
