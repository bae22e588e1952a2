"""deepgram-sdk's way to a browser's token: asks for one with a key, opens a session with it, and prints both, a line of JSON each.

grant.py ws://HOST:PORT KEY
"""

import asyncio
import json
import sys

from deepgram import AsyncDeepgramClient
from deepgram.environment import DeepgramClientEnvironment


async def main(url, key):
    place = DeepgramClientEnvironment(base=url.replace("ws", "http", 1), production=url, agent=url, agent_rest=url)
    granted = await AsyncDeepgramClient(api_key=key, environment=place).auth.v1.tokens.grant(ttl_seconds=45)
    print(json.dumps({"expires_in": granted.expires_in, "token": granted.access_token}), flush=True)
    client = AsyncDeepgramClient(access_token=granted.access_token, environment=place)
    async with client.listen.v1.connect(model="nova-3", encoding="linear16", sample_rate="16000") as connection:
        await connection.send_close_stream()
        async for message in connection:
            print(json.dumps({"model": type(message).__name__}), flush=True)


asyncio.run(main(*sys.argv[1:3]))
