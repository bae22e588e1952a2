"""OpenAI's SDK: says a file in real time, and prints the events that come of it, a line of JSON each, with the SDK's name of each.

speak.py ws://HOST:PORT FILE.wav [NAME=VALUE ...]   ``input={…}`` goes into ``session.update`` as ``audio.input``; without it nothing is
asked for. ``legacy={…}`` is a flat session of before; ``commit=S,S`` commits after so many seconds, ``clear=S`` clears.
"""

import asyncio
import base64
import json
import sys
import wave

from openai import AsyncOpenAI
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

CHUNK_S = 0.1
REST_S = 4
EVENT = TypeAdapter(RealtimeServerEvent)


async def main(url, path, **options):
    with wave.open(path) as file:
        rate, data = file.getframerate(), file.readframes(file.getnframes())
    client = AsyncOpenAI(base_url=url.replace("ws", "http", 1) + "/v1", api_key="none")
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        talking = asyncio.create_task(talk(connection, data, rate, options))
        async for event in connection:
            raw = event.to_dict()
            if not raw["type"].startswith("transcription_session."):  # which the SDK no longer knows
                EVENT.validate_python(raw)
            print(json.dumps({"model": type(event).__name__, **raw}), flush=True)
        await talking


async def talk(connection, data, rate, options):
    if asked := options.get("input"):
        session = {"type": "transcription", "audio": {"input": json.loads(asked)}, "include": ["item.input_audio_transcription.logprobs"]}
        await connection.session.update(session=session)
    if asked := options.get("legacy"):
        await connection.send({"type": "transcription_session.update", "session": json.loads(asked)})
    at = {float(second): connection.input_audio_buffer.commit for second in options.get("commit", "").split(",") if second}
    if second := options.get("clear"):
        at[float(second)] = connection.input_audio_buffer.clear
    size = int(rate * CHUNK_S) * 2
    for number, begin in enumerate(range(0, len(data), size), 1):
        await connection.input_audio_buffer.append(audio=base64.b64encode(data[begin : begin + size]).decode())
        await asyncio.sleep(CHUNK_S)
        if ask := at.get(round(number * CHUNK_S, 3)):
            await ask()
    await asyncio.sleep(REST_S)
    await connection.close()


asyncio.run(main(*sys.argv[1:3], **dict(option.split("=", 1) for option in sys.argv[3:])))
