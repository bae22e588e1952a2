"""What breaks under a server, over real sockets: what clients see, how long it takes, and that every sentence has its final.

Each case is one row: an engine that fails in its own way in mid-speech. How long each recovery took is logged
(``pytest tests/test_faults.py -o log_cli=true --log-cli-level=INFO``); what is promised is in docs/operations.md.
"""

import asyncio
import json
import logging
import re
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streamer.core.events import GoingAway, JobKind
from streamer.engine import OutOfMemory
from streamer.engine.scripted import Scripted
from streamer.wires import Handshake, Wire
from streamer.wires.native import Native
from streamer.wires.routes import ROUTES
from tests.driving import Driver, speech
from tests.serving import serving
from tests.test_overload import CHUNK, talk, texts
from tests.test_server import Loud, kinds

logger = logging.getLogger(__name__)

ROOT = Path(__file__).parents[1]
TALK = [speech("." * 5 + ("#" * 50 + "." * 45) * 3, seed=n) for n in range(4)]
EXPECTED = [[final.text for final in Driver().start().hear(audio).stop().finals] for audio in TALK]
AT = 6  # the batch with which it begins
RECOVERY_S = 10.0  # generous: the machine is shared


@dataclass
class Story:
    """What has happened to the engines of one server, whichever thread they live in."""

    batches: int = 0
    builds: int = 0
    failed: float = 0.0
    again: float = 0.0
    unbuilt: int = 0
    hung: list = field(default_factory=list)  # jobs of the batches that hung
    over: threading.Event = field(default_factory=threading.Event)

    def begins(self, at=AT):
        """Whether the fault comes now: once, or for each batch from there on that the caller likes."""
        if self.batches == at:
            self.failed = time.monotonic()
        return self.batches == at

    @property
    def recovery_s(self):
        return self.again - self.failed


class Engine(Scripted):
    """A scripted engine with a fault. ``fault`` is called with each batch, before it is decoded."""

    def __init__(self, story, fault):
        super().__init__()
        story.builds += 1
        if story.builds > 1 and story.builds <= 1 + story.unbuilt:
            raise FileNotFoundError("no model.pt in /models")
        self.story, self.fault = story, fault

    def transcribe(self, jobs):
        self.story.batches += 1
        self.fault(self.story, jobs)
        answers = super().transcribe(jobs)
        if self.story.failed and not self.story.again:
            self.story.again = time.monotonic()
        return answers


def thread_ends(story, jobs):
    if story.begins():
        raise SystemExit


def device_is_lost(story, jobs):
    if story.begins():
        raise MemoryError("device lost")


def hangs(story, jobs):
    if story.begins():
        story.over.wait(60)


def hangs_twice(story, jobs):
    """The second time with other jobs: one that is in two such batches is given up."""
    again = story.failed and len(story.hung) == 1 and not any(job is one for job in jobs for one in story.hung[0])
    if story.begins() or again:
        story.hung.append(jobs)
        story.over.wait(60)


def memory_runs_out(story, jobs):
    if story.begins() or (story.failed and len(jobs) > 1):
        raise OutOfMemory("tried to allocate 2 GiB")


def batch_raises(story, jobs):
    if story.begins():
        raise ValueError("a kernel was not found")


FAULTS = [
    # what happens, seconds until it counts as hung, builds that fail afterwards, engines built in all
    (batch_raises, 30.0, 0, 1),
    (memory_runs_out, 30.0, 0, 1),
    (thread_ends, 30.0, 0, 2),
    (device_is_lost, 30.0, 0, 2),
    (device_is_lost, 30.0, 2, 4),
    (hangs, 1.0, 0, 2),
    (hangs_twice, 1.0, 0, 3),
]


def until(holds, patience_s=30.0):
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def everybody(server):
    return await asyncio.gather(*(talk(server, audio, speed=3.0) for audio in TALK))


