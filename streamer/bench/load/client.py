"""One client: speaks on an absolute clock, and notes what comes and when. On one bare socket, so that a lost one counts as lost."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from streamer.bench.load.speech import Programme
from streamer.bench.load.trace import Heard, Trace
from streamer.client import ClientSession, connect
from streamer.core.events import SAMPLE_RATE
from streamer.errors import ConfigurationError, ConnectionFailed

GOODBYE_S: Final = 30.0  # from the last sample to the server's ``closed``
AUDIO_MS: Final[Mapping[str, str]] = {
    "speech.started": "begin_ms",
    "partial": "audio_end_ms",
    "speech.ended": "end_ms",
    "final": "audio_end_ms",
    "error": "",
}
"""The messages that count, and where in the audio they are."""


async def speak(url: str, programme: Programme, chunk_ms: int, start: Mapping[str, Any]) -> Trace:
    """Say the programme as a microphone would. A lost connection is noted, not raised."""
    trace = Trace(chunk_s=chunk_ms / 1000, speech=programme.speech, samples=programme.samples)
    try:
        async with connect(url, start={"sample_rate": SAMPLE_RATE, **start}) as session:
            trace.windowed = session.created["capabilities"].get("word_times") == "aligned"
            listening = asyncio.create_task(_listen(session, trace))
            try:
                await _send(session, programme, chunk_ms, trace)
                async with asyncio.timeout(GOODBYE_S):
                    await listening
            finally:
                listening.cancel()
                with suppress(asyncio.CancelledError, ConnectionFailed):
                    await listening
    except TimeoutError:
        trace.failure = f"no goodbye came within {GOODBYE_S:.0f} s of the last sample"
    except (ConnectionFailed, ConfigurationError) as error:
        trace.failure = str(error)
    return trace


async def _send(session: ClientSession, programme: Programme, chunk_ms: int, trace: Trace) -> None:
    size = chunk_ms * SAMPLE_RATE // 1000
    trace.begin = monotonic()
    for number, data in enumerate(programme.chunks(size), 1):
        due = trace.begin + number * trace.chunk_s
        await asyncio.sleep(due - monotonic())
        trace.late_ms.append(1000 * (monotonic() - due))
        await session.send_audio(data)
    await session.stop()


async def _listen(session: ClientSession, trace: Trace) -> None:
    async for message in session:
        at, kind = monotonic(), message["type"]
        if kind not in AUDIO_MS:
            continue
        segment = message.get("segment")
        trace.heard.append(
            Heard(
                at=at,
                kind=kind,
                segment=-1 if segment is None else segment,
                audio_ms=message.get(AUDIO_MS[kind], 0),
                note=_note(message),
            )
        )


def _note(message: Mapping[str, Any]) -> str:
    match message["type"]:
        case "partial":
            text = message["stable"] + message["unstable"]
        case "final":
            text = message["text"]
        case "speech.ended":
            text = message["reason"]
        case _:
            text = message.get("code", "")
    return str(text)[:40]
