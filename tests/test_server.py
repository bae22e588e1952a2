"""The real server over real sockets, with the scripted engine: what a client sees, and what it cannot break."""

import asyncio
import io
import json
import threading
import wave
from contextlib import suppress

import msgpack
import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streamer.core.events import Closed, Final
from streamer.engine.scripted import Script, Scripted
from streamer.wires.routes import ROUTES
from tests.driving import Driver, speech
from tests.serving import serving

SENTENCE = speech("." * 20 + "#" * 60 + "." * 40)


class Loud:
    """A judge that hears what is loud, as the fake of the session tests does."""

    frame_samples = 320
    brief = False

    def open(self, channels):
        return self

    def judge(self, samples):
        from tests.driving import judgement

        return judgement(samples)

    def judge_many(self, requests):
        return [stream.judge(samples) for stream, samples in requests]


@pytest.fixture(scope="module")
def server():
    with serving(judge=Loud(), idle_timeout_s=30, heartbeat_s=0.2) as running:
        yield running


def talk(url, *messages, subprotocols=None, timeout=20, **options):
    """Send messages in order; give everything that came back until the socket closed, and its close code."""

    async def conversation():
        socket = await connect(url, compression=None, subprotocols=subprotocols, max_size=None, **options)
        for message in messages:
            try:
                await socket.send(json.dumps(message) if isinstance(message, dict) else message)
            except ConnectionClosed:
                break
        got = []
        with suppress(ConnectionClosed):
            async with asyncio.timeout(timeout):
                async for data in socket:
                    got.append(msgpack.unpackb(data) if isinstance(data, bytes) else json.loads(data))
        return got, socket.close_code

    return asyncio.run(conversation())


def kinds(messages):
    return [message["type"] for message in messages if message["type"] != "heartbeat"]


def test_speech_comes_back_as_rich_text(server):
    got, code = talk(server.socket, {"type": "start"}, SENTENCE.tobytes(), {"type": "stop"})

    assert kinds(got)[:3] == ["session.created", "session.configured", "speech.started"]
    assert kinds(got)[-3:] == ["speech.ended", "final", "closed"]
    assert code == 1000
    final = next(message for message in got if message["type"] == "final")
    assert final["text"] == Driver().start().hear(SENTENCE).stop().finals[0].text
    assert final["emotion"]["label"] == "neutral"
    assert got[-1]["totals"]["audio_ms"] == 2400


def test_the_root_is_the_native_wire_for_whoever_upgrades_there(server):
    got, _ = talk(server.url.replace("http", "ws"), {"type": "stop"})

    assert kinds(got) == ["session.created", "closed"]


def test_msgpack_carries_the_same_messages(server):
    packed, _ = talk(server.socket, {"type": "start"}, SENTENCE.tobytes(), {"type": "stop"}, subprotocols=["msgpack"])
    plain, _ = talk(server.socket, {"type": "start"}, SENTENCE.tobytes(), {"type": "stop"}, subprotocols=["nonsense", "json"])

    def text(messages):
        return [message["text"] for message in messages if message["type"] == "final"]

    assert text(packed) == text(plain) != []


def test_health_readiness_metrics_and_the_page_are_on_the_same_port(server):
    assert server.get("/healthz")[::2] == (200, "alive\n")
    assert server.get("/readyz")[::2] == (200, "ready\n")
    assert "streamer_open_sessions" in server.get("/metrics")[2]
    status, headers, page = server.get("/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; ")
    assert "<html" in page
    assert server.get("/main.js")[1]["Content-Type"] == "text/javascript; charset=utf-8"
    assert server.get("/nowhere")[::2] == (404, "nothing is at /nowhere; the page is at /, the WebSocket at /ws\n")
    assert server.get("/../pyproject.toml")[0] == 404
    assert server.get("/ws")[0] == 426


def test_metrics_count_what_happened(server):
    before = server.metric("streamer_sessions_total"), server.metric('streamer_messages_total{type="final"}')
    talk(server.socket, {"type": "start"}, SENTENCE.tobytes(), {"type": "stop"})

    assert server.metric("streamer_sessions_total") == before[0] + 1
    assert server.metric('streamer_messages_total{type="final"}') == before[1] + 1
    assert server.metric("streamer_audio_seconds_total") >= 2.4
    assert server.metric("streamer_ready") == 1.0


