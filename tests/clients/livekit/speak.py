"""LiveKit's deepgram.STT: says a file in real time, and prints the events that come of it, a line of JSON each.

speak.py ws://HOST:PORT FILE.wav
"""

import asyncio
import json
import sys
import wave

import aiohttp
from livekit import rtc
from livekit.plugins import deepgram

CHUNK_S = 0.05


async def main(url, path):
    with wave.open(path) as file:
        rate, data = file.getframerate(), file.readframes(file.getnframes())
    async with aiohttp.ClientSession() as http:
        stt = deepgram.STT(api_key="none", base_url=f"{url}/v1/listen", sample_rate=rate, http_session=http)
        stream = stt.stream()

        async def talk():
            size = int(rate * CHUNK_S) * 2
            for at in range(0, len(data), size):
                part = data[at : at + size]
                stream.push_frame(rtc.AudioFrame(part, rate, 1, len(part) // 2))
                await asyncio.sleep(CHUNK_S)
            stream.flush()
            await asyncio.sleep(1)
            stream.end_input()

        talking = asyncio.create_task(talk())
        async for event in stream:
            best = event.alternatives[0] if event.alternatives else None
            said = {"text": best.text, "language": str(best.language), "confidence": best.confidence} if best else {}
            print(json.dumps({"event": str(event.type.value), **said}), flush=True)
        await talking
        await stream.aclose()


asyncio.run(main(*sys.argv[1:3]))
