"""OpenAI's SDK: makes a client secret with a key, opens a session with it, and prints both, a line of JSON each.

secret.py ws://HOST:PORT KEY
"""

import asyncio
import json
import sys

from openai import AsyncOpenAI


async def main(url, key):
    base = url.replace("ws", "http", 1) + "/v1"
    made = await AsyncOpenAI(base_url=base, api_key=key).realtime.client_secrets.create(
        expires_after={"anchor": "created_at", "seconds": 60}, session={"type": "transcription"}
    )
    print(json.dumps({"secret": made.value, "expires_at": made.expires_at}), flush=True)
    client = AsyncOpenAI(base_url=base, api_key=made.value)
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        print(json.dumps({"type": (await connection.recv()).type}), flush=True)


asyncio.run(main(*sys.argv[1:3]))
