"""The whole of `streamer serve --workers 2`, as an operator runs it: what clients see while processes are killed under it."""

import asyncio
import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.driving import speech
from tests.test_server_resume import Client

logger = logging.getLogger(__name__)
AUDIO = [np.concatenate([speech("#" * 40 + "." * 40, seed=10 * n + m) for m in range(4)]).tobytes() for n in range(6)]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a port is shared as Linux shares it")


class Service:
    """A server in several processes. ``child`` finds one by its role."""

    def __init__(self, process, address, lines):
        self.process, self.address, self.lines = process, address, lines
        self.socket = address.replace("http", "ws", 1) + "/ws"

    def children(self):
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        pids = [int(pid) for task in tasks for pid in task.read_text().split()]
        return {" ".join(Path(f"/proc/{pid}/cmdline").read_text().split("\0")[3:]).strip(): pid for pid in pids}

    def get(self, path):
        try:
            with urllib.request.urlopen(self.address + path, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, line):
        return next(float(row.rpartition(" ")[2]) for row in self.get("/metrics")[1].splitlines() if row.startswith(line + " "))

    def until(self, holds):
        deadline = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.02)


@contextmanager
def workers(*options, **environment):
    command = [sys.executable, "-m", "streamer", "serve", "--port", "0", "--model", "scripted", "--vad", "webrtc", "--log-level", "error"]
    command += ["--device", "cpu", "--workers", "2", *options]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "STREAMER_DRAIN_S": "5", "STREAMER_NOTICE_S": "0", **environment},
    ) as process:
        try:
            lines = [process.stdout.readline()]
            service = Service(process, lines[0].split()[4], lines)
            service.until(lambda: service.get("/readyz")[0] == 200)
            yield service
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="module")
def service():
    with workers("--device", "cpu,cpu") as running:
        yield running


async def opened(service):
    socket = await connect(service.socket, compression=None)
    assert json.loads(await socket.recv())["type"] == "session.created"
    return socket


async def talk(service, audio, began=None, go_on=None):
    """Speak; what came back, and the close code. Half-way, say so to ``began`` and wait for ``go_on``."""
    socket = await opened(service)
    got = []

    async def read():
        with suppress(ConnectionClosed):
            async for data in socket:
                got.append(json.loads(data))

    reading = asyncio.create_task(read())
    with suppress(ConnectionClosed):
        await socket.send('{"type": "start", "sounds": false}')
        for at in range(0, len(audio), 16_000):
            if go_on and at >= len(audio) // 2:
                began.release()
                await go_on.wait()
                go_on = None
            await socket.send(audio[at : at + 16_000])
        await socket.send('{"type": "stop"}')
    await asyncio.wait_for(reading, 40)
    return got, socket.close_code


def said(got):
    return [(message["segment"], message["text"], message["begin_ms"], message["end_ms"]) for message in got if message["type"] == "final"]


async def interrupted(service, interrupt, clients=AUDIO):
    """All clients speak; half-way ``interrupt`` is awaited."""
    began, go_on = asyncio.Semaphore(0), asyncio.Event()
    talking = [asyncio.create_task(talk(service, audio, began, go_on)) for audio in clients]
    for _ in clients:
        await began.acquire()
    await interrupt(go_on)
    return await asyncio.gather(*talking)


@pytest.fixture(scope="module")
def expected(service):
    async def everybody():
        return await asyncio.gather(*(talk(service, audio) for audio in AUDIO))

    results = asyncio.run(everybody())
    assert [code for _, code in results] == [1000] * len(AUDIO)
    finals = [said(got) for got, _ in results]
    assert [len(one) for one in finals] == [4] * len(AUDIO)
    return finals


def test_the_first_line_says_where_it_listens_and_all_processes_are_its_children(service):
    assert service.lines[0].startswith("streamer 0.1.0 listens on http://127.0.0.1:")
    assert sorted(service.children()) == ["engine 1", "engine 2", "gateway 1", "gateway 2"]
    assert service.get("/healthz") == (200, "alive\n")
    assert "<html" in service.get("/")[1]


def test_finals_say_what_a_server_in_one_process_says(service, expected):
    with workers("--workers", "1") as single:
        assert len(single.children()) == 0
        for audio, finals in zip(AUDIO[:2], expected, strict=False):
            assert said(asyncio.run(talk(single, audio))[0]) == finals


