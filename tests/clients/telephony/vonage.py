"""As Vonage's Voice API dials a websocket endpoint: one text, binary frames of 20 ms, a key that is pressed, and a close."""

import asyncio
import json

from websockets.asyncio.client import connect

from tests.clients.telephony import paced

PATH = "/vonage"


async def call(url, samples, rate, *, query="", speed=1, **headers):
    """Whatever came back; ``headers`` are those of the operator's connect action."""
    got = []

    async def read(socket):
        async for data in socket:
            got.append(data)

    async with connect(url + PATH + query, compression=None) as socket:
        reader = asyncio.create_task(read(socket))
        await socket.send(json.dumps({"event": "websocket:connected", "content-type": f"audio/l16;rate={rate}"} | headers))
        await paced(socket, samples.tobytes(), 2 * rate // 1000, speed=speed)
        await socket.send('{"event":"websocket:dtmf","digit":"5","duration":260}')
    await reader
    return got
