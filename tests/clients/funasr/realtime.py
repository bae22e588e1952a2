"""As a client of funasr/bin/realtime_ws.py: plain-text commands, 100 ms frames, and everything until ``stopped``."""

import asyncio
import json

from websockets.asyncio.client import connect

FRAME_BYTES = 3_200


async def transcribe(url, pcm, *before, commit_s=None):
    """All messages, after commands that come before ``START``."""
    messages = []

    async def read(socket):
        async for data in socket:
            messages.append(json.loads(data))
            if messages[-1].get("event") == "stopped":
                return

    async with connect(url) as socket:
        reading = asyncio.create_task(read(socket))
        for command in (*before, "START"):
            await socket.send(command)
        for n, at in enumerate(range(0, len(pcm), FRAME_BYTES)):
            await socket.send(pcm[at : at + FRAME_BYTES])
            await asyncio.sleep(0.1)
            if n * 0.1 == commit_s:
                await socket.send("COMMIT")
        await socket.send("STOP")
        await asyncio.wait_for(reading, 30)
    return messages
