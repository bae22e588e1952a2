"""The telephone's wires over real sockets, with the scripted engine: whole calls, pauses, probes, and who closes."""

import asyncio
import json

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.clients.telephony import audio_fork, audiohook, interleaved, jambonz, mulaw, vonage
from tests.driving import speech
from tests.serving import serving
from tests.test_server import Loud

FAST = 20  # times as fast as a call


@pytest.fixture(scope="module")
def server():
    with serving(judge=Loud(), heartbeat_s=0.2) as running:
        yield running


@pytest.fixture
def url(server):
    return server.url.replace("http", "ws", 1)


def side(script, seed):
    """8 kHz of one side of a call, 20 ms for each mark."""
    return speech(script, seed=seed)[::2]


CUSTOMER = side("." * 10 + "#" * 60 + "." * 160, 1)
AGENT = side("." * 120 + "#" * 50 + "." * 60, 2)
CALL = interleaved(mulaw(CUSTOMER), mulaw(AGENT))
SILENCE = mulaw(np.zeros(8_000, np.int16)).repeat(2).tobytes()  # a second of both sides


def ms(duration):
    return round(float(duration[2:-1]) * 1000)


def test_a_call_with_two_sides_is_told_side_by_side_on_its_own_socket(url):
    session = asyncio.run(audiohook.call(url, CALL, speed=FAST, language="en-US"))
    assert [message["type"] for message in session.messages][0] == "opened"
    assert session.messages[-1]["type"] == "closed"
    assert "pong" in [message["type"] for message in session.messages]
    customer, agent = session.transcripts
    assert (customer["channelId"], agent["channelId"]) == (0, 1)
    assert (customer["isFinal"], agent["isFinal"]) == (True, True)
    assert 0 <= ms(customer["offset"]) <= 200
    assert 2_000 <= ms(agent["offset"]) <= 2_400
    (alternative,) = customer["alternatives"]
    assert alternative["languages"] == ["en-US"]
    (display,) = alternative["interpretations"]
    assert display["transcript"] == " ".join(token["value"] for token in display["tokens"])
    assert len(display["tokens"]) >= 4


def test_one_side_alone_keeps_genesys_number_of_it(url):
    media = [{"type": "audio", "format": "PCMU", "channels": ["internal"], "rate": 8_000}]
    session = asyncio.run(audiohook.call(url, mulaw(CUSTOMER).tobytes(), bytes_per_ms=8, speed=FAST, media=media))
    assert [one["channelId"] for one in session.transcripts] == [1]


def test_results_before_the_last_come_only_where_they_were_asked_for(url):
    session = asyncio.run(audiohook.call(url, CALL, speed=5, customConfig={"interim": True}))
    early = [one for one in session.transcripts if not one["isFinal"]]
    final = [one for one in session.transcripts if one["isFinal"]]
    assert early
    assert {one["id"] for one in early} <= {one["id"] for one in final}


def test_a_pause_ends_what_is_being_said_at_once_and_time_goes_on_in_it(url):
    async def conversation():
        async with audiohook.dialled(url) as session:
            await session.open()
            await session.send(CALL[: 16 * 1_000], 1_000)  # the customer is still speaking
            await session.say("paused")
            first = await session.next("event")
            session.position_ms += 5_000
            await session.say("resumed", start="PT1S", discarded="PT5S")
            await session.send(CALL[: 16 * 2_400], 2_400)
            second = await session.next("event")
            await session.say("ping")
            await session.next("pong")
            await session.close()
            return [one["parameters"]["entities"][0]["data"] for one in (first, second)]

    before, after = asyncio.run(conversation())
    assert ms(before["offset"]) + ms(before["duration"]) <= 1_040
    assert 5_700 <= ms(after["offset"]) <= 6_200  # with what comes before a first word


def test_a_probe_is_opened_and_closed_like_any_other(url):
    async def conversation():
        async with audiohook.dialled(url) as session:
            opened = await session.open(conversation=audiohook.NOBODY, supportedLanguages=True)
            await session.close()
            return opened["parameters"], session

    parameters, session = asyncio.run(conversation())
    assert parameters["media"] == audiohook.OFFER[:1]
    assert "en-US" in parameters["supportedLanguages"]
    assert [message["type"] for message in session.messages] == ["opened", "closed"]


def test_it_is_the_client_that_closes_the_socket(url):
    async def conversation():
        async with audiohook.dialled(url) as session:
            await session.open()
            await session.close()
            await asyncio.sleep(0.3)
            assert session.socket.close_code is None
            await session.socket.close(1000)
            return session.socket.close_code

    assert asyncio.run(conversation()) == 1000


