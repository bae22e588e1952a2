"""`transcribe` against small servers of the wire, well-behaved and not; with a real server see test_client_faults.py."""

import asyncio
import json
import ssl
import time
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

import streamer.client
from streamer.client import (
    AudioLost,
    Closed,
    ConfigurationError,
    ConnectionFailed,
    ErrorSent,
    Final,
    Forbidden,
    Gap,
    InvalidSetting,
    NotFound,
    Patience,
    Refused,
    Restarted,
    SessionConfigured,
    SessionCreated,
    SessionFailed,
    Unauthorized,
    Unavailable,
    Unknown,
    transcribe,
    transcribe_sync,
)
from tests.driving import Driver, speech
from tests.serving import serving as serving_really
from tests.test_server import Loud

QUICK = Patience(first_wait_s=0.01, longest_wait_s=0.02, give_up_s=5.0)


class Peer:
    """One connection of a small server: what it hears, and what it says."""

    def __init__(self, socket):
        self.socket, self.texts, self.audio, self.seq = socket, [], b"", 0

    async def say(self, kind, **fields):
        self.seq += 1
        await self.socket.send(json.dumps({"type": kind, "seq": self.seq, **fields}))

    async def greet(self, **limits):
        await self.say("session.created", session_id="s", resume_token="t", limits={"max_message_bytes": 1_000, **limits})
        return await self.hear("start")

    async def hear(self, kind):
        """Until such a message comes."""
        async for data in self.socket:
            if isinstance(data, bytes):
                self.audio += data
                continue
            self.texts.append(json.loads(data))
            if self.texts[-1]["type"] == kind:
                return self.texts[-1]
        raise AssertionError(f"no {kind} came")

    async def goodbye(self):
        await self.hear("stop")
        await self.say("closed", reason="stop", totals={"audio_ms": len(self.audio) // 32})


@asynccontextmanager
async def serving(script, **options):
    peers = []

    async def handle(socket):
        peers.append(Peer(socket))
        try:
            await script(peers[-1])
        except ConnectionClosed:
            pass

    async with serve(handle, "127.0.0.1", 0, compression=None, **options) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", peers


def run(script, source=b"", *, during=None, seconds=20, server=None, **options):
    """Events of a transcription, and the connections that the server saw."""

    async def both():
        got = []
        async with asyncio.timeout(seconds), serving(script, **(server or {})) as (url, peers):
            options.setdefault("patience", QUICK)
            async with transcribe(url, source, **options) as events:
                async for event in events:
                    got.append(event)
                    if during:
                        await during(events, event)
        return got, peers

    return asyncio.run(both())


async def obedient(peer):
    await peer.greet()
    await peer.say("session.configured")
    await peer.goodbye()


def test_the_public_surface():
    assert set(streamer.client.__all__) == set(
        """
        AudioFormat AudioLost CannotResume ClientSession Closed ConfigurationError ConnectionFailed ErrorSent Final Flushed Forbidden Gap
        Heartbeat InvalidSetting MediaError Message Microphone NotFound Partial Patience Quiet Reconnecting Refused Restarted Resumed
        SessionConfigured SessionCreated SessionFailed Sound SpeechEnded SpeechStarted SyncTranscription Synced Transcription Unauthorized
        Unavailable Unknown Warned connect microphone transcribe transcribe_sync websocket_url
        """.split()
    )
    assert all(hasattr(streamer.client, name) for name in streamer.client.__all__)


def test_audio_and_settings_go_out_and_typed_events_come_in():
    async def script(peer):
        await peer.greet()
        await peer.say("session.configured", settings={"language": "ja"})
        await peer.say("final", segment=0, text="はい", mood="new")
        await peer.say("speaker", name="Ada")
        await peer.goodbye()

    got, (peer,) = run(script, iter([bytes(2_500)]), language="ja", hotwords=("はい",), channels=1)
    assert [type(event) for event in got] == [SessionCreated, SessionConfigured, Final, Unknown, Closed]
    assert (got[2].text, got[3].kind, got[4].totals) == ("はい", "speaker", {"audio_ms": 78})
    start = {"format": "pcm_s16le", "sample_rate": 16_000, "channels": 1, "language": "ja", "hotwords": ["はい"], "resume": True}
    assert peer.texts == [{"type": "start", **start}, {"type": "stop"}]
    assert peer.audio == bytes(2_500)


def test_one_can_configure_flush_and_stop_while_it_runs():
    async def endless():
        while True:
            yield bytes(320)
            await asyncio.sleep(0.01)

    async def during(events, event):
        if isinstance(event, SessionConfigured):
            await events.configure(itn=False)
            assert await events.flush() == 1
            await events.stop()

    _, (peer,) = run(obedient, endless(), during=during)
    assert peer.texts[1:] == [{"type": "configure", "itn": False}, {"type": "flush", "id": 1}, {"type": "stop"}]


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"langauge": "en"}, ConfigurationError, "'langauge' is no setting, expected one of language, itn"),
        ({"language": "tlh"}, InvalidSetting, "language is 'tlh', expected one of auto"),
        ({"itn": 1}, InvalidSetting, "itn is 1, expected true or false"),
        ({"key": "two\nlines"}, ConfigurationError, "the key has characters that no header can carry"),
        ({"ssl": ssl.create_default_context()}, ConfigurationError, "ssl is given, but the address is ws://"),
    ],
)
def test_what_is_asked_wrongly_is_told_before_anything_is_sent(options, kind, said):
    with pytest.raises(kind, match=said):
        run(obedient, **options)


