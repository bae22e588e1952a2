"""Many recordings through one backend, several at a time, each written in its turn."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamer.cli.backends import Backend
from streamer.cli.live import Live
from streamer.cli.output import Output
from streamer.errors import MediaError, StreamerError
from streamer.media import decode_file, probe
from streamer.transcript import Line, Transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """How the recordings are to be heard. ``channels`` is ``None`` to keep each file's own; ``start`` holds settings of a session."""

    channels: int | None
    start: Mapping[str, Any]
    at_once: int


class Recording:
    """One file on its way. ``lines`` yields its finals as they come, then ``None``."""

    def __init__(self, path: Path, live: Live) -> None:
        self.source = str(path)
        self.lines: asyncio.Queue[Line | None] = asyncio.Queue()  # bounded by the length of the recording
        self.failed = False
        self._path, self._live = path, live
        self._finals: list[Mapping[str, Any]] = []
        self._model = ""
        self._duration_ms = 0
        self._shown_s = 0.0  # on the progress bar

    @property
    def transcript(self) -> Transcript | None:
        """What was heard; ``None`` where nothing was because it failed."""
        if self.failed and not self._finals:
            return None
        return Transcript.of(self._finals, source=self.source, model=self._model, duration_ms=self._duration_ms)

    async def hear(self, backend: Backend, wanted: Hearing, slots: asyncio.Semaphore) -> None:
        """Fails in a sentence, and alone."""
        try:
            async with slots:
                audio = await asyncio.to_thread(decode_file, self._path, channels=wanted.channels)
                channels = wanted.channels or audio.info.channels
                with audio:
                    async with aclosing(backend.messages(audio, channels, wanted.start)) as messages:
                        async for message in messages:
                            self._take(message, channels)
                    if audio.warning:
                        self._live.say(f"streamer: {audio.warning}")
                    self._show(audio.info.duration_s or 0.0)
        except StreamerError as error:
            self._fail(str(error))
        finally:
            self.lines.put_nowait(None)

    def _take(self, message: Mapping[str, Any], channels: int) -> None:
        match message["type"]:
            case "session.created":
                self._model = message["model"]
                self._live.notice(message["notice"])
            case "partial":
                self._live.partial(message, named=channels > 1)
            case "final":
                self._finals.append(message)
                self._show(message["end_ms"] / 1000)
                if channels == 1:  # several may come in another order than they began
                    self.lines.put_nowait(Line.of(message))
            case "warning":
                self._live.say(f"streamer: {self.source}: {message['message']}")
            case "error":
                self._fail(f"{self.source}: {message['message']}")
            case "closed":
                self._duration_ms = message["totals"]["audio_ms"]
                if message["reason"] != "stop" and not self.failed:
                    self._fail(f"{self.source}: the server ended the session ({message['reason']}); what was said last may be missing")

    def _fail(self, sentence: str) -> None:
        self.failed = True
        self._live.say(f"streamer: {sentence}")

    def _show(self, until_s: float) -> None:
        self._live.heard(max(0.0, until_s - self._shown_s))
        self._shown_s = max(until_s, self._shown_s)


async def hear_all(paths: Sequence[Path], wanted: Hearing, backend: Backend, output: Output, live: Live) -> int:
    """Transcribe all files, write them in their order, and return how many failed."""
    recordings, expected_s = await _look_at(paths, live)
    failed = len(paths) - len(recordings)
    try:
        # A misspelt name is told at once, and no model is loaded for it alone.
        if recordings:
            async with backend:
                live.expect(expected_s)
                failed += await _hear(recordings, wanted, backend, output, live)
    finally:
        live.close()
        output.close()
    return failed


async def _look_at(paths: Sequence[Path], live: Live) -> tuple[list[Recording], float]:
    """The files that can be opened, and how long they are together; the others are told."""
    recordings, seconds = [], 0.0
    for path in paths:
        try:
            info = await asyncio.to_thread(probe, path)
        except MediaError as error:
            live.say(f"streamer: {error}")
        else:
            recordings.append(Recording(path, live))
            seconds += info.duration_s or 0.0
    return recordings, seconds


async def _hear(recordings: Sequence[Recording], wanted: Hearing, backend: Backend, output: Output, live: Live) -> int:
    slots = asyncio.Semaphore(wanted.at_once)
    tasks = [asyncio.create_task(recording.hear(backend, wanted, slots), name=recording.source) for recording in recordings]
    try:
        for recording, task in zip(recordings, tasks, strict=True):
            while (line := await recording.lines.get()) is not None:
                output.line(recording.source, line)
            await task
            if transcript := recording.transcript:
                output.end(transcript)
                if not transcript.text:
                    live.remark(f"streamer: {recording.source}: no speech was found in {transcript.duration_ms / 1000:.1f} s of audio")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return sum(recording.failed for recording in recordings)