def test_a_subprotocol_that_another_wire_has_claimed_means_that_wire(server):
    async def conversation():
        async with connect(server.url.replace("http", "ws", 1), subprotocols=["binary"]) as socket:
            await socket.send('{"mode": "offline", "is_speaking": true}')
            await socket.send(SENTENCE.tobytes())
            await socket.send('{"is_speaking": false}')
            return socket.subprotocol, json.loads(await asyncio.wait_for(socket.recv(), 10))

    agreed, answer = asyncio.run(conversation())
    assert agreed == "binary"
    assert (answer["mode"], answer["is_final"]) == ("offline", True)
    assert answer["text"].startswith("<|en|><|NEUTRAL|><|Speech|><|withitn|>")


def test_a_socket_elsewhere_is_refused_with_a_sentence(server):
    with pytest.raises(InvalidStatus) as refused:
        talk(server.url.replace("http", "ws") + "/elsewhere")

    assert refused.value.response.status_code == 404
    places = ", ".join(route.paths[0] for route in ROUTES if route.paths)
    assert refused.value.response.body == f"no WebSocket is at /elsewhere; they are at {places}\n".encode()


@pytest.mark.parametrize(
    ("message", "code", "sentence"),
    [
        ({"type": "nonsense"}, "invalid_message", "type is"),
        ({"no": "type"}, "invalid_message", "type is null"),
        ("not json", "invalid_message", "is not JSON"),
        ({"type": "start", "channels": "two"}, "invalid_message", "expected an integer"),
        ({"type": "start", "sample_rate": 11_026}, "invalid_setting", "sample_rate is 11026, expected a multiple of 25"),
        ({"type": "start", "sample_rate": 10**12}, "invalid_setting", "sample_rate is 1000000000000"),
    ],
)
def test_a_bad_message_is_told_and_a_good_one_may_follow(server, message, code, sentence):
    got, closed = talk(server.socket, message, {"type": "start"}, SENTENCE.tobytes(), {"type": "stop"})

    assert (got[1]["type"], got[1]["code"], got[1]["fatal"]) == ("error", code, False)
    assert sentence in got[1]["message"]
    assert "final" in kinds(got)
    assert closed == 1000


def test_audio_before_start_is_fatal_with_a_sentence(server):
    got, code = talk(server.socket, b"\0\0")

    assert kinds(got) == ["session.created", "error", "closed"]
    assert got[1]["message"] == "audio came before start; send start first, with the format of your audio"
    assert code == 1002


def test_text_where_audio_belongs_is_told_each_time_until_it_is_too_much(server):
    got, code = talk(server.socket, {"type": "start"}, *["RIFF....WAVEfmt "] * 30)

    assert [message["code"] for message in got if message["type"] == "error"] == ["invalid_message"] * 21 + ["too_many_errors"]
    assert code == 1008


def test_odd_byte_counts_wait_for_their_other_half(server):
    data = SENTENCE.tobytes()
    whole, _ = talk(server.socket, {"type": "start"}, data, {"type": "stop"})
    pieces = [data[n : n + 333] for n in range(0, len(data), 333)]
    cut, _ = talk(server.socket, {"type": "start"}, *pieces, {"type": "stop"})

    def said(messages):
        return [(m["text"], m["begin_ms"], m["end_ms"]) for m in messages if m["type"] == "final"]

    assert said(cut) == said(whole) != []


def test_a_message_in_fragments_between_whole_ones_is_heard_in_its_place(server):
    data = SENTENCE.tobytes()
    whole, _ = talk(server.socket, {"type": "start"}, data, {"type": "stop"})
    pieces = [data[:20_000], [data[20_000:20_333], data[20_333:20_334], data[20_334:50_000]], data[50_000:50_640], data[50_640:]]
    cut, _ = talk(server.socket, {"type": "start"}, *pieces, {"type": "stop"})

    def said(messages):
        return [(m["text"], m["begin_ms"], m["end_ms"]) for m in messages if m["type"] == "final"]

    assert said(cut) == said(whole) != []


def test_a_stream_that_ends_within_a_sample_is_warned(server):
    got, _ = talk(server.socket, {"type": "start"}, b"\0\0\0", {"type": "stop"})

    assert [message["code"] for message in got if message["type"] == "warning"] == ["incomplete_sample"]


def test_a_frame_of_50_mb_is_closed_with_1009_and_the_server_lives_on(server):
    _, code = talk(server.socket, {"type": "start"}, bytes(50_000_000))

    assert code == 1009
    assert kinds(talk(server.socket, {"type": "stop"})[0]) == ["session.created", "closed"]


