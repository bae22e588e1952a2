"""As integrations/openclaw/src/realtime-transcription-provider.ts: increments are one partial, a sentence ends it, ``is_end`` closes."""

import asyncio
import json

from websockets.asyncio.client import connect

FRAME_BYTES = 1_920
CLOSE_TIMEOUT_S = 5


async def transcribe(url, pcm, mode="2pass"):
    """Partials and transcripts, as its callbacks get them."""
    partials, transcripts = [], []
    finalizing = False

    async def read(socket):
        partial = ""
        async for data in socket:
            event = json.loads(data)
            if event.get("is_end"):
                assert event["is_final"] is not False
                assert "error" not in event
                return
            text = event["text"] if isinstance(event.get("text"), str) else ""
            if not text.strip():
                continue
            if event["mode"] in ("2pass-online", "online"):
                partial += text
                if event["mode"] == "online" and event["is_final"]:
                    transcripts.append(partial.strip())
                    partial = ""
                else:
                    partials.append(partial.strip())
                continue
            transcripts.append(text.strip())
            partial = ""
            if finalizing:
                return

    headers = {"Authorization": "Bearer key"}
    async with connect(url, additional_headers=headers, subprotocols=["binary"]) as socket:
        assert socket.subprotocol == "binary"
        config = {
            "mode": mode,
            "chunk_size": [5, 10, 5],
            "chunk_interval": 10,
            "encoder_chunk_look_back": 4,
            "decoder_chunk_look_back": 1,
            "audio_fs": 16_000,
            "wav_name": "openclaw",
            "wav_format": "pcm",
            "is_speaking": True,
            "hotwords": "",
            "itn": True,
        }
        await socket.send(json.dumps(config))
        reading = asyncio.create_task(read(socket))
        for at in range(0, len(pcm), FRAME_BYTES):
            await socket.send(pcm[at : at + FRAME_BYTES])
            await asyncio.sleep(0.06)
        finalizing = True
        await socket.send(json.dumps({"is_speaking": False, "is_end": True}))
        await asyncio.wait_for(reading, CLOSE_TIMEOUT_S)
    return partials, transcripts
