"""Messages that are taken where they arrive: the same messages, in the same order, with the same end, as the library gives them."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from streamer.direct import DirectConnection

MOST = 3_000


class NoServer:
    """What the library's connection asks of its server."""

    def __init__(self):
        self.handler_tasks = set()

    async def handler(self, connection):
        pass


class Wire(asyncio.Transport):
    """Remembers what was written."""

    def __init__(self):
        super().__init__()
        self.written = []

    def write(self, data):
        self.written.append(bytes(data))

    def can_write_eof(self):
        return True

    def write_eof(self):
        self.written.append("eof")

    def set_write_buffer_limits(self, high=None, low=None):
        pass

    def is_closing(self):
        return False

    def abort(self):
        self.written.append("aborted")

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


def frame(opcode, data, *, fin=True, mask=b"\1\2\3\4", rsv=0, wide=False):
    size = len(data)
    if size < 126 and not wide:
        length = bytes([0x80 | size])
    elif size < 65_536:
        length = bytes([0xFE]) + size.to_bytes(2, "big")
    else:
        length = bytes([0xFF]) + size.to_bytes(8, "big")
    if not mask:
        return bytes([fin << 7 | rsv | opcode, length[0] & 0x7F]) + length[1:] + data
    masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(data))
    return bytes([fin << 7 | rsv | opcode]) + length + mask + masked


async def received(kind, pieces, refuse=lambda data: False, most=MOST):
    """What the reader of a connection got of these bytes, how it ended, and what was written."""
    connection = kind(ServerProtocol(state=State.OPEN, max_size=MOST), NoServer(), ping_interval=None, close_timeout=None, max_queue=8)
    connection.request = Request("/", Headers())  # the handshake was before
    wire, got = Wire(), []
    connection.connection_made(wire)
    taken = 0

    def take(data):
        nonlocal taken
        if refuse(data):
            return False
        taken += 1
        got.append(data)
        return True

    async def read():
        try:
            while True:
                connection.take = take
                connection.most = most
                data = await connection.recv()
                connection.take = None
                got.append(data)
        except (ConnectionClosed, UnicodeDecodeError) as error:
            got.append(repr(error))

    reader = asyncio.create_task(read())
    await asyncio.sleep(0)
    for piece in pieces:
        connection.data_received(piece)
        for _ in range(4):
            await asyncio.sleep(0)
    connection.eof_received()
    connection.connection_lost(None)
    await reader
    protocol = connection.protocol
    return (got, wire.written, repr(protocol.parser_exc), protocol.close_rcvd, protocol.close_sent), taken


def cut(frames, moves):
    """The bytes of all frames in pieces: cut at the begins of frames, or a few bytes later."""
    data = b"".join(frames)
    begins = [sum(map(len, frames[:n])) for n in range(len(frames))]
    edges = {min(len(data), begin + move) for begin, by in zip(begins, moves, strict=False) for move in by}
    edges = sorted({0, len(data), *edges})
    return [data[begin:end] for begin, end in zip(edges, edges[1:], strict=False)]


masks = st.sampled_from([b"\0\0\0\0", b"\1\2\3\4", b"\x82\x81\0\7"])
sounds = st.one_of(st.binary(max_size=200), st.sampled_from([bytes(640), frame(2, b"within") * 9, bytes(MOST)]))
texts = st.one_of(st.text(max_size=80), st.sampled_from(["", "声" * 300, '{"event": "media"}'])).map(str.encode)
simple = st.one_of(
    st.builds(lambda data, mask, wide: frame(2, data, mask=mask, wide=wide), sounds, masks, st.booleans()),
    st.builds(lambda data, mask, wide: frame(1, data, mask=mask, wide=wide), texts, masks, st.booleans()),
)
others = st.one_of(
    st.builds(lambda a, b: frame(1, a, fin=False) + frame(0, b), texts, texts),
    st.builds(lambda data: frame(9, data), st.binary(max_size=125)),
    st.builds(lambda data: frame(10, data), st.binary(max_size=10)),
    st.builds(lambda a, b: frame(2, a, fin=False) + frame(9, b"?") + frame(0, b), st.binary(max_size=300), st.binary(max_size=300)),
    st.builds(lambda data, fin: frame(0, data, fin=fin), st.binary(max_size=10), st.booleans()),
    st.sampled_from(
        [
            frame(2, bytes(MOST + 1)),
            frame(2, bytes(70_000)),
            frame(2, b"bare", mask=b""),
            frame(2, b"bits", rsv=0x40),
            frame(3, b"unknown"),
            frame(1, b"\xff"),
            frame(1, "声".encode()[:2]),
            frame(1, "声".encode()[:1], fin=False) + frame(0, "声".encode()[1:]),
            frame(8, b"\x03\xe8bye"),
            frame(8, b"\0"),
            b"\x82",
            b"\x82\xff\xff",
        ]
    ),
)
cuts = st.lists(st.lists(st.integers(0, 12), max_size=3), max_size=8)


@settings(deadline=None, max_examples=500)
@given(st.lists(st.one_of(simple, simple, others), max_size=8), cuts, st.booleans())
def test_any_frames_cut_anywhere_give_what_the_library_gives(frames, moves, picky):
    pieces = cut(frames, moves)

    def refuse(data):
        return picky and len(data) % 3 == 1

    expected, _ = asyncio.run(received(ServerConnection, pieces))
    assert asyncio.run(received(DirectConnection, pieces, refuse))[0] == expected


@pytest.mark.parametrize("opcode", [1, 2])
def test_what_is_said_is_taken_whether_or_not_it_comes_in_one_piece(opcode):
    said = [random.Random(n).randbytes(320) for n in range(20)]
    frames = [sound.hex() for sound in said] if opcode == 1 else said
    data = b"".join(frame(opcode, one.encode() if opcode == 1 else one) for one in frames)
    for size in (7, 648, 1_000, 100_000):
        (got, *_), taken = asyncio.run(received(DirectConnection, [data[at : at + size] for at in range(0, len(data), size)]))
        assert (got[:-1], taken) == (frames, 20)


def test_what_is_whole_and_simple_does_not_pass_the_parser(monkeypatch):
    """The library's insides are looked at for this; should they change, it is only slower, and this says so."""
    parsed = []
    real = ServerProtocol.recv_frame
    monkeypatch.setattr(ServerProtocol, "recv_frame", lambda self, frame: (parsed.append(frame.opcode), real(self, frame)))
    pieces = [
        frame(9, b""),
        frame(2, bytes(640)) * 2 + frame(1, b"a word"),
        frame(9, b""),
        *[frame(2, bytes(640)), frame(1, b"x")] * 2,
        frame(2, b""),
    ]

    assert asyncio.run(received(DirectConnection, pieces))[1] == 8
    assert parsed == [9, 9]


def test_nothing_is_taken_past_the_parser_beyond_the_limit_that_was_set():
    pieces = [frame(9, b""), frame(2, bytes(100)), frame(2, bytes(101)), frame(2, bytes(MOST + 1))]

    expected, _ = asyncio.run(received(ServerConnection, pieces))
    assert asyncio.run(received(DirectConnection, pieces, most=100))[0] == expected


def test_a_message_within_another_is_the_librarys_to_refuse():
    pieces = [frame(1, b"hear me") + frame(2, b"begun", fin=False), frame(2, b"within"), frame(0, b"ended")]

    expected, _ = asyncio.run(received(ServerConnection, pieces))
    assert "expected a continuation frame" in expected[2]
    assert asyncio.run(received(DirectConnection, pieces))[0] == expected