def test_minutes_of_silence_give_no_segment(server):
    silence = np.zeros(16_000 * 30, np.int16).tobytes()
    got, code = talk(server.socket, {"type": "start"}, *[silence] * 6, {"type": "stop"})

    assert kinds(got) == ["session.created", "session.configured", "closed"]
    assert got[-1]["totals"]["audio_ms"] == 180_000
    assert code == 1000


def test_a_container_is_mixed_like_any_audio(server):
    both = np.stack([SENTENCE, speech("." * 120)], axis=1)
    file = io.BytesIO()
    with wave.open(file, "wb") as stereo:
        stereo.setparams((2, 2, 16_000, len(both), "NONE", ""))
        stereo.writeframes(both.tobytes())

    def finals(data, encoding):
        start = {"type": "start", "format": encoding, "channels": 2, "mix": True, "partials": False}
        got, code = talk(server.socket, start, data, {"type": "stop"})
        assert code == 1000
        return [{**final, "seq": 0, "queue_ms": 0, "decode_ms": 0} for final in got if final["type"] == "final"]

    heard = finals(both.tobytes(), "pcm_s16le")
    assert [(final["channel"], final["begin_ms"], final["end_ms"]) for final in heard] == [(0, 100, 1900)]
    assert finals(file.getvalue(), "container") == heard


def test_heartbeats_come_while_nothing_happens(server):
    async def wait():
        async with connect(server.socket) as socket:
            await socket.send('{"type": "start"}')
            while True:
                message = json.loads(await asyncio.wait_for(socket.recv(), 10))
                if message["type"] == "heartbeat":
                    return message

    received = {"received_ms": 0, "received_bytes": 0, "received_messages": 1}
    assert asyncio.run(wait()) == {"type": "heartbeat", "seq": 3, "processed_ms": 0, "queue_ms": 0, **received}


def test_many_sessions_side_by_side_never_hear_each_other(server):
    audios = [speech("." * 5 + "#" * (20 + n) + "." * 40 + "#" * 30, seed=n) for n in range(24)]
    expected = [[final.text for final in Driver().start().hear(audio).stop().finals] for audio in audios]

    async def session(audio, step):
        async with connect(server.socket, compression=None) as socket:
            await socket.send('{"type": "start"}')
            data = audio.tobytes()
            for n in range(0, len(data), step):
                await socket.send(data[n : n + step])
                await asyncio.sleep(0)
            await socket.send('{"type": "stop"}')
            messages = [json.loads(message) async for message in socket]
            return [message["text"] for message in messages if message["type"] == "final"]

    async def everybody():
        return await asyncio.gather(*(session(audio, 301 + 97 * n) for n, audio in enumerate(audios)))

    assert asyncio.run(everybody()) == expected


def test_a_client_that_is_silent_too_long_is_told_why():
    with serving(judge=Loud(), idle_timeout_s=1) as server:
        got, code = talk(server.socket, {"type": "start"}, speech("#" * 40).tobytes())

    assert [m["code"] for m in got if m["type"] == "error"] == ["idle_timeout"]
    assert "final" in kinds(got)
    assert code == 1008


def test_one_session_more_than_allowed_is_refused_and_the_others_go_on():
    with serving(judge=Loud(), max_sessions=1) as server:

        async def two():
            async with connect(server.socket) as first:
                with pytest.raises(InvalidStatus) as refused:
                    await connect(server.socket)
                await first.send('{"type": "stop"}')
                async for _ in first:
                    pass
                return refused.value.response

        response = asyncio.run(two())

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert response.body == b"all 1 sessions are taken; try again later\n"


def test_while_the_model_loads_the_page_is_there_and_sessions_are_not():
    loaded = threading.Event()

    def build():
        assert loaded.wait(30)
        return Scripted()

    with serving(build, judge=Loud(), warm=False) as server:
        assert server.get("/healthz")[0] == 200
        assert server.get("/")[0] == 200
        assert server.get("/readyz")[::2] == (503, "the model is loading\n")
        with pytest.raises(InvalidStatus) as refused:
            talk(server.socket)
        assert refused.value.response.status_code == 503
        loaded.set()
        server.call(asyncio.wait_for(server.server.settled.wait(), 10))
        assert server.get("/readyz")[0] == 200


def test_a_model_that_cannot_be_loaded_is_named_by_readiness():
    def build():
        raise FileNotFoundError("no model.pt in /models")

    with serving(build, judge=Loud()) as server:
        assert server.get("/readyz")[::2] == (503, "the model could not be loaded: no model.pt in /models\n")


