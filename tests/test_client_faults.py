"""`transcribe` over networks that fail, before a real server: every word arrives exactly once, whatever happens between the two."""

import asyncio
import io
import random
import wave
from contextlib import aclosing
from dataclasses import replace

import pytest

from streamer.cli.backends import Remote
from streamer.client import (
    Closed,
    ConnectionFailed,
    Final,
    Flushed,
    Patience,
    Reconnecting,
    Restarted,
    Resumed,
    SessionConfigured,
    SpeechEnded,
    SpeechStarted,
    transcribe,
)
from streamer.media import decode_file
from tests.driving import Driver, speech
from tests.proxy import Proxy
from tests.serving import serving
from tests.test_server import Loud

SCRIPT = ("." * 10 + "#" * 40 + "." * 40) * 4
AUDIO = speech(SCRIPT).tobytes()
EXPECTED = Driver().start().hear(speech(SCRIPT)).stop().finals
TEXTS = [final.text for final in EXPECTED]
SPANS = [(final.begin_ms, final.end_ms) for final in EXPECTED]
QUICK = Patience(first_wait_s=0.02, longest_wait_s=0.1, silence_s=0.5, give_up_s=20.0)


@pytest.fixture(scope="module")
def server():
    with serving(judge=Loud(), heartbeat_s=0.05, resume_s=5, idle_timeout_s=30) as running:
        yield running


def port_of(running):
    return int(running.url.rpartition(":")[2])


async def spoken(audio=AUDIO, *, piece=4_001, pause_s=0.002):
    """As a live source: piece by piece."""
    for at in range(0, len(audio), piece):
        yield audio[at : at + piece]
        await asyncio.sleep(pause_s)


async def hear(events, during=None):
    """All events; ``during`` is told each as it comes."""
    got = []
    async for event in events:
        got.append(event)
        if during:
            during(event)
    return got


def run(story, seconds=40):
    async def bounded():
        async with asyncio.timeout(seconds):
            return await story

    return asyncio.run(bounded())


def of(got, kind):
    return [event for event in got if isinstance(event, kind)]