@pytest.mark.parametrize(("fault", "hung_s", "unbuilt", "builds"), FAULTS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_whatever_happens_to_the_engine_every_sentence_has_its_final(fault, hung_s, unbuilt, builds):
    story = Story(unbuilt=unbuilt)
    with serving(lambda: Engine(story, fault), judge=Loud(), hung_s=hung_s) as server:
        try:
            results = asyncio.run(asyncio.wait_for(everybody(server), 60))
        finally:
            story.over.set()
        restarts = server.metric('streamer_restarts_total{what="engine"}')
        ready = server.get("/readyz")[0]

    assert [texts(got) for got in results] == EXPECTED
    assert [message for got in results for message in got if message["type"] == "error"] == []
    assert story.failed
    assert (story.builds, restarts, ready) == (builds, builds - 1 - unbuilt, 200)
    assert story.recovery_s < 1.25 * (hung_s if "hang" in fault.__name__ else 0) + 2 * unbuilt + RECOVERY_S
    logger.info("%s: answered again after %.2f s", fault.__name__, story.recovery_s)


def test_readiness_says_so_while_there_is_no_engine():
    story = Story(unbuilt=3)
    with serving(lambda: Engine(story, device_is_lost), judge=Loud()) as server:

        async def watch():
            talking = asyncio.create_task(everybody(server))
            said = set()
            while not talking.done():
                said.add((await asyncio.to_thread(server.get, "/readyz"))[::2])
                await asyncio.sleep(0.05)
            return await talking, said

        results, said = asyncio.run(asyncio.wait_for(watch(), 60))

    assert said == {(200, "ready\n"), (503, "the model is restarting\n")}
    assert [texts(got) for got in results] == EXPECTED


def test_an_item_that_cannot_be_decoded_is_an_error_in_its_place_and_nobody_elses():
    def raises(story, jobs):
        if any(job.segment == 1 and job.kind in (JobKind.FINAL, JobKind.SPECULATIVE) for job in jobs):
            raise ValueError("poison")

    with serving(lambda: Engine(Story(), raises), judge=Loud()) as server:
        results = asyncio.run(asyncio.wait_for(everybody(server), 60))

    assert [texts(got) for got in results] == [[first, third] for first, _, third in EXPECTED]
    errors = [[(m["code"], m["segment"], m["fatal"]) for m in got if m["type"] == "error"] for got in results]
    assert errors == [[("transcription_failed", 1, False)]] * len(TALK)


def test_what_hangs_every_engine_is_given_up_and_told():
    story = Story()

    def hangs_on_it(story, jobs):
        if any(job.segment == 1 for job in jobs):
            story.over.wait(60)

    with serving(lambda: Engine(story, hangs_on_it), judge=Loud(), hung_s=0.4) as server:
        try:
            got = asyncio.run(asyncio.wait_for(talk(server, TALK[0], speed=20), 60))
        finally:
            story.over.set()

    assert texts(got) == [EXPECTED[0][0], EXPECTED[0][2]]
    assert [(m["code"], m["segment"]) for m in got if m["type"] == "error"] == [("transcription_failed", 1)]
    assert "the engine hung on it" in str(got)


def test_a_client_that_is_only_half_there_is_let_go_within_the_idle_limit_and_the_close_timeout():
    with serving(judge=Loud(), idle_timeout_s=1, heartbeat_s=0.2) as server:

        async def vanish():
            socket = await connect(server.socket, compression=None, ping_interval=None)
            await socket.send('{"type": "start"}')
            await socket.send(TALK[0].tobytes())
            await asyncio.sleep(0.5)
            socket.transport.pause_reading()  # no answer from here on, neither to pings nor to the close
            began = time.monotonic()
            await asyncio.to_thread(until, lambda: server.metric("streamer_open_sessions") == 0)
            socket.transport.abort()
            return time.monotonic() - began

        seconds = asyncio.run(asyncio.wait_for(vanish(), 60))

        assert server.metric('streamer_messages_total{type="final"}') == 3
        assert server.metric('streamer_errors_total{code="idle_timeout"}') == 1
    logger.info("half open with an idle limit of 1 s: gone after %.1f s", seconds)
    assert seconds < 1 + 10 + RECOVERY_S


def test_before_it_stops_a_server_is_not_ready_and_says_when_and_goes_on_until_then():
    with serving(judge=Loud(), notice_s=2.0) as server:

        async def speak():
            socket = await connect(server.socket, compression=None)
            await socket.send('{"type": "start", "sounds": false}')
            await socket.send(TALK[0][:16_000].tobytes())
            while json.loads(await socket.recv())["type"] != "partial":
                pass
            began = time.monotonic()
            stopping = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(server.server.stop(), server._loop))
            got = []
            while not got or got[-1]["type"] != "going_away":
                got.append(json.loads(await socket.recv()))
            readiness = await asyncio.to_thread(server.get, "/readyz")
            with pytest.raises(InvalidStatus) as refused:
                await connect(server.socket)
            rest = TALK[0][16_000:].tobytes()
            with suppress(ConnectionClosed):
                for at in range(0, len(rest), CHUNK):
                    await socket.send(rest[at : at + CHUNK])
                    await asyncio.sleep(0.05)
            with suppress(ConnectionClosed):
                while True:
                    got.append(json.loads(await socket.recv()))
            seconds = time.monotonic() - began
            await stopping
            return got, readiness[::2], refused.value.response, seconds, socket.close_code

        got, readiness, refused, seconds, code = asyncio.run(asyncio.wait_for(speak(), 60))

    away = next(message for message in got if message["type"] == "going_away")
    assert away["seconds"] == 2.0
    assert readiness == (503, "the server is stopping\n")
    assert (refused.status_code, refused.body) == (503, b"the server is stopping\n")
    assert kinds(got)[-1] == "closed"
    assert (got[-1]["reason"], code) == ("going_away", 1001)
    assert len(texts(got)) == kinds(got).count("speech.started") + 1 >= 2  # the one that was open, and what was said since
    assert texts(got)[0] == EXPECTED[0][0]
    assert seconds >= 1.9


