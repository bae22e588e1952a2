"""Other wires over real sockets, with the scripted engine: the path chooses, the handshake is answered in the wire's own way."""

import asyncio
import json
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.driving import Driver, speech
from tests.serving import serving
from tests.test_server import Loud

SENTENCE = speech("." * 20 + "#" * 60 + "." * 40)
RAW = "encoding=linear16&sample_rate=16000"


@pytest.fixture(scope="module")
def server():
    with serving(judge=Loud(), heartbeat_s=0.2) as running:
        yield running


def talk(server, query, *messages, **options):
    """What came back, the close code and reason, and the answer's headers."""

    async def conversation():
        url = server.url.replace("http", "ws", 1) + "/v1/listen?" + query
        async with connect(url, compression=None, **options) as socket:
            got = []
            for message in messages:
                await socket.send(json.dumps(message) if isinstance(message, dict) else message)
            with suppress(ConnectionClosed):
                async with asyncio.timeout(20):
                    async for text in socket:
                        got.append(json.loads(text))
            return got, socket.close_code, socket.close_reason, socket.response.headers, socket.subprotocol

    return asyncio.run(conversation())


def test_a_stream_is_opened_by_its_query_alone_and_closed_by_its_own_word(server):
    got, code, _, headers, _ = talk(server, RAW + "&interim_results=true&vad_events=true", SENTENCE.tobytes(), {"type": "CloseStream"})
    driver = Driver().start().hear(SENTENCE).stop()
    kinds = [message["type"] for message in got]
    assert kinds[0] == "SpeechStarted"
    assert kinds[-1] == "Metadata"
    assert set(kinds[1:-1]) == {"Results"}
    (final,) = [message for message in got if message.get("is_final")]
    assert final["channel"]["alternatives"][0]["transcript"] == driver.finals[0].text
    assert code == 1000
    assert headers["dg-request-id"] == got[-1]["request_id"] == final["metadata"]["request_id"]


def test_a_wire_with_a_port_of_its_own_is_spoken_there_at_any_path():
    async def conversation(port):
        async with connect(f"ws://127.0.0.1:{port}/whatever") as socket:
            await socket.send("START")
            return json.loads(await socket.recv())

    with serving(judge=Loud(), listen={"funasr-realtime": 0}) as running:
        assert asyncio.run(conversation(running.port("funasr-realtime"))) == {"event": "started"}
        assert running.port("funasr-realtime") != int(running.url.rpartition(":")[2])


def test_finalize_is_answered_at_once_and_the_stream_goes_on(server):
    got, code, *_ = talk(
        server,
        RAW,
        {"type": "Finalize"},
        SENTENCE[: 16 * 1_000].tobytes(),
        {"type": "Finalize"},
        SENTENCE.tobytes(),
        {"type": "CloseStream"},
    )
    results = [message for message in got if message["type"] == "Results"]
    assert [(one["from_finalize"], bool(one["channel"]["alternatives"][0]["transcript"])) for one in results] == [
        (True, False),
        (True, True),
        (False, True),
    ]
    assert code == 1000


def test_a_wire_may_wait_less_long_than_the_server_does(server, monkeypatch):
    monkeypatch.setattr("streamer.wires.deepgram.Deepgram.idle_timeout_s", 0.3)
    got, code, reason, *_ = talk(server, RAW)
    assert [message["type"] for message in got] == ["Metadata"]
    assert (code, reason[:8]) == (1011, "NET-0001")


def test_audio_that_cannot_be_decoded_is_named_in_deepgrams_words(server):
    got, code, reason, *_ = talk(server, "", b"this is no container" * 1_000, {"type": "CloseStream"})
    assert (code, reason[:9]) == (1008, "DATA-0000")


def test_what_cannot_be_served_is_refused_before_it_begins(server):
    with pytest.raises(InvalidStatus) as refused:
        talk(server, "encoding=g729&sample_rate=8000")
    answer = refused.value.response
    assert answer.status_code == 400
    assert answer.body.decode().startswith("encoding is 'g729', expected one of linear16")
    assert answer.headers["dg-error"] == answer.body.decode().strip()
    assert server.metric('streamer_refused_total{reason="handshake"}') >= 1


def test_a_browsers_subprotocol_is_agreed_on(server):
    *_, subprotocol = talk(server, RAW, {"type": "CloseStream"}, subprotocols=["token", "secret"])
    assert subprotocol == "token"


def test_two_channels_are_apart_or_averaged_as_the_query_says(server):
    stereo = speech("." * 10 + "#" * 60 + "." * 40, seed=1).repeat(2).tobytes()
    apart, *_ = talk(server, RAW + "&channels=2&multichannel=true", stereo, {"type": "CloseStream"})
    mixed, *_ = talk(server, RAW + "&channels=2", stereo, {"type": "CloseStream"})
    assert {tuple(one["channel_index"]) for one in apart if one["type"] == "Results"} == {(0, 2), (1, 2)}
    assert {tuple(one["channel_index"]) for one in mixed if one["type"] == "Results"} == {(0, 1)}
    assert apart[-1]["channels"] == 2
    assert mixed[-1]["channels"] == 1