def test_metrics_are_those_of_all_whichever_gateway_is_asked(service, expected):
    def finals():
        return service.metric('streamer_messages_total{type="final"}')

    before = finals()
    for audio in AUDIO:
        asyncio.run(talk(service, audio))

    assert {finals() for _ in range(8)} == {before + 24}
    assert service.metric("streamer_ready") == 1.0
    assert service.metric("streamer_batch_items_sum") >= 24
    memory = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in service.children().values()) * os.sysconf("SC_PAGE_SIZE")
    assert service.metric("process_resident_memory_bytes") > 0.9 * memory


def test_no_final_is_lost_or_said_twice_when_the_engine_processes_are_killed_in_mid_speech(service, expected):
    async def kill(go_on):
        engines = [pid for role, pid in service.children().items() if role.startswith("engine")]
        for pid in engines:
            os.kill(pid, signal.SIGSTOP)
        go_on.set()  # what is said now is owed by processes that will not answer
        await asyncio.sleep(0.5)
        for pid in engines:
            os.kill(pid, signal.SIGKILL)
        killed.append(time.monotonic())

    killed = []
    results = asyncio.run(interrupted(service, kill))
    logger.info("all engines killed: everybody had all finals after %.1f s", time.monotonic() - killed[0])

    assert [said(got) for got, _ in results] == expected
    assert [code for _, code in results] == [1000] * len(AUDIO)
    service.until(lambda: service.get("/readyz")[0] == 200)
    assert len(service.children()) == 4


@pytest.mark.parametrize("role", ["engine 1", "gateway 1"])
def test_a_process_that_stands_still_is_replaced_and_no_final_of_an_engines_is_lost(expected, role):
    with workers(STREAMER_WATCHDOG_S="1") as service:

        async def stand(go_on):
            pid = service.children()[role]
            os.kill(pid, signal.SIGSTOP)
            began = time.monotonic()
            go_on.set()
            while service.children().get(role) in (pid, None):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            logger.info("%s stands still, bound 2 s: replaced after %.1f s", role, time.monotonic() - began)

        results = asyncio.run(interrupted(service, stand))
        codes = {code for _, code in results}
        service.until(lambda: service.get("/readyz")[0] == 200 and len(service.children()) == 3)

    assert codes <= {1000, 1006}
    assert codes == {1000} or role == "gateway 1"
    for (got, code), finals in zip(results, expected, strict=True):
        assert code == 1006 or said(got) == finals


def test_a_gateway_that_is_killed_takes_only_its_own_clients_and_is_replaced(service, expected):
    async def kill(go_on):
        os.kill(service.children()["gateway 1"], signal.SIGKILL)
        await asyncio.sleep(0.1)
        go_on.set()

    counted = service.metric("streamer_sessions_total")
    results = asyncio.run(interrupted(service, kill, AUDIO * 4))
    codes = [code for _, code in results]

    assert set(codes) == {1000, 1006}
    for (got, code), finals in zip(results, expected * 4, strict=True):
        assert code == 1006 or said(got) == finals
    service.until(lambda: len(service.children()) == 4)
    service.until(lambda: service.metric("streamer_open_sessions") == 0.0 and service.metric("streamer_ready") == 1.0)
    assert service.metric("streamer_sessions_total") >= counted
    assert said(asyncio.run(talk(service, AUDIO[0]))[0]) == expected[0]


def test_the_bound_of_sessions_holds_for_all_gateways_together():
    async def fill(service):
        sockets = [await opened(service) for _ in range(3)]
        for _ in range(6):
            with pytest.raises(InvalidStatus) as refused:
                await opened(service)
            assert refused.value.response.body == b"all 3 sessions are taken; try again later\n"
        await sockets.pop().close()
        await asyncio.sleep(0.2)
        sockets.append(await opened(service))
        for socket in sockets:
            await socket.close()

    with workers(STREAMER_MAX_SESSIONS="3") as service:
        asyncio.run(fill(service))


def test_a_crowd_at_all_gateways_at_once_does_not_pass_the_bound():
    async def try_to_open(service):
        with suppress(InvalidStatus):
            return await opened(service)

    async def crowd(service):
        for _ in range(5):
            inside = [socket for socket in await asyncio.gather(*(try_to_open(service) for _ in range(20))) if socket]
            most.append(len(inside))
            for socket in inside:
                await socket.close()
            service.until(lambda: service.metric("streamer_open_sessions") == 0.0)

    most = []
    with workers(STREAMER_MAX_SESSIONS="3") as service:
        asyncio.run(crowd(service))
    assert max(most) <= 3
    assert min(most) >= 1  # of two who see each other at the last place both may be told to try again