def test_a_client_that_does_not_close_it_is_not_waited_for_long(url, monkeypatch):
    monkeypatch.setattr("streamer.wires.audiohook.AudioHook.client_closes_s", 0.2)

    async def conversation():
        async with audiohook.dialled(url) as session:
            await session.open()
            await session.close()
            async with asyncio.timeout(5):
                await session.reader
            return session.socket.close_code

    assert asyncio.run(conversation()) == 1000


def test_a_server_that_stops_says_so_and_answers_the_close(server, url):
    async def conversation():
        async with audiohook.dialled(url) as session:
            await session.open()
            await session.send(CALL[: 16 * 800], 800)

            async def stop():
                (connection,) = server.server.hosting.connections
                await connection.stop("going_away")

            await asyncio.to_thread(server.call, stop())
            disconnect = await session.next("disconnect")
            await session.close("disconnect")
            return disconnect["parameters"], session.transcripts

    parameters, transcripts = asyncio.run(conversation())
    assert parameters == {"reason": "completed", "info": "going_away"}
    assert len(transcripts) == 1  # what was said is told before


def test_audio_before_open_and_what_is_no_message_end_in_a_disconnect(url):
    async def conversation(data):
        async with audiohook.dialled(url) as session:
            await session.socket.send(data)
            session.messages.clear()
            disconnect = await first(session)
            return disconnect["parameters"]

    async def first(session):
        await session.next("disconnect")
        return next(message for message in session.messages if message["type"] == "disconnect")

    assert asyncio.run(conversation(SILENCE))["reason"] == "error"
    assert asyncio.run(conversation("hello"))["info"].startswith("the text message is not an AudioHook message")


def test_a_query_that_cannot_be_read_is_refused(url):
    async def conversation():
        async with connect(url + "/audiohook?rate=fast"):
            raise AssertionError("was let in")

    with pytest.raises(InvalidStatus) as refused:
        asyncio.run(conversation())
    assert refused.value.response.status_code == 400


def test_vonage_is_heard_and_told_nothing(server, url):
    finals = server.metric('streamer_messages_total{type="final"}')
    got = asyncio.run(vonage.call(url, CUSTOMER, 8_000, query="?channel=customer", speed=FAST, conversation_uuid="CON-1"))
    assert got == []
    assert server.metric('streamer_messages_total{type="final"}') == finals + 1


def test_audio_that_vonage_does_not_send_is_closed_with_a_reason(url):
    async def conversation():
        async with connect(url + "/vonage") as socket:
            await socket.send('{"event":"websocket:connected","content-type":"audio/pcmu;rate=8000"}')
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            return socket.close_code

    assert asyncio.run(conversation()) == 1007


def test_jambonz_is_answered_and_the_server_closes(url):
    results, code = asyncio.run(jambonz.recognize(url, CUSTOMER, options={"callSid": "f9a7"}, speed=5))
    finals = [one for one in results if one["is_final"]]
    assert len(finals) == 1
    assert len(results) > 1
    (alternative,) = finals[0]["alternatives"]
    assert alternative["transcript"]
    assert 0 < alternative["confidence"] <= 1
    assert finals[0]["evt"]["sensevoice"]["emotion"]["label"] == "neutral"
    assert code == 1000


def test_jambonz_stops_before_anything_was_said(url):
    assert asyncio.run(jambonz.recognize(url, np.zeros(0, np.int16))) == ([], 1000)


def test_a_fork_of_both_sides_becomes_events_with_their_names(url):
    audio = interleaved(CUSTOMER, AGENT)
    metadata = {"callid": "f9a7", "sampleRate": 8_000, "mixType": "stereo"}
    bodies, code = asyncio.run(audio_fork.fork(url, audio, metadata, bytes_per_ms=32, speed=FAST))
    assert [(one["channel_name"], one["is_final"]) for one in bodies] == [("customer", True), ("agent", True)]
    assert all(one["transcript"] and one["emotion"]["label"] == "neutral" for one in bodies)
    assert code == 1000


def test_a_fork_without_metadata_is_what_its_address_says_and_may_just_hang_up(url):
    bodies, _ = asyncio.run(
        audio_fork.fork(
            url,
            interleaved(AGENT, CUSTOMER),
            None,
            bytes_per_ms=32,
            query="?rate=8k&channel=agent&channel=customer&interim=true",
            subprotocol="audiostream.drachtio.org",
            graceful=False,
            speed=5,
        )
    )
    assert {one["channel_name"] for one in bodies if one["is_final"]} == {"agent", "customer"}
    assert not all(one["is_final"] for one in bodies)


def test_a_fork_whose_rate_cannot_be_is_told_so(url):
    async def conversation():
        async with connect(url + "/audio-fork", subprotocols=["audio.drachtio.org"]) as socket:
            await socket.send('{"sampleRate":"fast"}')
            return json.loads(await socket.recv())

    told = asyncio.run(conversation())
    assert (told["type"], told["data"]["code"]) == ("error", "invalid_audio")
