"""jigasi, which signs a token of its own for each connection, at a server that asks for keys."""

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import jwt
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streamer.access import Scope
from streamer.access.configured import AccessSettings, build_guard
from streamer.access.keys import new_key, save, signing_key
from streamer.access.public import read_public_pem
from tests.access.pairs import private, private_der, public_pem
from tests.clients.jigasi.asap import asap_token
from tests.clients.jigasi.meeting import Meeting
from tests.driving import Driver, speech
from tests.serving import serving
from tests.test_server import Loud
from tests.wires.test_skynet import message

ROOT = Path(__file__).parents[1]
PATH = "/streaming-whisper/ws"
SPEECH = speech("." * 20 + "#" * 60)
PRIVATE_KEY = base64.b64encode(private_der("RS256")).decode()


class Place:
    """A server with jigasi's public half and the key of somebody else."""

    def __init__(self, path):
        self.path = path
        public = read_public_pem(public_pem("RS256"))
        self.jigasi = signing_key("jigasi", public, scopes=frozenset({Scope.TRANSCRIBE}), audience="jitsi")
        self.desk, _ = new_key("desk")
        save(path, [self.jigasi, self.desk])

    def guard(self):
        return build_guard(AccessSettings(keys=self.path))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("signed") / "keys")


@pytest.fixture(scope="module")
def server(place):
    with serving(judge=Loud(), guard=place.guard(), heartbeat_s=0.1) as running:
        yield running


def address(server, more=""):
    return server.url.replace("http", "ws", 1) + PATH + more


def sign(name="jigasi", **options):
    return asap_token(PRIVATE_KEY, name, **options)


def finals():
    return [final.text for final in Driver().start().hear(SPEECH).stop().finals]


def refused(url, token=None):
    """The answer to a handshake: status and sentence."""

    async def conversation():
        async with connect(url, additional_headers={"Authorization": f"Bearer {token}"} if token else {}):
            pass

    with pytest.raises(InvalidStatus) as found:
        asyncio.run(conversation())
    return found.value.response.status_code, found.value.response.body.decode()


def test_jigasi_is_let_in_with_the_token_that_it_signs(server, monkeypatch):
    monkeypatch.setattr("streamer.wires.skynet.Skynet.pause_s", 0.3)
    held = Meeting(address(server), {"a1b2c3d4": ("en", SPEECH.tobytes(), 0.0)}, sign)
    asyncio.run(held.hold(quiet_s=0.3, most_s=20))

    assert [result.text for result in held.results if not result.interim] == finals()


def test_without_its_private_key_it_is_not(server):
    with pytest.raises(InvalidStatus) as found:
        asyncio.run(Meeting(address(server), {"a1b2c3d4": ("en", b"", 0.0)}).hold(quiet_s=0.1, most_s=1))
    assert found.value.response.status_code == 401


def test_skynets_page_brings_its_token_in_the_query(server):
    async def conversation():
        async with connect(address(server, f"/demo?auth_token={sign()}"), compression=None) as socket:
            await socket.send(message("a", SPEECH.tobytes()))
            await socket.send(b"\0")
            with suppress(ConnectionClosed):
                async with asyncio.timeout(20):
                    return [json.loads(text) async for text in socket], socket.close_code

    got, code = asyncio.run(conversation())
    assert ([one["text"] for one in got if one["type"] == "final"], code) == (finals(), 1000)


def test_what_is_wrong_with_a_token_is_told(server):
    assert refused(address(server, "/x"), sign(audience="elsewhere")) == (
        401,
        "the token of jigasi is for 'elsewhere' in `aud`, expected 'jitsi'; sign it for that, or let the key say audience=\n",
    )
    assert refused(address(server, "/x"), sign("stranger")) == (401, "the token is not one of this server's\n")
    assert refused(address(server, f"/x?auth_token={sign('desk')}")) == (401, "the token is not one of this server's\n")
    claims = {"aud": "jitsi", "exp": time.time() - 60}
    old = jwt.encode(claims, private("RS256"), "RS256", {"kid": "jigasi"})
    assert refused(address(server, f"/x?auth_token={old}")) == (
        401,
        "the token of jigasi has expired; sign another one for each connection\n",
    )
    assert refused(server.url.replace("http", "ws", 1) + "/calls/x", sign()) == (403, "this token of jigasi does not open follow\n")
    assert server.post("/tokens", b"{}", {"Authorization": f"Bearer {sign()}"})[0] == 403


def test_a_quota_ends_a_meeting_and_not_only_who_speaks(server):
    claims = {"aud": "jitsi", "exp": time.time() + 60, "quota_s": 1}
    token = jwt.encode(claims, private("RS256"), "RS256", {"kid": "jigasi"})

    async def conversation():
        async with connect(address(server, f"/x?auth_token={token}"), compression=None) as socket:
            await socket.send(message("a", SPEECH.tobytes()))
            async with asyncio.timeout(20):
                with suppress(ConnectionClosed):
                    while True:
                        await socket.recv()
            return socket.close_code, socket.close_reason

    assert asyncio.run(conversation()) == (1008, "quota_exceeded")
    assert refused(address(server, f"/x?auth_token={token}"))[0] == 403


def test_revoking_its_line_ends_its_meetings(tmp_path):
    place = Place(tmp_path / "keys")

    async def conversation(url):
        async with connect(url, additional_headers={"Authorization": f"Bearer {sign()}"}) as socket:
            save(place.path, [place.desk])
            async with asyncio.timeout(20):
                await socket.wait_closed()
            return socket.close_code, socket.close_reason

    with serving(judge=Loud(), guard=place.guard(), heartbeat_s=0.1) as server:
        assert asyncio.run(conversation(address(server, "/x"))) == (1008, "access_revoked")
        assert refused(address(server, "/x"), sign())[0] == 401


@pytest.mark.skipif(not shutil.which("openssl") or not shutil.which("sh"), reason="the page's commands need openssl")
def test_the_commands_on_the_page_make_a_pair_that_works(tmp_path):
    page = (ROOT / "docs/security.md").read_text()
    commands = next(block for block in re.findall(r"```sh\n(.*?)```", page, re.S) if "openssl genpkey" in block)
    program = tmp_path / "streamer"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m streamer "$@"\n')
    program.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-ec", commands], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=True)

    private_key = done.stdout.splitlines()[-1]
    guard = build_guard(AccessSettings(keys=tmp_path / "keys"))
    with serving(judge=Loud(), guard=guard) as server:

        async def conversation():
            headers = {"Authorization": f"Bearer {asap_token(private_key, 'jigasi')}"}
            async with connect(address(server, "/x"), additional_headers=headers) as socket:
                await socket.send(b"\0")
                await socket.wait_closed()
                return socket.close_code

        assert asyncio.run(conversation()) == 1000
