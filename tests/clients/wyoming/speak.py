"""wyoming's own client, driven as Home Assistant drives it: what it read, parsed by the package's own classes, a line of JSON each.

speak.py ws://HOST:PORT FILE.wav port=N [NAME=VALUE ...]   ``turns=2`` says the file so often on one connection, ``speed=4`` so many times
as fast as it was spoken; all others belong to ``transcribe``.
"""

import asyncio
import json
import sys
import wave
from dataclasses import asdict

from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioStart, AudioStop, wav_to_chunks
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong

KINDS = (Info, Pong, Transcript, TranscriptStart, TranscriptChunk, TranscriptStop, Error)
INFO_TIMEOUT_S = 1
CHUNK_S = 0.1


async def main(url, path, *, port, turns=1, speed=1, **asked):
    place = url.split("//")[1].split(":")[0], int(port)
    async with AsyncTcpClient(*place) as client, asyncio.timeout(INFO_TIMEOUT_S):
        await client.write_event(Describe().event())
        await until(client, Info)
    async with AsyncTcpClient(*place) as client:
        await client.write_event(Ping(text="there?").event())
        await until(client, Pong)
        for _ in range(int(turns)):
            listening = asyncio.create_task(until(client, TranscriptStop, Error))
            await client.write_event(Transcribe(**asked).event())
            await talk(client, path, CHUNK_S / float(speed))
            await listening


async def talk(client, path, pause_s):
    with wave.open(path) as file:
        await client.write_event(AudioStart(file.getframerate(), file.getsampwidth(), file.getnchannels()).event())
        for chunk in wav_to_chunks(file, int(file.getframerate() * CHUNK_S)):
            await client.write_event(chunk.event())
            await asyncio.sleep(pause_s)
    await client.write_event(AudioStop().event())


async def until(client, *kinds):
    while event := await client.read_event():
        kind = next(kind for kind in KINDS if kind.is_type(event.type))
        more = {"sensevoice": event.data["sensevoice"]} if "sensevoice" in event.data else {}
        print(json.dumps({"event": event.type, **asdict(kind.from_event(event)), **more}), flush=True)
        if kind in kinds:
            return
    print(json.dumps({"event": "the connection is lost"}), flush=True)


asyncio.run(main(*sys.argv[1:3], **dict(option.split("=", 1) for option in sys.argv[3:])))
