"""Keys and TLS where several processes share the port: each of them asks."""

import asyncio
import json
import ssl
import subprocess
import sys

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from streamer.access.keys import new_key, save

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
