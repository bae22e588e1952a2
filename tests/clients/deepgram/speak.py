"""deepgram-sdk's own asynchronous client: says a file in real time, and prints what it heard, a line of JSON each.

speak.py ws://HOST:PORT FILE.wav [NAME=VALUE ...]   options of the query; ``finalize=S`` asks for it after S seconds, ``quiet=S`` says
nothing but KeepAlive for so long at the end.
"""

import asyncio
import contextlib
import json
import sys
import wave

from deepgram import AsyncDeepgramClient
from deepgram.environment import DeepgramClientEnvironment

CHUNK_S = 0.1


async def main(url, path, **options):
    finalize, quiet = float(options.pop("finalize", 0)), float(options.pop("quiet", 0))
    place = DeepgramClientEnvironment(base=url.replace("ws", "http", 1), production=url, agent=url, agent_rest=url)
    client = AsyncDeepgramClient(api_key="none", environment=place)
    with wave.open(path) as file:
        rate, channels, data = file.getframerate(), file.getnchannels(), file.readframes(file.getnframes())
    asked = {"model": "nova-3", "encoding": "linear16", "sample_rate": str(rate), "channels": str(channels)} | options
    async with client.listen.v1.connect(**asked) as connection:
        talking = asyncio.create_task(talk(connection, data, int(rate * CHUNK_S) * 2 * channels, finalize, quiet))
        async for message in connection:
            print(json.dumps({"model": type(message).__name__, **message.model_dump()}), flush=True)
        await talking
    with contextlib.suppress(AttributeError):
        print(json.dumps({"model": "close", "code": connection._websocket.close_code}), flush=True)


async def talk(connection, data, size, finalize, quiet):
    for number, at in enumerate(range(0, len(data), size)):
        await connection.send_media(data[at : at + size])
        await asyncio.sleep(CHUNK_S)
        if finalize and number == int(finalize / CHUNK_S):
            await connection.send_finalize()
    for _ in range(int(quiet)):
        await asyncio.sleep(1)
        await connection.send_keep_alive()
    await connection.send_finalize()
    await asyncio.sleep(1)
    await connection.send_close_stream()


asyncio.run(main(*sys.argv[1:3], **dict(option.split("=", 1) for option in sys.argv[3:])))