def test_a_server_stops_at_once_when_all_have_left():
    with serving(judge=Loud(), notice_s=30.0) as server:

        async def leave():
            async with connect(server.socket, compression=None) as socket:
                await socket.send('{"type": "start"}')
                stopping = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(server.server.stop(), server._loop))
                async for data in socket:
                    if json.loads(data)["type"] == "going_away":
                        await socket.send('{"type": "stop"}')
                await stopping
                return socket.close_code

        assert asyncio.run(asyncio.wait_for(leave(), 20)) == 1000


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_wires_that_have_no_word_for_it_say_nothing(route):
    path = (route.paths or ("/",))[0].replace("*", "x")
    wire = route.open(Handshake(session_id="s", at="2026-01-31T12:00:00Z", path=path))
    if isinstance(wire, Wire) and not isinstance(wire, Native):
        assert list(wire.encode(GoingAway(seconds=5.0))) == []


def test_a_log_that_cannot_be_written_hurts_nobody():
    command = [sys.executable, "-m", "streamer", "serve", "--port", "0", "--model", "scripted", "--vad", "webrtc"]
    with (
        Path("/dev/full").open("w") as full,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=full, text=True, cwd=ROOT) as process,
    ):
        try:
            address = re.search(r"http://\S+", process.stdout.readline())[0]
            assert process.stdout.readline().startswith("model: scripted")

            async def speak():
                async with connect(address.replace("http", "ws") + "/ws", compression=None) as socket:
                    await socket.send('{"type": "start", "sounds": false}')
                    await socket.send(TALK[0].tobytes())
                    await socket.send('{"type": "stop"}')
                    return [json.loads(message) async for message in socket]

            assert len(texts(asyncio.run(asyncio.wait_for(speak(), 30)))) == 3
        finally:
            process.terminate()
            assert process.wait(20) == 0


def test_no_decision_hangs_on_a_clock_that_can_jump():
    """The time of day is told to people and to carriers, dates transcripts and ends tokens: the rest is monotonic, or counts samples."""
    used = re.compile(r"\btime\.time(_ns)?\b|datetime\.(now|utcnow|today)\(|from time import time\b")
    places = {
        path.relative_to(ROOT / "streamer").as_posix()
        for path in (ROOT / "streamer").rglob("*.py")
        for line in path.read_text().splitlines()
        if used.search(line)
    }

    told, dated, ended = (
        {"handshakes.py"},
        {"record.py", "cli/transcripts.py"},
        {"access/minting.py", "access/tokens.py", "access/board.py", "workers/board.py"},
    )
    assert places == told | dated | ended
