"""What vosk-server's sample program does, rebuilt: a fifth of a second, then wait for the reply, to the end of the file.

speak_lock_step.py ws://HOST:PORT FILE.wav [CONFIG]   CONFIG is more for ``config``, as JSON; prints each reply, and how it was closed
"""

import asyncio
import json
import sys
import wave

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

BLOCK_S = 0.2
REPLY_S = 30


async def main(url, path, config="{}"):
    with wave.open(path) as file:
        async with connect(f"{url}/vosk") as socket:
            await socket.send(json.dumps({"config": {"sample_rate": file.getframerate()} | json.loads(config)}))
            while block := file.readframes(int(file.getframerate() * BLOCK_S)):
                await socket.send(block)
                print(await asyncio.wait_for(socket.recv(), REPLY_S))
            await socket.send('{"eof" : 1}')
            print(await asyncio.wait_for(socket.recv(), REPLY_S))
            try:
                print(await asyncio.wait_for(socket.recv(), REPLY_S))
            except ConnectionClosed as closed:
                print(json.dumps({"code": closed.rcvd.code}))


asyncio.run(main(*sys.argv[1:]))
