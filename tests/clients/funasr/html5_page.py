"""As runtime/html5/static (wsconnecter.js, main.js): no subprotocol, appends increments, shows sentences with times of its own count."""

import asyncio
import json
import re

from websockets.asyncio.client import connect

FRAME_BYTES = 1_920
PAUSE_S = 5


def with_timestamp(text, timestamp):
    """``handleWithTimestamp``: an IndexError here is a page that stops."""
    if timestamp is None or not text:
        return text
    times = json.loads(timestamp)
    at, shown = 0, ""
    for word in re.sub(r"[。？，、?. ]", ",", text).split(","):
        if word:
            shown += f"{times[at][0] / 1000}:{word}\n"
            at += 1 if re.fullmatch("[a-zA-Z]+", word) else len(word)
    return shown


async def transcribe(url, pcm, mode="2pass", *, file=False, wav_format="PCM", pace_s=0.06):
    """Says a recording; gives the messages, and each state of the text box. A file's page hangs up at the first ``is_final``."""
    messages, boxes = [], [""]
    config = {"chunk_size": [5, 10, 5], "wav_name": "h5", "is_speaking": True, "chunk_interval": 10, "itn": False, "mode": mode}
    if file:
        config |= {"wav_format": wav_format} | ({"audio_fs": 16_000} if wav_format == "PCM" else {})
    config["hotwords"] = '{"阿里巴巴":20,"hello world":40}'

    async def read(socket):
        offline = shown = ""
        async for data in socket:
            message = json.loads(data)
            messages.append(message)
            if message["mode"] in ("2pass-offline", "offline"):
                offline += with_timestamp(message["text"], message.get("timestamp"))
                shown = offline
            else:
                shown += message["text"]
            boxes.append(shown)
            if file and message["is_final"] is True:
                return

    async with connect(url) as socket:
        assert socket.subprotocol is None
        await socket.send(json.dumps(config))
        reading = asyncio.create_task(read(socket))
        for at in range(0, len(pcm), FRAME_BYTES):
            await socket.send(pcm[at : at + FRAME_BYTES])
            await asyncio.sleep(pace_s)
        stop = {"chunk_size": [5, 10, 5], "wav_name": "h5", "is_speaking": False, "chunk_interval": 10, "mode": mode}
        await socket.send(json.dumps(stop))
        if file:
            await asyncio.wait_for(reading, 30)
        else:
            await asyncio.sleep(PAUSE_S)  # then it closes
        await socket.close()
        await reading
    return messages, boxes
