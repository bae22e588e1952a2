"""Pipecat's OpenAIRealtimeSTTService in a pipeline: says a file in real time, and prints the frames that come of it, a line of JSON each.

speak_openai.py ws://HOST:PORT FILE.wav
"""

import asyncio
import json
import sys
import wave

from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.openai.stt import OpenAIRealtimeSTTService

CHUNK_S = 0.1
WAIT_S = 30  # for the final of the turn


class Printer(FrameProcessor):
    def __init__(self):
        super().__init__()
        self.final = asyncio.Event()

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame | InterimTranscriptionFrame):
            said = {"text": frame.text, "final": isinstance(frame, TranscriptionFrame), "sensevoice": frame.result.get("sensevoice")}
            print(json.dumps({"frame": type(frame).__name__, **said}), flush=True)
            if said["final"]:
                self.final.set()
        elif isinstance(frame, ErrorFrame):
            print(json.dumps({"frame": "ErrorFrame", "error": frame.error}), flush=True)
        await self.push_frame(frame, direction)


async def main(url, path):
    with wave.open(path) as file:
        rate, data = file.getframerate(), file.readframes(file.getnframes())
    service = OpenAIRealtimeSTTService(api_key="none", base_url=f"{url}/v1/realtime")
    printer = Printer()
    task = PipelineTask(Pipeline([service, printer]), params=PipelineParams(audio_in_sample_rate=rate))

    async def talk():
        await asyncio.sleep(1)
        await task.queue_frame(VADUserStartedSpeakingFrame())
        size = int(rate * CHUNK_S) * 2
        for at in range(0, len(data), size):
            await task.queue_frame(InputAudioRawFrame(audio=data[at : at + size], sample_rate=rate, num_channels=1))
            await asyncio.sleep(CHUNK_S)
        await task.queue_frame(VADUserStoppedSpeakingFrame())
        await asyncio.wait_for(printer.final.wait(), WAIT_S)
        await asyncio.sleep(1)  # for one that should not come
        await task.queue_frame(EndFrame())

    await asyncio.gather(PipelineRunner(handle_sigint=False).run(task), talk())


asyncio.run(main(*sys.argv[1:3]))