def test_stopping_finishes_what_was_being_said_and_closes_with_1001():
    with serving(judge=Loud()) as server:

        async def speak():
            async with connect(server.socket) as socket:
                await socket.send('{"type": "start"}')
                await socket.send(speech("#" * 100).tobytes())
                while json.loads(await socket.recv())["type"] != "partial":
                    pass
                stopping = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(server.server.stop(), server._loop))
                messages = [json.loads(message) async for message in socket]
                await stopping
                return messages, socket.close_code

        try:
            messages, code = asyncio.run(asyncio.wait_for(speak(), 30))
        except ConnectionClosed as closed:
            pytest.fail(f"closed without a goodbye: {closed}")

    assert kinds(messages)[-3:] == ["speech.ended", "final", "closed"]
    assert messages[-1]["reason"] == "going_away"
    assert code == 1001


def test_a_client_that_never_reads_is_let_go_and_memory_stays_bounded():
    slow = Script(limits=Scripted().batch_limits)
    with serving(lambda: Scripted(slow), judge=Loud(), stall_s=1.0, outbox_messages=50) as server:

        async def shout():
            socket = await connect(server.socket, compression=None, max_queue=1, ping_interval=None)
            socket.transport.pause_reading()
            await socket.send('{"type": "start", "channels": 8, "partials": false, "endpoint_silence_ms": 100}')
            burst = np.repeat(speech("#" * 10 + "." * 10)[:, None], 8, axis=1).tobytes()
            try:
                async with asyncio.timeout(60):
                    while True:
                        await socket.send(burst)
            except (ConnectionClosed, ConnectionResetError):
                return True
            finally:
                socket.transport.abort()

        assert asyncio.run(shout())
        assert server.metric('streamer_errors_total{code="slow_reader"}') == 1.0
        assert kinds(talk(server.socket, {"type": "stop"})[0]) == ["session.created", "closed"]


def test_a_backlog_holds_the_client_back_and_loses_nothing():
    gate = threading.Semaphore(0)

    def wait(seconds):
        gate.acquire(timeout=20)

    with serving(lambda: Scripted(Script(sleep=wait)), judge=Loud(), backlog_s=5.0) as server:
        audio = np.concatenate([speech("#" * 50 + "." * 40, seed=n) for n in range(20)])

        async def hurry():
            async with connect(server.socket, compression=None) as socket:
                await socket.send('{"type": "start", "partials": false}')

                async def send():
                    data = audio.tobytes()
                    for n in range(0, len(data), 16_000):
                        await socket.send(data[n : n + 16_000])
                    await socket.send('{"type": "stop"}')

                sending = asyncio.create_task(send())
                gate.release(1000)
                messages = [json.loads(message) async for message in socket]
                await sending
                return [message for message in messages if message["type"] == "final"]

        finals = asyncio.run(asyncio.wait_for(hurry(), 60))

    assert [final["text"] for final in finals] == [f.text for f in Driver().start().hear(audio).stop().finals]
    assert len(finals) == 20


def test_a_failing_engine_is_an_error_for_its_segment_and_the_session_goes_on():
    fails = Script(fails=lambda job: "broken" if job.segment == 0 else None)
    with serving(lambda: Scripted(fails), judge=Loud()) as server:
        got, code = talk(server.socket, {"type": "start"}, np.concatenate([SENTENCE, SENTENCE]).tobytes(), {"type": "stop"})

    errors = [(m["code"], m["segment"], m["fatal"]) for m in got if m["type"] == "error"]
    assert errors == [("transcription_failed", 0, False)]
    assert [m["segment"] for m in got if m["type"] == "final"] == [1]
    assert code == 1000


def test_a_session_without_a_socket_says_the_same():
    from streamer.core.events import AudioFormat, Settings, Start
    from streamer.engine.scheduler import Scheduler
    from streamer.local import transcribe_stream

    async def chunks():
        data = SENTENCE.tobytes()
        for n in range(0, len(data), 3201):
            yield data[n : n + 3201]

    async def local():
        scheduler = Scheduler(Scripted, deliver=asyncio.get_running_loop().call_soon_threadsafe)
        warm = asyncio.Event()
        scheduler.on_health(lambda health: warm.set())
        scheduler.start()
        await warm.wait()
        try:
            return [message async for message in transcribe_stream(scheduler, Loud(), Start(AudioFormat(), Settings()), chunks())]
        finally:
            await asyncio.to_thread(scheduler.close)

    messages = asyncio.run(local())
    assert [message.text for message in messages if isinstance(message, Final)] == [
        final.text for final in Driver().start().hear(SENTENCE).stop().finals
    ]
    assert isinstance(messages[-1], Closed)