@pytest.mark.parametrize(
    ("status", "headers", "kind", "retry"),
    [
        (401, {}, Unauthorized, None),
        (403, {}, Forbidden, None),
        (404, {}, NotFound, None),
        (503, {"Retry-After": "5"}, Unavailable, 5.0),
        (503, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, Unavailable, None),
        (500, {}, Refused, None),
    ],
)
def test_a_refusal_has_a_type_and_the_servers_own_words(status, headers, kind, retry):
    def refuse(socket, request):
        response = socket.respond(status, "because\n")
        response.headers.update(headers)
        return response

    with pytest.raises(kind, match=rf"refused the connection \({status}\): because") as refused:
        run(obedient, server={"process_request": refuse})
    assert (type(refused.value), refused.value.status, refused.value.retry_after_s) == (kind, status, retry)


def test_the_key_goes_into_a_header():
    keys = []

    def look(socket, request):
        keys.append(request.headers.get("Authorization"))

    run(obedient, key="secret", server={"process_request": look})
    run(obedient, server={"process_request": look})
    assert keys == ["Bearer secret", None]


def test_a_server_that_is_full_for_a_while_is_asked_again_when_it_says():
    asked = []

    def refuse_twice(socket, request):
        asked.append(time.monotonic())
        if len(asked) in (2, 3):
            response = socket.respond(503, "full\n")
            response.headers["Retry-After"] = "1" if len(asked) == 2 else "0"
            return response

    async def script(peer):
        if len(asked) == 1:
            await peer.greet()
            peer.socket.transport.abort()
        else:
            await obedient(peer)

    got, _ = run(script, server={"process_request": lambda socket, request: gone(socket, request) or refuse_twice(socket, request)})
    assert len([event for event in got if isinstance(event, Restarted)]) == 1
    assert asked[2] - asked[1] >= 1.0


def gone(socket, request):
    return socket.respond(410, "begin a new one\n") if "resume=" in request.path else None


def test_a_key_that_is_refused_later_ends_it():
    def refuse_second(socket, request):
        if "resume=" in request.path:
            return socket.respond(401, "the key has expired\n")

    async def script(peer):
        await peer.greet()
        peer.socket.transport.abort()

    with pytest.raises(Unauthorized, match="the key has expired"):
        run(script, server={"process_request": refuse_second})


def test_a_fatal_error_is_an_event_and_then_raised():
    async def script(peer):
        await peer.greet()
        await peer.say("session.configured")
        await peer.say("error", code="invalid_audio", message="no sound in it", fatal=True)
        await peer.say("closed", reason="invalid_audio", totals={})
        await peer.socket.close(1007)

    seen = []

    async def during(events, event):
        seen.append(type(event))

    with pytest.raises(SessionFailed, match=r"ended the session \(invalid_audio\): no sound in it") as failed:
        run(script, during=during)
    assert (seen[-2:], failed.value.reason) == ([ErrorSent, Closed], "invalid_audio")


def test_silence_is_bridged_with_keepalive():
    async def script(peer):
        await peer.greet()
        await peer.hear("keepalive")
        await peer.hear("keepalive")
        await peer.goodbye()

    async def slow():
        await asyncio.sleep(0.3)
        yield bytes(32)

    _, (peer,) = run(script, slow(), patience=Patience(keepalive_s=0.05))
    assert {text["type"] for text in peer.texts} == {"start", "keepalive", "stop"}


def test_a_source_waits_while_too_much_is_unanswered():
    taken = 0

    async def eager():
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield bytes(1_000)

    async def script(peer):
        await peer.greet()
        await peer.say("session.configured")
        await asyncio.sleep(0.2)
        assert taken == 11
        answering = asyncio.create_task(answer(peer))
        await peer.goodbye()
        answering.cancel()

    async def answer(peer):
        while True:
            await asyncio.sleep(0.005)
            await peer.say("heartbeat", processed_ms=len(peer.audio) // 32 + 500)

    _, (peer,) = run(script, eager(), patience=Patience(keep_bytes=10_000))
    assert len(peer.audio) == 100_000


def test_a_container_that_is_larger_than_what_is_kept_goes_to_a_server_that_acknowledges_nothing():
    async def script(peer):
        await peer.say("session.created", session_id="s", limits={"max_message_bytes": 1_000})
        await peer.goodbye()

    _, (peer,) = run(script, b"OggS" * 50_000, patience=Patience(keep_bytes=10_000))
    assert peer.audio == b"OggS" * 50_000


def test_what_a_live_source_could_not_keep_is_told():
    got, _ = run(obedient, source=live())
    assert [event for event in got if isinstance(event, AudioLost)] == [AudioLost(at_ms=100, lost_ms=250)]


async def live():
    yield bytes(3_200)
    yield Gap(250)
    yield bytes(3_200)


def test_what_a_source_raises_is_raised():
    async def broken():
        yield bytes(320)
        raise OSError("the cable was pulled")

    with pytest.raises(OSError, match="the cable was pulled"):
        run(obedient, broken())


def test_a_container_from_an_iterator_cannot_be_begun_anew():
    async def script(peer):
        await peer.greet()
        peer.socket.transport.abort()

    with pytest.raises(SessionFailed, match="cannot be sent again from its beginning"):
        run(script, iter([b"OggS"]), format="container", server={"process_request": gone})


def test_without_asyncio():
    audio = speech("." * 10 + "#" * 40 + "." * 40)
    with serving_really(judge=Loud()) as server:
        with transcribe_sync(server.socket, audio.tobytes(), format="pcm_s16le") as events:
            assert events.created.model == "scripted"
            texts = [event.text for event in events if isinstance(event, Final)]
        assert texts == [final.text for final in Driver().start().hear(audio).stop().finals]
        with transcribe_sync(server.socket, iter([bytes(320)] * 3)) as events:
            assert events.flush() == 1
            for _ in events:
                break
    with pytest.raises(ConnectionFailed, match="no server is running"), transcribe_sync(server.socket, b""):
        pass
