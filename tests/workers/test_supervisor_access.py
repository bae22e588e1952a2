"""Keys, TLS and bounds where several processes share the port: each of them asks, and they count together."""

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from streamer.access.keys import new_key, save
from streamer.access.tokens import Tokens, Wish, read_secret
from tests.driving import speech
from tests.workers.test_supervisor import workers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a port is shared as Linux shares it")


def test_every_gateway_asks_for_a_key_over_tls_and_sees_that_one_is_revoked(certificate, tmp_path):
    keys = tmp_path / "keys"
    key, text = new_key("desk")
    save(keys, [key])
    command = [sys.executable, "-m", "streamer", "serve", "--port", "0", "--model", "scripted", "--vad", "webrtc", "--workers", "2"]
    command += ["--device", "cpu", "--keys", str(keys), "--log-level", "error"]
    command += ["--tls-cert", str(certificate[0]), "--tls-key", str(certificate[1])]
    trust = ssl.create_default_context(cafile=certificate[0])

    async def tries(socket, count):
        """What the answers to so many handshakes were; they go to either gateway."""
        found = []
        for _ in range(count):
            try:
                async with connect(socket, ssl=trust, additional_headers={"X-API-Key": text}) as opened:
                    found.append(json.loads(await opened.recv())["type"])
            except InvalidStatus as refused:
                found.append(refused.response.status_code)
        return set(found)

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().split()[4]
            assert address.startswith("https://127.0.0.1:")
            socket = address.replace("https", "wss") + "/ws"

            async def whole():
                for _ in range(100):
                    if await tries(socket, 12) == {"session.created"}:
                        break
                    await asyncio.sleep(0.2)
                save(keys, [])
                return await tries(socket, 12)

            assert asyncio.run(whole()) == {401}
        finally:
            process.terminate()
            process.wait(30)


async def answer(service, text):
    """A socket that is let in, or the sentence of the refusal; whoever is not ready is asked again."""
    for _ in range(200):
        try:
            return await connect(service.socket, compression=None, additional_headers={"X-API-Key": text})
        except InvalidStatus as refused:
            if refused.response.status_code != 503:
                return refused.response.body.decode()
        await asyncio.sleep(0.05)
    raise AssertionError("nobody is ready")


async def fill(service, text):
    """As many sockets as are let in, and what everybody is told from then on, whichever gateway is asked."""
    sockets = []
    while not isinstance(found := await answer(service, text), str):
        sockets.append(found)
    others = [await answer(service, text) for _ in range(6)]
    assert others == [found] * 6
    return sockets, found


async def refilled(service, text):
    """As many sockets as are let in, once the first is."""
    for _ in range(200):
        if not isinstance(found := await answer(service, text), str):
            return [found, *(await fill(service, text))[0]]
        await asyncio.sleep(0.05)
    raise AssertionError("nobody is let in")


def test_bounds_hold_for_all_gateways_together_and_who_was_at_a_dead_one_counts_no_more(tmp_path):
    desk, desk_text = new_key("desk", sessions=2)
    guest, guest_text = new_key("guest")
    save(tmp_path / "keys", [desk, guest])

    async def story(service):
        everybody = "which is all that it may have at a time; end one, or try again later\n"
        mine, told = await fill(service, desk_text)
        assert (len(mine), told) == (2, f"the key desk has 2 sessions, {everybody}")
        others, told = await fill(service, guest_text)
        assert (len(others), told) == (3, f"127.0.0.1 has 5 sessions, {everybody}")

        await mine.pop().close()
        mine += await refilled(service, desk_text)
        assert len(mine) == 2

        before = service.children()
        for role in ("gateway 1", "gateway 2"):
            os.kill(before[role], signal.SIGKILL)
        for socket in (*mine, *others):
            await socket.wait_closed()
        service.until(lambda: len(now := service.children()) == 3 and not {now["gateway 1"], now["gateway 2"]} & set(before.values()))
        service.until(ready(service))
        mine = await refilled(service, desk_text)
        assert len(mine) == 2
        for socket in mine:
            await socket.close()

    with workers("--keys", str(tmp_path / "keys"), STREAMER_MAX_SESSIONS_PER_ADDRESS="5") as service:
        asyncio.run(story(service))


def ready(service):
    """Asks whether a server does that may not listen yet."""

    def asks():
        try:
            return service.get("/readyz")[0] == 200
        except OSError:
            return False

    return asks


def test_the_quota_of_a_token_is_of_its_sessions_at_all_gateways_and_outlives_them(tmp_path):
    guest, _ = new_key("guest")
    save(tmp_path / "keys", [guest])

    async def speak(service, token):
        socket = await answer(service, token)
        if isinstance(socket, str):
            return socket
        await socket.send('{"type": "start"}')
        await socket.send(speech("#" * 30).tobytes())
        await socket.send('{"type": "stop"}')
        async for data in socket:
            assert json.loads(data)["type"] != "error"
        await socket.wait_closed()
        return None

    async def spend(service, token):
        """Sessions of 0.9 s each, one after the other, until there are no more; what is said then."""
        for count in range(60):
            if told := await speak(service, token):
                return count, told
        raise AssertionError("a quota that never ends")

    with workers("--keys", str(tmp_path / "keys")) as service:
        token = Tokens(read_secret(tmp_path / "keys.secret")).mint(guest, Wish(quota_s=4))
        count, told = asyncio.run(spend(service, token))
        assert 4 <= count <= 8  # of a session that has just ended the audio may not be counted yet
        assert told == "the token's 4 s of audio are used up; mint another one\n"
        pid = service.children()["gateway 1"]
        os.kill(pid, signal.SIGKILL)
        service.until(lambda: service.children().get("gateway 1", pid) != pid)
        service.until(ready(service))
        assert [asyncio.run(speak(service, token)) for _ in range(8)] == [told] * 8