def assert_as_if_nothing_had_happened(got):
    assert [event.text for event in of(got, Final)] == TEXTS
    assert [(event.begin_ms, event.end_ms) for event in of(got, Final)] == SPANS
    life = [(type(event), event.segment) for event in got if isinstance(event, SpeechStarted | SpeechEnded | Final)]
    assert life == [(kind, segment) for segment in range(4) for kind in (SpeechStarted, SpeechEnded, Final)]
    assert len(of(got, SessionConfigured)) == 1
    assert of(got, Restarted) == []
    assert [event.totals["audio_ms"] for event in of(got, Closed)] == [len(AUDIO) // 32]


@pytest.mark.parametrize("seed", range(6))
def test_wherever_and_however_often_the_connection_is_cut_nothing_is_missed_and_nothing_comes_twice(server, seed):
    dice = random.Random(seed)

    async def story():
        async with Proxy(port_of(server)) as proxy:
            async with transcribe(proxy.url, spoken(), patience=QUICK) as events:
                began = asyncio.Event()

                def during(event):
                    if isinstance(event, SessionConfigured):  # a session that has not begun cannot be come back to
                        began.set()

                async def cutting():
                    await began.wait()
                    for _ in range(5):
                        await asyncio.sleep(dice.random() * 0.08)
                        proxy.newest.cut()

                cutter = asyncio.create_task(cutting())
                got = await hear(events, during)
                cutter.cancel()
                return got

    got = run(story())
    assert_as_if_nothing_had_happened(got)
    assert of(got, Resumed)


@pytest.mark.parametrize("lose", ["lose_client", "lose_server", "hold"])
def test_one_side_may_not_know_that_the_other_is_gone(server, lose):
    """After a change of networks the server still holds the old socket; behind a dead router nobody is told anything."""

    async def story():
        async with Proxy(port_of(server)) as proxy:
            first = True

            def during(event):
                nonlocal first
                if isinstance(event, SpeechStarted) and event.segment == 1 and first:
                    first = False
                    getattr(proxy.newest, lose)()

            async with transcribe(proxy.url, spoken(pause_s=0.01), patience=QUICK) as events:
                return await hear(events, during)

    got = run(story())
    assert_as_if_nothing_had_happened(got)
    assert len(of(got, Resumed)) == 1
    reason = of(got, Reconnecting)[0].reason
    assert ("nothing came" if lose == "hold" else "was lost") in reason


def test_byte_for_byte_and_cut_in_the_middle_of_a_frame(server):
    audio = AUDIO[: 32 * 1_800]
    expected = [final.text for final in Driver().start().hear(speech(SCRIPT)[: 16 * 1_800]).stop().finals]

    async def story():
        async with Proxy(port_of(server), piece=1, cut_after=30_000) as proxy:
            async with transcribe(proxy.url, spoken(audio), patience=replace(QUICK, silence_s=10)) as events:
                return await hear(events)

    got = run(story())
    assert [event.text for event in of(got, Final)] == expected
    assert len(of(got, Resumed)) == 1


def test_a_slow_network_is_not_a_dead_one(server):
    async def story():
        async with Proxy(port_of(server), delay_s=0.02, piece=8_192) as proxy:
            async with transcribe(proxy.url, spoken(), patience=QUICK) as events:
                return await hear(events)

    got = run(story())
    assert_as_if_nothing_had_happened(got)
    assert of(got, Reconnecting) == []


def test_a_flush_that_was_lost_is_asked_again_and_answered_once(server):
    async def story():
        async with Proxy(port_of(server)) as proxy:

            async def source():
                async with aclosing(spoken(AUDIO[: 32 * 600])) as pieces:
                    async for piece in pieces:
                        yield piece
                proxy.newest.hold()  # from here on nothing arrives
                assert await events.flush() == 1
                async with aclosing(spoken(AUDIO[32 * 600 :])) as pieces:
                    async for piece in pieces:
                        yield piece

            async with transcribe(proxy.url, source(), patience=QUICK) as events:
                return await hear(events)

    got = run(story())
    assert [event.id for event in of(got, Flushed)] == [1]
    assert of(got, Final)[0].end_ms == 600
    assert len(of(got, Final)) == 5
    assert of(got, Restarted) == []


def test_when_the_window_is_over_a_new_session_hears_what_was_not_answered():
    async def story(port):
        async with Proxy(port) as proxy:

            async def open_again():
                await asyncio.sleep(0.6)
                proxy.closed = False

            def during(event):
                nonlocal opening
                if isinstance(event, SpeechStarted) and event.segment == 2 and not opening:
                    proxy.closed = True
                    proxy.newest.cut()
                    opening = asyncio.create_task(open_again())

            opening = None
            async with transcribe(proxy.url, spoken(pause_s=0.01), patience=QUICK) as events:
                return await hear(events, during)

    with serving(judge=Loud(), heartbeat_s=0.05, resume_s=0.2) as running:
        got = run(story(port_of(running)))
    (restarted,) = of(got, Restarted)
    assert (restarted.first_segment, restarted.abandoned) == (3, (2,))
    assert restarted.offset_ms >= SPANS[1][1]
    assert of(got, Resumed) == []
    assert [event.segment for event in of(got, Final)] == [0, 1, 3, 4]
    assert [event.text for event in of(got, Final)][:2] == TEXTS[:2]
    # The new session's frames of 20 ms lie elsewhere.
    spans = [(event.begin_ms, event.end_ms) for event in of(got, Final)]
    assert [tuple(round(ms / 100) for ms in span) for span in spans] == [tuple(round(ms / 100) for ms in span) for span in SPANS]
    assert got[-1].totals["audio_ms"] == len(AUDIO) // 32


def test_a_container_is_sent_anew_and_what_was_told_is_not_told_again():
    file = io.BytesIO()
    with wave.open(file, "wb") as writing:
        writing.setparams((1, 2, 16_000, 0, "NONE", ""))
        writing.writeframes(AUDIO)

    async def story(running):
        async with Proxy(port_of(running)) as proxy:
            lost = False

            def during(event):
                nonlocal lost
                if isinstance(event, Final) and event.segment == 1 and not lost:
                    lost = True
                    proxy.newest.cut()

            async with transcribe(proxy.url, file.getvalue(), channels=1, mix=False, patience=QUICK) as events:
                return await hear(events, during)

    with serving(judge=Loud(), heartbeat_s=0.05, resume_s=0) as running:
        got = run(story(running))
    assert [event.text for event in of(got, Final)] == TEXTS
    assert [event.segment for event in of(got, SpeechStarted)] == [0, 1, 2, 3]
    assert len(of(got, Closed)) == 1


def test_a_server_that_is_replaced_is_followed_to_the_next_one():
    """It says goodbye with what it owes; the next one hears the rest."""

    async def story(first, second):
        async with Proxy(port_of(first)) as proxy:
            stopping = None

            def during(event):
                nonlocal stopping
                if isinstance(event, SpeechStarted) and event.segment == 1 and not stopping:
                    proxy.target = port_of(second)
                    stopping = asyncio.create_task(asyncio.to_thread(first.call, first.server.stop()))

            async with transcribe(proxy.url, spoken(pause_s=0.01), patience=QUICK) as events:
                got = await hear(events, during)
            await stopping
            return got

    with serving(judge=Loud(), heartbeat_s=0.05) as second, serving(judge=Loud(), heartbeat_s=0.05) as first:
        got = run(story(first, second))
    assert "is stopping" in of(got, Reconnecting)[0].reason
    assert len(of(got, Restarted)) == 1
    assert len(of(got, Closed)) == 1
    heard_ms = sum(event.end_ms - event.begin_ms for event in of(got, Final))
    assert abs(heard_ms - sum(end - begin for begin, end in SPANS)) < 800  # the cut has no pause of its own on either side
    assert all(earlier.end_ms <= later.begin_ms for earlier, later in zip(of(got, Final), of(got, Final)[1:], strict=False))


def test_who_has_tried_for_long_enough_says_why(server):
    async def story():
        async with Proxy(port_of(server)) as proxy:
            async with transcribe(proxy.url, spoken(), patience=Patience(first_wait_s=0.01, longest_wait_s=0.05, give_up_s=0.3)) as events:
                got = []
                with pytest.raises(ConnectionFailed) as failed:
                    async for event in events:
                        got.append(event)
                        proxy.closed = True
                        for link in proxy.links:
                            link.cut()
                return got, str(failed.value)

    got, said = run(story())
    assert len(of(got, Reconnecting)) > 2
    assert [event.attempt for event in of(got, Reconnecting)] == list(range(1, len(of(got, Reconnecting)) + 1))
    assert said.startswith("ws://127.0.0.1:")


def test_who_leaves_early_leaves_nothing_behind(server):
    async def story():
        async with transcribe(server.socket, spoken(pause_s=0.01), patience=QUICK) as events:
            async for event in events:
                if isinstance(event, Final):
                    break
        async with asyncio.timeout(5):
            while server.metric("streamer_open_sessions"):  # noqa: ASYNC110 - of another thread's loop
                await asyncio.sleep(0.02)
        return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    assert run(story()) == []


def test_the_command_line_says_that_the_connection_was_lost_and_goes_on(server, tmp_path):
    path = tmp_path / "talk.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(AUDIO)

    async def story():
        async with Proxy(port_of(server), cut_after=100_000) as proxy:
            backend = Remote(proxy.url, paced=False)
            with decode_file(path, channels=1) as audio:
                return [message async for message in backend.messages(audio, 1, {"language": "en"})]

    messages = run(story())
    assert [message["text"] for message in messages if message["type"] == "final"] == TEXTS
    (warning,) = [message["message"] for message in messages if message["type"] == "warning"]
    assert warning.endswith("; trying again")
    assert messages[-1]["totals"]["audio_ms"] == len(AUDIO) // 32
