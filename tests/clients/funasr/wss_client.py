"""As runtime/python/websocket/funasr_wss_client.py: frames in real time, ``is_end``, and a wait for its acknowledgement."""

import asyncio
import json

from websockets.asyncio.client import connect

CHUNK_SIZE, CHUNK_INTERVAL = [5, 10, 5], 10
FRAME_S = 60 * CHUNK_SIZE[1] / CHUNK_INTERVAL / 1000
RESULT_TIMEOUT_S = 30


async def transcribe(url, turns, mode="2pass"):
    """Says turns of audio, each ended and acknowledged; gives the messages and what was printed last."""
    messages, printed, acknowledged = [], {"online": "", "offline": ""}, asyncio.Queue()

    async def read(socket):
        async for data in socket:
            message = json.loads(data)
            messages.append(message)
            if message.get("is_end"):
                acknowledged.put_nowait(message)
            match message["mode"], message.get("text", ""):
                case "2pass-online" | "online", text:
                    printed["online"] += text
                case "2pass-offline" | "offline", text:
                    printed["online"] = ""
                    printed["offline"] += text

    async with connect(url, subprotocols=["binary"], ping_interval=None) as socket:
        assert socket.subprotocol == "binary"
        reading = asyncio.create_task(read(socket))
        for n, pcm in enumerate(turns):
            config = {
                "mode": mode,
                "chunk_size": CHUNK_SIZE,
                "chunk_interval": CHUNK_INTERVAL,
                "encoder_chunk_look_back": 4,
                "decoder_chunk_look_back": 0,
                "audio_fs": 16_000,
                "wav_name": f"turn{n}",
                "wav_format": "pcm",
                "is_speaking": True,
                "hotwords": "",
                "itn": True,
            }
            await socket.send(json.dumps(config))
            stride = int(FRAME_S * 16_000) * 2
            for at in range(0, len(pcm), stride):
                await socket.send(pcm[at : at + stride])
                await asyncio.sleep(0.001 if mode == "offline" else FRAME_S)
            await socket.send(json.dumps({"is_speaking": False, "is_end": True}))
            end = await asyncio.wait_for(acknowledged.get(), RESULT_TIMEOUT_S)
            assert end["is_final"], end
        await socket.close()
        await reading
    return messages, printed["offline"] + printed["online"]
