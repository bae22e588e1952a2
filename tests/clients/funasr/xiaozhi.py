"""As xiaozhi-esp32-server's core/providers/asr/fun_server.py: one big message, a loop until ``is_final``, then the tags."""

import asyncio
import json
import re

from websockets.asyncio.client import connect

TIMEOUT_S = 5


async def transcribe(url, pcm):
    """Text, and the tags before it."""
    headers = {"Authorization": "Bearer; none"}
    async with connect(url, additional_headers=headers, subprotocols=["binary"], ping_interval=None) as socket:
        assert socket.subprotocol == "binary"
        config = {"mode": "offline", "chunk_size": [5, 10, 5], "chunk_interval": 10, "wav_name": "s", "is_speaking": True, "itn": False}
        for message in (json.dumps(config), pcm, json.dumps({"is_speaking": False})):
            await socket.send(message)
        text = ""
        while True:
            answer = json.loads(await asyncio.wait_for(socket.recv(), TIMEOUT_S))
            text += answer.get("text", "")
            if answer.get("is_final", True):
                break
    tags = re.findall(r"<\|([^|]+)\|>", text)
    return re.sub(r"<\|[^|]+\|>", "", text).strip(), tags
