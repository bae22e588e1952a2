"""Vosk's wire over real sockets, with the scripted engine: clients that wait, clients that do not, and clients that read when they like."""

import asyncio
import json
import time
from contextlib import aclosing, suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from streamer.engine.scripted import Script, Scripted
from tests.driving import Driver, speech
from tests.serving import serving
from tests.test_server import Loud

EOF = '{"eof" : 1}'
RATE = '{ "config" : { "sample_rate" : 16000 } }'
SENTENCE = speech("." * 20 + "#" * 60 + "." * 50)
AUDIO = SENTENCE.tobytes()
FRAMES = [AUDIO[at : at + 3_200] for at in range(0, len(AUDIO), 3_200)]
TEXT = Driver().start().hear(SENTENCE).stop().finals[0].text


@pytest.fixture(scope="module")
def server():
    with serving(judge=Loud(), listen={"vosk": 0}, heartbeat_s=0.2) as running:
        yield running


def address(server):
    return server.url.replace("http", "ws", 1) + "/vosk"


def run(url, client, **options):
    """What ``client`` gives for a socket, within a minute."""

    async def conversation():
        async with asyncio.timeout(60), connect(url, compression=None, **options) as socket:
            return await client(socket)

    return asyncio.run(conversation())


async def until_closed(socket):
    got = []
    with suppress(ConnectionClosed):
        async for text in socket:
            got.append(json.loads(text))
    return got, socket.close_code, socket.close_reason


def waiting(*messages, config=RATE, eof=EOF):
    """A client that waits for the reply to each of its messages: replies, and how the connection was closed."""

    async def client(socket):
        await socket.send(config)
        got = []
        for message in (*messages, eof):
            await socket.send(message)
            got.append(json.loads(await socket.recv()))
        return got, *(await until_closed(socket))

    return client


def test_a_client_that_waits_for_each_reply_hears_all_and_is_closed_after_the_last(server):
    got, more, code, reason = run(address(server), waiting(*FRAMES))
    assert [reply["text"] for reply in got if "text" in reply] == [TEXT, " "]
    assert (more, code, reason) == ([], 1000, "")


def test_messages_without_audio_are_answered_too(server):
    got, more, *_ = run(address(server), waiting(b"", '{"reset" : 1}', "what?", *FRAMES, b"", '{"reset" : 1}', b"\1"))
    assert got[:3] == [{"partial": " "}, {"text": " "}, {"partial": " "}]
    assert got[-4:] == [{"partial": " "}, {"text": " "}, {"partial": " "}, {"text": " "}]
    assert more == []


def test_a_reset_gives_at_once_what_was_said(server):
    half = SENTENCE[: 16 * 1_400].tobytes()
    got, *_ = run(address(server), waiting(half, '{"reset":1}'))
    assert [list(reply)[0] for reply in got] == ["partial", "result", "text"]
    assert got[1]["text"] == Driver().start().hear(SENTENCE[: 16 * 1_400]).stop().finals[0].text


def test_a_client_that_does_not_read_has_as_many_replies_as_it_sent_messages(server):
    pieces = [AUDIO[at : at + 160] for at in range(0, len(AUDIO), 160)]

    async def client(socket):
        await socket.send(RATE)
        for piece in pieces:
            await socket.send(piece)
        await socket.send(EOF)
        return await until_closed(socket)

    got, code, _ = run(address(server), client)
    assert len(got) == len(pieces) + 1
    assert [reply["text"] for reply in got if "text" in reply][0] == TEXT
    assert code == 1000


def test_eof_in_a_binary_message_is_eof(server):
    got, more, code, _ = run(address(server), waiting(AUDIO, config=RATE.encode(), eof=EOF.encode()))
    assert [reply["text"] for reply in got] == [TEXT, " "]
    assert (more, code) == ([], 1000)


def test_bigbluebutton_is_heard_at_its_rate_and_closed_by_its_end(server):
    got, more, code, _ = run(address(server), waiting(*FRAMES, config='{"config":{"sample_rate":"16000"}}', eof='{"eof":1}'))
    assert TEXT in [reply.get("text") for reply in got]
    assert (more, code) == ([], 1000)


