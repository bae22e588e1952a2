"""Pipecat's telephone serializers: reads carriers' frames, a JSON list of them in a file, and prints what audio they heard.

speak_telephone.py ws://HOST:PORT FRAMES.json CARRIER
"""

import asyncio
import json
import sys
from hashlib import sha256
from pathlib import Path

from pipecat.frames.frames import InputAudioRawFrame
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.exotel import ExotelFrameSerializer
from pipecat.serializers.plivo import PlivoFrameSerializer
from pipecat.serializers.telnyx import TelnyxFrameSerializer
from pipecat.serializers.twilio import TwilioFrameSerializer

RATE = 8_000  # as it comes, so that nothing is resampled


class Socket:
    def __init__(self, frames):
        self._frames = iter(frames)

    async def iter_text(self):
        for frame in self._frames:
            yield frame


def serializer(carrier, stream):
    match carrier:
        case "twilio":
            return TwilioFrameSerializer(stream, params=TwilioFrameSerializer.InputParams(auto_hang_up=False, sample_rate=RATE))
        case "telnyx":
            params = TelnyxFrameSerializer.InputParams(auto_hang_up=False, sample_rate=RATE)
            return TelnyxFrameSerializer(stream, "PCMU", "PCMU", params=params)
        case "plivo":
            return PlivoFrameSerializer(stream, params=PlivoFrameSerializer.InputParams(auto_hang_up=False, sample_rate=RATE))
        case _:
            return ExotelFrameSerializer(stream, params=ExotelFrameSerializer.InputParams(sample_rate=RATE))


async def main(frames, carrier):
    kind, call = await parse_telephony_websocket(Socket(frames))
    reader = serializer(carrier, call["stream_id"])
    reader._sample_rate = RATE  # what ``setup`` takes from a pipeline
    audio = b""
    for frame in frames:
        read = await reader.deserialize(frame)
        if isinstance(read, InputAudioRawFrame):
            audio += read.audio
    print(json.dumps({"kind": kind, "call": call["call_id"], "bytes": len(audio), "sha256": sha256(audio).hexdigest()}))


asyncio.run(main(json.loads(Path(sys.argv[2]).read_text()), sys.argv[3]))
