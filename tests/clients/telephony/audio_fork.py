"""As FreeSWITCH's mod_audio_fork: what it forks, and which of our messages become events of FreeSWITCH's."""

import asyncio
import json

from websockets.asyncio.client import connect

from tests.clients.telephony import paced

PATH = "/audio-fork"
EVENTS = ("playAudio", "killAudio", "transcription", "transfer", "disconnect", "error")


async def fork(url, audio, metadata, *, bytes_per_ms, query="", subprotocol="audio.drachtio.org", graceful=True, speed=1):
    """Bodies of the transcription events, and the close code. A graceful shutdown waits for the server's close."""
    bodies = []

    async def read(socket):
        async for data in socket:
            assert isinstance(data, str)  # binary messages are discarded
            message = json.loads(data)
            assert message["type"] in EVENTS
            assert message["type"] == "transcription", message
            bodies.append(message["data"])

    async with connect(url + PATH + query, subprotocols=[subprotocol], compression=None) as socket:
        assert socket.subprotocol == subprotocol
        reader = asyncio.create_task(read(socket))
        if metadata is not None:
            await socket.send(json.dumps(metadata))
        await paced(socket, audio, bytes_per_ms, speed=speed)
        await socket.send('{"event":"dtmf","digit":"5"}')
        if not graceful:
            await asyncio.sleep(0.5)  # for what had been said by then
            await socket.close()
            return bodies, socket.close_code
        await socket.send(b"")
        async with asyncio.timeout(60):
            await reader
        return bodies, socket.close_code
