"""LiveKit's openai.STT over the realtime wire: says a file in real time, and prints the events that come of it, a line of JSON each.

speak_openai.py ws://HOST:PORT FILE.wav
"""

import asyncio
import json
import sys
import wave

from livekit import rtc
from livekit.agents.utils import http_context
from livekit.plugins import openai

CHUNK_S = 0.05
REST_S = 3


async def main(url, path):
    with wave.open(path) as file:
        rate, data = file.getframerate(), file.readframes(file.getnframes())
    async with http_context.open():
        stt = openai.STT(api_key="none", base_url=url.replace("ws", "http", 1) + "/v1", use_realtime=True, language="en")
        stream = stt.stream()

        async def talk():
            size = int(rate * CHUNK_S) * 2
            for at in range(0, len(data), size):
                part = data[at : at + size]
                stream.push_frame(rtc.AudioFrame(part, rate, 1, len(part) // 2))
                await asyncio.sleep(CHUNK_S)
            stream.flush()
            await asyncio.sleep(REST_S)
            await stream.aclose()  # it would wait for a server that hangs up

        talking = asyncio.create_task(talk())
        async for event in stream:
            best = event.alternatives[0] if event.alternatives else None
            said = {"text": best.text, "language": str(best.language)} if best else {}
            print(json.dumps({"event": str(event.type.value), **said}), flush=True)
        await talking
        await stt.aclose()


asyncio.run(main(*sys.argv[1:3]))
