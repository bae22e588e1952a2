"""As python-api-examples/online-websocket-client-decode-file.py, and the list of texts that web/js/streaming_record.js keeps beside it."""

import asyncio
import json

from websockets.asyncio.client import connect

SAMPLES_PER_MESSAGE = 8_000


async def transcribe(url, samples, pace_s=0.1):
    """Says float32 samples; gives the messages, what is printed last, and the page's texts. A result that is no JSON is an error."""
    messages, texts = [], []

    async def receive(socket):
        last = ""
        async for message in socket:
            if message == "Done!":
                break
            last = message
            result = json.loads(message)
            messages.append(result)
            if result["segment"] < len(texts):
                texts[result["segment"]] = result["text"]
            else:
                texts.append(result["text"])
        return last

    async with connect(url) as socket:
        receiving = asyncio.create_task(receive(socket))
        for at in range(0, len(samples), SAMPLES_PER_MESSAGE):
            await socket.send(samples[at : at + SAMPLES_PER_MESSAGE].tobytes())
            await asyncio.sleep(pace_s)
        await socket.send("Done")
        return messages, json.loads(await receiving), texts