def test_jigasi_sends_on_without_waiting_and_ends_in_its_own_time(server):
    audio = SENTENCE.repeat(3).tobytes()
    blocks = [audio[at : at + 32_768] for at in range(0, len(audio), 32_768)]

    async def client(socket):
        await socket.send('{"config" : {"sample_rate" : 48000.0 }}')
        for block in blocks:
            await socket.send(block)
        await socket.send(EOF)
        return await until_closed(socket)

    got, code, _ = run(address(server), client)
    texts = [reply["partial"] if "partial" in reply else reply["text"] for reply in got]
    assert len(texts) == len(blocks) + 1
    assert any(len(text.split()) >= 4 for text in texts)
    assert code == 1000


CALL = SENTENCE[::2].tobytes() + bytes(320_000)  # what was said at 8 kHz, and as long a silence as a busy machine may need


async def fed(socket):
    """What an exchange does each 20 ms: says 3,200 bytes once it has them, and takes one reply if one is there. Gives what it took."""
    buffered = b""
    for at in range(0, len(CALL), 320):
        buffered += CALL[at : at + 320]
        if len(buffered) == 3_200:
            await socket.send(buffered)
            buffered = b""
        taken = None
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                taken = await socket.recv()
        if taken:
            yield at, taken


def test_asterisk_keeps_the_last_reply_that_says_something_and_is_done_at_a_text(server):
    """It has a port of its own, offers a subprotocol and configures nothing."""

    async def client(socket):
        last, read = None, 0
        async with aclosing(fed(socket)) as taken:
            async for at, text in taken:
                read += 1
                assert read <= at // 3_200 + 1
                reply = json.loads(text)
                last = reply.get("partial") or reply.get("text")
                if reply.get("text"):
                    break
        await socket.send(EOF)
        return last, reply

    last, reply = run(f"ws://127.0.0.1:{server.port('vosk')}", client, subprotocols=["ws"])
    assert reply["text"] == last
    assert len(last.split()) >= 4


def test_freeswitch_looks_at_every_reply_and_knows_a_final_from_a_partial(server):
    """What holds ``""`` anywhere it would not look at; what holds ``"partial"`` is none."""

    async def client(socket):
        results = []
        async with aclosing(fed(socket)) as taken:
            async for _, result in taken:
                assert '""' not in result
                results.append(result)
                if '"partial"' not in result:
                    break
        return results

    *partials, final = run(address(server), client)
    assert json.loads(partials[0]) == {"partial": " "}
    assert len(json.loads(final)["text"].split()) >= 4


def test_an_engine_that_fails_holds_nobody_up():
    def broken():
        return Scripted(Script(fails=lambda job: "broken"))

    with serving(broken, judge=Loud()) as server:
        got, more, code, _ = run(address(server), waiting(*FRAMES))
    assert got == [{"partial": " "}] * len(FRAMES) + [{"text": " "}]
    assert (more, code) == ([], 1000)


def test_an_engine_that_is_slow_is_waited_for_and_nothing_is_lost():
    def slow():
        return Scripted(Script(cost=lambda jobs: 0.2, sleep=time.sleep))

    with serving(slow, judge=Loud()) as server:
        got, more, *_ = run(address(server), waiting(*FRAMES))
    assert [reply["text"] for reply in got if "text" in reply] == [TEXT, " "]
    assert more == []


def test_a_rate_that_nobody_can_follow_is_told_in_the_close(server):
    async def client(socket):
        await socket.send('{"config":{"sample_rate":16}}')
        return await until_closed(socket)

    assert run(address(server), client) == (
        [],
        1007,
        "sample_rate is '16', expected a number from 4000 to 192000 Hz; send it before the first audio",
    )


def test_a_server_that_stops_gives_the_words_that_nobody_has_asked_for_yet():
    async def client(socket):
        await socket.send(RATE)
        await socket.send(begun.tobytes())
        first = json.loads(await socket.recv())
        stopping.append(asyncio.run_coroutine_threadsafe(server.server.stop(), server._loop))
        return first, *(await until_closed(socket))

    begun, stopping = SENTENCE[: 16 * 1_400], []
    with serving(judge=Loud()) as server:
        first, got, code, reason = run(address(server), client)
        stopping[0].result(20)
    assert "partial" in first
    assert [reply["text"] for reply in got] == [Driver().start().hear(begun).stop().finals[0].text]
    assert (code, reason) == (1001, "going_away")
