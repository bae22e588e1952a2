"""A real ``streamer serve`` in a process of its own, and clients that speak to it until it answers no more."""

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress

import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.driving import speech

WORDS = [np.concatenate([speech("#" * 15 + "." * 35, seed=100 * n + m) for m in range(20)]).tobytes() for n in range(8)]
"""Twenty short utterances each, a second apart."""
CHUNK = 3_200  # bytes: 100 ms


@contextmanager
def serve(address, *options):
    """The process and its WebSocket's URL, once it can be spoken to. It is killed at the end."""
    command = [sys.executable, "-m", "streamer", "serve", "--port", "0", "--model", "scripted", "--device", "cpu", "--vad", "webrtc"]
    command += ["--log-level", "error", "--store", address, *options]
    environment = {**os.environ, "STREAMER_DRAIN_S": "5"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            url = process.stdout.readline().split()[4].replace("http", "ws", 1) + "/ws"
            while not process.stdout.readline().startswith("model:"):
                assert process.poll() is None
            wait_until_ready(url)
            yield process, url
        finally:
            process.kill()


def wait_until_ready(url, within_s=30):
    """Of several gateways each learns for itself that the model is warm."""
    until = time.monotonic() + within_s
    while True:
        try:
            urllib.request.urlopen(url.replace("ws", "http", 1).replace("/ws", "/readyz"), timeout=5).close()
            return
        except urllib.error.HTTPError as error:
            error.close()
            assert time.monotonic() < until
        time.sleep(0.05)


async def speak(url, audio, *, pause_s=0.01):
    """Speak faster than people do; the session's id and its finals, as far as they came, and its goodbye if there was one."""
    session_id, finals, goodbye = None, [], None
    async with connect(url, compression=None) as socket:

        async def say():
            with suppress(ConnectionClosed):
                await socket.send('{"type": "start"}')
                for begin in range(0, len(audio), CHUNK):
                    await socket.send(audio[begin : begin + CHUNK])
                    await asyncio.sleep(pause_s)
                await socket.send('{"type": "stop"}')

        saying = asyncio.create_task(say())
        with suppress(ConnectionClosed):
            async for text in socket:
                message = json.loads(text)
                session_id = message.get("session_id", session_id)
                if message["type"] == "final":
                    finals.append({name: value for name, value in message.items() if name != "seq"})  # of the socket, not of the final
                assert message["type"] != "warning", message
                goodbye = message if message["type"] == "closed" else goodbye
        await saying
    return session_id, finals, goodbye
