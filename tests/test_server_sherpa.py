"""sherpa-onnx's wires over real sockets, with the scripted engine, at ports of their own and at their paths."""

import asyncio
import json
import struct
import threading
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streamer.engine.scripted import Script, Scripted
from tests.driving import Driver, speech
from tests.serving import serving
from tests.test_server import Loud

SENTENCE = speech("." * 20 + "#" * 60 + "." * 40)
FLOATS = (SENTENCE / 32_768).astype("<f4").tobytes()
LISTEN = {"sherpa-online": 0, "sherpa-offline": 0, "sherpa-offline-text": 0}


def utterance(audio, rate=16_000):
    return struct.pack("<ii", rate, len(audio)) + audio


def chunks(data, size=10_240):
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.fixture(scope="module")
def server():
    with serving(judge=Loud(), heartbeat_s=0.2, listen=dict(LISTEN)) as running:
        yield running


@pytest.fixture(scope="module")
def text():
    (final,) = Driver().start().hear(SENTENCE).stop().finals
    return final.text


def talk(url, *messages):
    """What came back, until the server closed; the close code and reason."""

    async def conversation():
        async with connect(url, compression=None) as socket:
            got = []
            for message in messages:
                await socket.send(message)
            with suppress(ConnectionClosed):
                async with asyncio.timeout(20):
                    async for payload in socket:
                        got.append(payload)
            return got, socket.close_code, socket.close_reason

    return asyncio.run(conversation())


def at(server, wire, query=""):
    return f"ws://127.0.0.1:{server.port(wire)}/{query}"


def test_a_stream_is_answered_until_it_is_done(server, text):
    got, code, _ = talk(at(server, "sherpa-online"), *chunks(FLOATS, 32_001), "Done")
    *results, last = got
    results = [json.loads(one) for one in results]
    assert last == "Done!"
    assert [(one["segment"], one["text"]) for one in results if one["is_final"]] == [(0, text), (1, "")]
    assert results[-1]["is_eof"]
    assert code == 1000


def test_the_path_says_it_as_well_as_the_port(server):
    base = server.url.replace("http", "ws", 1)
    assert talk(base + "/sherpa-onnx/online", "Done")[0][-1] == "Done!"
    assert json.loads(talk(base + "/sherpa-onnx/offline", utterance(b""), "Done")[0][0])["text"] == ""
    assert talk(base + "/sherpa-onnx/offline-text", utterance(b""), "Done")[0] == ["<EMPTY>"]


def test_utterances_are_answered_in_order_at_any_rate(server, text):
    sent = chunks(utterance(FLOATS) + utterance(bytes(32_000), 8_000) + utterance(FLOATS))
    got, code, _ = talk(at(server, "sherpa-offline"), *sent, "Done")
    answers = [json.loads(one) for one in got]
    assert [one["text"] for one in answers] == [text, "", text]
    assert (answers[0]["lang"], answers[0]["emotion"], answers[0]["event"]) == ("<|en|>", "<|NEUTRAL|>", "<|Speech|>")
    assert answers[0]["timestamps"] == answers[2]["timestamps"]
    assert code == 1000


@pytest.mark.parametrize(("wire", "query"), [("sherpa-offline-text", ""), ("sherpa-offline", "?format=text")])
def test_text_alone_is_for_those_who_ask_for_it(server, text, wire, query):
    got, code, _ = talk(at(server, wire, query), *chunks(utterance(FLOATS)), utterance(b""), "Done")
    assert (got, code) == ([text, "<EMPTY>"], 1000)


def test_what_came_before_an_absurd_header_is_answered_and_the_close_says_why(server, text):
    got, code, reason = talk(at(server, "sherpa-offline-text"), *chunks(utterance(FLOATS)), struct.pack("<ii", 0, 4))
    assert (got, code) == ([text], 1007)
    assert reason == "header: sample_rate is 0, expected a multiple of 25 from 4000 to 192000"
    got, code, reason = talk(at(server, "sherpa-offline"), struct.pack("<ii", 16_000, 1 << 30))
    assert (got, code) == ([], 1009)
    assert reason == "the utterance has 16777 s, at most 600 are taken; send it in parts"


def test_another_format_is_refused(server):
    with pytest.raises(InvalidStatus) as refused:
        talk(at(server, "sherpa-offline", "?format=xml"))
    assert refused.value.response.status_code == 400


def test_a_segment_that_failed_is_told_and_the_answers_still_come():
    with serving(lambda: Scripted(Script(fails=lambda job: "no")), judge=Loud(), listen=dict(LISTEN)) as broken:
        got, code, _ = talk(at(broken, "sherpa-online"), FLOATS, "Done")
        results = [json.loads(one) for one in got[:-1]]
        assert [(one["segment"], one["text"], one["is_final"], "error" in one) for one in results] == [
            (0, "", True, True),
            (1, "", True, False),
        ]
        assert (got[-1], code) == ("Done!", 1000)
        assert talk(at(broken, "sherpa-offline-text"), utterance(FLOATS), "Done")[:2] == (["<ERROR>"], 1000)


def test_a_client_that_is_far_ahead_of_the_engine_has_its_pings_answered(monkeypatch):
    monkeypatch.setattr("streamer.wires.sherpa_offline.AHEAD", 16_000)
    caught_up = threading.Event()
    stuck = Script(cost=lambda jobs: 60.0, sleep=caught_up.wait)
    audio = FLOATS * 12  # 29 s

    async def conversation(url):
        async with connect(url, compression=None, ping_interval=None) as socket, asyncio.timeout(20):
            for piece in chunks(utterance(audio)):
                await socket.send(piece)
            await (await socket.ping())
            caught_up.set()
            return await socket.recv()

    with serving(lambda: Scripted(stuck), judge=Loud(), backlog_s=2, listen=dict(LISTEN)) as behind:
        try:
            assert len(asyncio.run(conversation(at(behind, "sherpa-offline-text"))).split()) > 12
        finally:
            caught_up.set()
