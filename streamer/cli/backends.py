"""Who hears a file: a model in this process, as fast as it can; or a server, at any speed. All answer with the wire's messages."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import replace
from itertools import count
from types import TracebackType
from typing import Any, Final, Protocol, Self

import numpy as np

from streamer.cli.build import builds
from streamer.client import Patience, Reconnecting, SessionFailed, transcribe
from streamer.core import events
from streamer.core.events import SAMPLE_RATE, AudioFormat, Start
from streamer.engine.placement import in_threads
from streamer.engine.scheduler import Health
from streamer.engine.scheduling import Scheduling
from streamer.errors import ConfigurationError, ProcessError
from streamer.local import transcribe_stream
from streamer.media import FileAudio
from streamer.server import Server
from streamer.settings import Settings
from streamer.vad.choose import choose_judge
from streamer.wires.native import MESSAGE_TYPES, Native

AT_ONCE: Final = 4  # files side by side: enough to fill batches while one file's decoder or voice detector is slow
PATIENCE: Final = Patience(give_up_s=60.0)  # with a server that was there when the file began

Messages = AsyncGenerator[dict[str, Any], None]


class Backend(Protocol):
    """Enter it, which may take as long as loading a model does, and hear files with it."""

    at_once: int
    """How many files it should be given at a time."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...
    def messages(self, audio: FileAudio, channels: int, start: Mapping[str, Any]) -> Messages:
        """The wire's messages for one file, from ``session.created`` to ``closed``. ``start`` holds settings of a session."""


async def pcm(audio: FileAudio) -> AsyncIterator[bytes]:
    """Interleaved s16le, decoded off the event loop when it is asked for."""
    while (block := await asyncio.to_thread(audio.read)) is not None:
        yield np.ascontiguousarray(block.T, dtype="<i2").tobytes()


class InProcess:
    """The server's own session, voice detector and scheduler, without a socket."""

    at_once = AT_ONCE

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._judge = choose_judge(settings.vad)
        self._numbers = count(1)

    async def __aenter__(self) -> Self:
        settled = asyncio.Event()
        engines = in_threads(*builds(self._settings), hung_s=0)  # a machine that is slower than speech is no fault where files are heard
        self._scheduler = engines(asyncio.get_running_loop().call_soon_threadsafe, lambda batch: None)
        self._scheduler.on_health(lambda health: settled.set())
        self._scheduler.start()
        try:
            await settled.wait()
            _require_warm(self._scheduler)
        except BaseException:
            await asyncio.to_thread(self._scheduler.close)
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await asyncio.to_thread(self._scheduler.close)

    async def messages(self, audio: FileAudio, channels: int, start: Mapping[str, Any]) -> Messages:
        asked = Start(AudioFormat(channels=channels), events.Settings(**start))
        wire = Native()
        async for message in transcribe_stream(self._scheduler, self._judge, asked, pcm(audio), session_id=f"file {next(self._numbers)}"):
            for text in wire.encode(message):
                yield json.loads(text)


class Remote:
    """A server that runs already. ``paced``: as a microphone would send, on an absolute schedule; else as fast as the server takes it."""

    at_once = AT_ONCE

    def __init__(self, url: str, *, paced: bool) -> None:
        self._url, self._paced = url, paced

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Each session closes its own connection."""

    async def messages(self, audio: FileAudio, channels: int, start: Mapping[str, Any]) -> Messages:
        wire = Native()
        options = {"sample_rate": SAMPLE_RATE, "channels": channels, **start}
        async with transcribe(self._url, pcm(audio), realtime=self._paced, patience=PATIENCE, **options) as session:
            try:
                async for event in session:
                    if type(event) in MESSAGE_TYPES:
                        yield json.loads(wire.encode(event)[0])
                    elif isinstance(event, Reconnecting):
                        yield {"type": "warning", "message": f"{event.reason}; trying again"}
            except SessionFailed:
                return  # the error was among the messages


class SelfServed(Remote):
    """A server of our own, on this machine alone, for as long as it is needed."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("", paced=True)
        self._server = Server(in_threads(*builds(settings)), choose_judge(settings.vad), limits=replace(settings.limits, notice_s=0))

    async def __aenter__(self) -> Self:
        await self._server.start()
        try:
            await self._server.settled.wait()
            _require_warm(self._server.scheduler)
        except BaseException:
            await self._server.stop()
            raise
        self._url = self._server.address
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._server.stop()


def _require_warm(scheduler: Scheduling) -> None:
    if scheduler.health is Health.WARM:
        return
    if isinstance(scheduler.failure, ProcessError):
        raise scheduler.failure
    raise ConfigurationError(f"the model could not be loaded: {scheduler.failure}; `streamer doctor` tells more") from scheduler.failure