def test_a_signal_drains_what_is_being_said_and_then_everybody_ends():
    async def stop(service):
        async def terminate(go_on):
            await asyncio.sleep(0.3)
            service.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(1.0)
            go_on.set()

        return await interrupted(service, terminate)

    with workers() as service:
        pids = service.children().values()
        results = asyncio.run(stop(service))
        assert service.process.wait(20) == 0
        assert [code for _, code in results] == [1001] * len(AUDIO)
        assert [got[-1]["reason"] for got, _ in results] == ["going_away"] * len(AUDIO)
        assert [len(said(got)) for got, _ in results] == [3] * len(AUDIO)  # two that had ended, and the one that was being said
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_supervisor_that_is_killed_leaves_no_orphans(tmp_path):
    with workers(TMPDIR=str(tmp_path)) as service:  # nobody is left to clear its folder away
        pids = list(service.children().values())
        service.process.kill()
        service.until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def test_a_model_that_cannot_be_loaded_ends_the_command_with_a_sentence(tmp_path):
    command = [sys.executable, "-m", "streamer", "serve", "--port", "0", "--workers", "2", "--vad", "webrtc", "--log-level", "error"]
    ended = subprocess.run([*command, "--model", str(tmp_path / "none")], capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(f"the model could not be loaded: {tmp_path}/none is neither a known model (")


def test_a_port_that_is_taken_is_refused_though_it_could_be_shared(service):
    port = service.address.rpartition(":")[2]
    command = [sys.executable, "-m", "streamer", "serve", "--port", port, "--workers", "2", "--model", "scripted"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"cannot listen on 127.0.0.1 port {port}: ")
    assert ended.stderr.endswith("address already in use; choose another with --port\n")


def test_a_call_is_followed_wherever_its_session_is(service):
    async def follow():
        async with connect(service.socket.replace("/ws", "/calls/c1")) as socket:
            texts = []
            async for data in socket:
                message = json.loads(data)
                if message["type"] == "final":
                    texts.append(message["text"])
                if message["type"] == "closed":
                    return texts

    async def story():
        followers = [asyncio.create_task(follow()) for _ in range(8)]  # spread over the gateways by chance
        async with connect(service.socket + "?call=c1") as socket:
            await socket.send('{"type": "start", "sounds": false}')
            await socket.send(AUDIO[0])
            await socket.send('{"type": "stop"}')
            said = [message["text"] async for data in socket if (message := json.loads(data))["type"] == "final"]
        return said, await asyncio.wait_for(asyncio.gather(*followers), 20)

    said, heard = asyncio.run(story())
    assert len(said) == 4
    assert heard == [said] * 8


@pytest.mark.parametrize("seed", range(3))
def test_a_client_comes_back_to_its_session_whichever_gateway_it_reaches(service, seed):
    dice = random.Random(seed)
    whole, _ = asyncio.run(talk(service, AUDIO[0]))

    async def story():
        client = await Client(service).begin()
        for at in range(0, len(AUDIO[0]), 9_001):
            await client.say(AUDIO[0][at : at + 9_001])
            if dice.random() < 0.3:
                reading = asyncio.create_task(client.read())
                await asyncio.sleep(dice.random() * 0.05)
                client.lose()
                await reading
                await client.come_back()
        await client.say('{"type": "stop"}')
        await client.read()
        return client

    client = asyncio.run(asyncio.wait_for(story(), 60))
    assert said(client.got) == said(whole) != []
    assert (client.code, client.got[-1]["type"]) == (1000, "closed")


def test_a_token_that_no_gateway_knows_is_refused(service):
    with pytest.raises(InvalidStatus) as refused:
        asyncio.run(connect(service.socket + "?resume=nonsense").__aenter__())
    assert refused.value.response.status_code == 410


def test_a_wire_has_a_port_of_its_own_at_every_gateway():
    with workers("--listen", "funasr-realtime=0") as service:
        line = service.process.stdout.readline()
        assert line.startswith("funasr-realtime has port ")
        port = int(line.split()[3])

        async def story():
            for _ in range(8):
                async with connect(f"ws://127.0.0.1:{port}") as socket:
                    await socket.send("START")
                    assert json.loads(await socket.recv()) == {"event": "started"}

        asyncio.run(story())
