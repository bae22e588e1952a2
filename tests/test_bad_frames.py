"""What no library would send, over a bare socket: the right close code or status, and the server goes on as if nothing had been.

The cases are those of the Autobahn test suite and of RFC 6455. Each comes three times: as the first thing after the handshake, after audio
that was taken past the library's parser, and in one piece with such audio.
"""

import asyncio
import json
import logging
import os
import threading
import time

import pytest

from tests.driving import Driver, speech
from tests.raw import BINARY, CLOSE, PING, PONG, TEXT, Raw, frame, request
from tests.serving import serving
from tests.test_server import Loud

LARGEST = 65_536
START = frame(TEXT, b'{"type": "start"}')
STOP = frame(TEXT, b'{"type": "stop"}')
SENTENCE = speech("." * 20 + "#" * 60 + "." * 40)
SOUND = [frame(BINARY, SENTENCE[at : at + 320].tobytes()) for at in range(0, len(SENTENCE), 320)]
WORDS = Driver().start().hear(SENTENCE).stop().finals[0].text

PROTOCOL_ERROR, INVALID_DATA, TOO_BIG, NO_CODE = 1002, 1007, 1009, 0
GOOD_CODES = (1000, 1001, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)
BAD_CODES = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)

FRAMES = {
    **{f"reserved bit {bit:#x} of {kind}": (frame(kind, b"x", rsv=bit), PROTOCOL_ERROR)
       for bit in (0x10, 0x20, 0x40) for kind in (TEXT, BINARY, PING, 0)},
    **{f"reserved opcode {kind}": (frame(kind, b"x"), PROTOCOL_ERROR) for kind in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    **{f"unmasked frame {kind}": (frame(kind, b"xx", mask=b""), PROTOCOL_ERROR) for kind in (TEXT, BINARY, PING, PONG, CLOSE)},
    **{f"control frame {kind} of 126 bytes": (frame(kind, bytes(126)), PROTOCOL_ERROR) for kind in (CLOSE, PING, PONG)},
    **{f"control frame {kind} in fragments": (frame(kind, b"", fin=False), PROTOCOL_ERROR) for kind in (CLOSE, PING, PONG)},
    "continuation of nothing": (frame(0, b"x"), PROTOCOL_ERROR),
    "continuation of nothing, not the last": (frame(0, b"x", fin=False), PROTOCOL_ERROR),
    "continuation after the last": (frame(TEXT, b"{", fin=False) + frame(0, b"}") + frame(0, b"}"), PROTOCOL_ERROR),
    "text within text": (frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"), PROTOCOL_ERROR),
    "sound within text": (frame(TEXT, b"{", fin=False) + SOUND[0], PROTOCOL_ERROR),
    "sound within sound": (frame(BINARY, b"{", fin=False) + SOUND[0], PROTOCOL_ERROR),
    "text that is not UTF-8": (frame(TEXT, b"\xce\xba\xff"), INVALID_DATA),
    "text with a surrogate": (frame(TEXT, b"\xed\xa0\x80"), INVALID_DATA),
    "text that ends within a character": (frame(TEXT, b"\xce"), INVALID_DATA),
    "text that is not UTF-8 across fragments": (frame(TEXT, b"\xce", fin=False) + frame(0, b"\xce"), INVALID_DATA),
    "close with one byte": (frame(CLOSE, b"\3"), PROTOCOL_ERROR),
    "close with a reason that is not UTF-8": (frame(CLOSE, b"\3\xe8\xff"), INVALID_DATA),
    **{f"close code {code}": (frame(CLOSE, code.to_bytes(2, "big")), PROTOCOL_ERROR) for code in BAD_CODES},
    **{f"good close code {code}": (frame(CLOSE, code.to_bytes(2, "big") + b"bye"), code) for code in GOOD_CODES},
    "close without a code": (frame(CLOSE, b""), NO_CODE),
    "frames after close": (frame(CLOSE, b"\3\xe8") + frame(PING, b"?") + SOUND[0] + frame(3, b""), 1000),
    "sound a byte too long": (frame(BINARY, bytes(LARGEST + 1)), TOO_BIG),
    "text a byte too long": (frame(TEXT, b"x" * (LARGEST + 1)), TOO_BIG),
    "the head of a frame of 2^63 - 1 bytes": (b"\x82\xff\x7f" + b"\xff" * 7, TOO_BIG),
    "the head of a frame of 2^64 - 1 bytes": (b"\x82\xff" + b"\xff" * 8, TOO_BIG),
    "fragments that are too long together": (frame(BINARY, bytes(40_000), fin=False) + frame(0, bytes(40_000)), TOO_BIG),
}  # fmt: skip

HANDSHAKES = {
    "no key": (request(Sec_WebSocket_Key=None), 400),
    "a key that is not base64": (request(Sec_WebSocket_Key="***"), 400),
    "a key of 15 bytes": (request(Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAA"), 400),
    "version 12": (request(Sec_WebSocket_Version="12"), 400),
    "no version": (request(Sec_WebSocket_Version=None), 400),
    "no upgrade": (request(Upgrade=None), 426),
    "an upgrade to something else": (request(Upgrade="h2c"), 426),
    "no connection header": (request(Connection=None), 426),
    "a connection header that cannot be read": (request(Connection="Upgrade,,;"), 400),
    "subprotocols that cannot be read": (request(Sec_WebSocket_Protocol="a b;;"), 400),
    "a comma for subprotocols": (request(Sec_WebSocket_Protocol=","), 400),
    "POST": (request(method="POST"), 405),
    "HTTP/1.0": (request(version="HTTP/1.0"), 505),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0),
    "no HTTP at all": (b"hello\r\n\r\n", 0),
    "zeros": (bytes(100) + b"\r\n\r\n", 0),
    "a header without a colon": (b"GET /ws HTTP/1.1\r\nnonsense\r\n\r\n", 0),
    "a header in two lines": (b"GET /ws HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 0),
    "a header of 9 KB": (request(X="y" * 9_000), 431),
    "300 headers": (request(**{f"X{n}": "1" for n in range(300)}), 431),
    "a path of 9 KB": (request("/" + "a" * 9_000), 414),
    "100 KB without a line's end": (b"a" * 100_000, 414),
    "a body": (request(Content_Length="5") + b"hello", 0),
    "a chunked body": (request(Transfer_Encoding="chunked"), 0),
    "a TLS hello": (bytes.fromhex("16030100c8010000c40303") + bytes(189) + b"\r\n", 0),
    "a space in the path": (request("/a b"), 0),
    "a path that is not ASCII": ("GET /é HTTP/1.1\r\n\r\n".encode(), 0),
    "a path that leads out of the page": (request("/../../etc/passwd", Connection="close"), 404),
    "a socket where there is none": (request("/elsewhere"), 404),
    "a number that is none": (request("/ws?resume=%ff&after=x"), 400),
}  # fmt: skip


def now(server):
    async def tasks():
        return len(asyncio.all_tasks())

    return {
        "tasks": server.call(tasks()),
        "threads": threading.active_count(),
        "files": len(os.listdir("/proc/self/fd")),
        "sessions": len(server.server.hosting.connections),
    }


def as_before(server, before):
    """The server is as it was, within a few seconds."""
    end = time.monotonic() + 10
    while any(count > before[name] for name, count in now(server).items()):
        assert time.monotonic() < end, f"{before} before, {now(server)} after"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def server():
    faults = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: faults.append(record.getMessage())
    logging.getLogger().addHandler(handler)
    with serving(judge=Loud(), heartbeat_s=60, max_message_bytes=LARGEST) as running:
        converse(running)  # what is made once and kept is there now
        before = now(running)
        yield running
        as_before(running, before)
        assert running.get("/readyz")[0] == 200
    logging.getLogger().removeHandler(handler)
    assert faults == []


def converse(server):
    """An ordinary session: the server is well."""
    with Raw(server.url) as client:
        client.upgrade().send(START + b"".join(SOUND) + STOP)
        assert json.loads(client.until(TEXT, b'"final"'))["text"] == WORDS
        assert client.close_code(answers=True) == 1000


@pytest.fixture
def neighbour(server):
    """Somebody else, who is in the middle of a sentence meanwhile and loses nothing."""
    with Raw(server.url) as client:
        client.upgrade().send(START + b"".join(SOUND[:60]))
        yield
        client.send(b"".join(SOUND[60:]) + STOP)
        assert json.loads(client.until(TEXT, b'"final"'))["text"] == WORDS
        assert client.close_code(answers=True) == 1000


def begun(server, how):
    """A client whose next bytes meet the library's parser, or the path around it."""
    client = Raw(server.url).upgrade()
    if how != "at once":
        client.send(START)
        client.until(TEXT, b'"session.configured"')
        for sound in SOUND[:4]:
            client.send(sound)
            time.sleep(0.002)
    return client


@pytest.mark.parametrize("how", ["at once", "after sound", "glued to sound"])
@pytest.mark.parametrize("name", FRAMES)
def test_a_bad_frame_is_closed_with_its_code(server, neighbour, name, how):
    data, code = FRAMES[name]
    with begun(server, how) as client:
        client.send(SOUND[4] + SOUND[5] + data if how == "glued to sound" else data)
        assert client.close_code() == code
        assert not client.lost  # it is closed, not torn down: the close frame was there to be read


@pytest.mark.parametrize("name", ["reserved bit 0x40 of 2", "unmasked frame 2", "continuation of nothing", "sound within text"])
def test_a_bad_frame_that_comes_a_byte_at_a_time_is_closed_with_its_code(server, name):
    data, code = FRAMES[name]
    with begun(server, "after sound") as client:
        client.drip(SOUND[4][:40] + SOUND[4][40:] + data)
        assert client.close_code() == code


@pytest.mark.parametrize("how", ["at once", "after sound"])
def test_what_is_odd_but_allowed_is_understood(server, how):
    """Fragments with pings between them, empty frames, lengths written wider than they need be, one byte at a time."""
    with begun(server, how) as client:
        if how == "at once":
            text = b'{"type": "start"}'
            client.send(frame(TEXT, text[:1], fin=False))
            for n, byte in enumerate(text[1:]):
                client.send(frame(PING, b"%d" % n) + frame(0, bytes([byte]), fin=False))
            client.send(frame(0, b"") + frame(PONG, b"nobody asked"))
            assert [client.until(PONG) for _ in text[1:]] == [b"%d" % n for n in range(len(text) - 1)]
            client.send(b"".join(SOUND[:4]))
        client.send(frame(BINARY, b"") + frame(PING, b"p" * 125) + frame(BINARY, SENTENCE[4 * 320 : 5 * 320].tobytes(), wide=True))
        half, rest = SENTENCE[5 * 320 : 5 * 320 + 100].tobytes(), SENTENCE[5 * 320 + 100 : 6 * 320].tobytes()
        client.send(frame(BINARY, half, fin=False) + frame(PING, b"") + frame(0, b"", fin=False) + frame(0, rest))
        client.drip(SOUND[6])
        client.send(b"".join(SOUND[7:]) + STOP)
        assert client.until(PONG) == b"p" * 125
        assert json.loads(client.until(TEXT, b'"final"'))["text"] == WORDS
        assert client.close_code(answers=True) == 1000


@pytest.mark.parametrize("name", HANDSHAKES)
def test_a_bad_handshake_is_answered_or_closed(server, neighbour, name):
    data, status = HANDSHAKES[name]
    with Raw(server.url) as client:
        client.send(data)
        got, body = client.response()
        assert got == status, body
        assert status == 0 or body.endswith("\n")


def test_frames_that_come_with_the_handshake_are_heard(server):
    with Raw(server.url) as client:
        client.send(request() + START + b"".join(SOUND) + STOP)
        assert client.response()[0] == 101
        assert json.loads(client.until(TEXT, b'"final"'))["text"] == WORDS
        assert client.close_code(answers=True) == 1000


def test_a_handshake_that_comes_a_byte_at_a_time_is_good(server):
    with Raw(server.url) as client:
        client.drip(request())
        assert client.response()[0] == 101
        client.send(STOP)
        assert client.close_code(answers=True) == 1000


def test_sockets_that_are_torn_down_anywhere_leave_nothing(server):
    """By a reset or an end, in the middle of a handshake, of a frame's head, or of its data."""
    whole = request() + START + SOUND[0] + SOUND[1][:100]
    before = now(server)
    for at in range(0, len(whole), 7):
        with Raw(server.url) as client:
            client.send(whole[:at])
            if at % 2:
                client.end()
    as_before(server, before)
    converse(server)


@pytest.mark.parametrize("drip", [b"", b"GET /ws HTTP/1.1\r\n" + b"X: y\r\n" * 200], ids=["says nothing", "a byte now and then"])
def test_a_handshake_that_is_not_finished_in_time_is_closed(monkeypatch, drip):
    monkeypatch.setattr("streamer.server.OPEN_TIMEOUT_S", 0.5)
    with serving(judge=Loud()) as server, Raw(server.url, seconds=10) as client:
        began = time.monotonic()
        for byte in drip:
            client.send(bytes([byte]))
            if time.monotonic() - began > 1.5:
                break
            time.sleep(0.005)
        assert client.response()[0] == 0
        assert 0.4 < time.monotonic() - began < 5.0
        converse(server)
