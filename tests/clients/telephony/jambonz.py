"""As FreeSWITCH's mod_jambonz_transcribe, and what jambonz' feature server reads of its events."""

import asyncio
import json

from websockets.asyncio.client import connect

from tests.clients.telephony import paced

PATH = "/jambonz"
RATE = 8_000


async def recognize(url, samples, *, language="en-US", interim=True, options=None, speed=1):
    """Normalized transcriptions, as an application gets them, and the close code: it is the server that closes."""
    results = []

    async def read(socket):
        async for data in socket:
            event = json.loads(data)
            assert event["type"] in ("transcription", "error"), event  # others are discarded
            assert event["type"] != "error", event["error"]
            results.append({"is_final": event["is_final"], "alternatives": [event["alternatives"][0]], "evt": event})

    headers = {"Authorization": "Bearer foobarbazzle"}
    async with connect(url + PATH, additional_headers=headers, compression=None) as socket:
        reader = asyncio.create_task(read(socket))
        start = {"type": "start", "language": language, "format": "raw", "encoding": "LINEAR16", "interimResults": interim}
        await socket.send(json.dumps(start | {"sampleRateHz": RATE, "options": options or {}}))
        await paced(socket, samples.tobytes(), 2 * RATE // 1000, speed=speed)
        await socket.send('{"type":"stop"}')
        async with asyncio.timeout(60):
            await reader
        return results, socket.close_code
