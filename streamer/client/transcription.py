"""A transcription over as many sockets as it takes: audio goes out, events come in, and a socket that is lost is replaced."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from ssl import SSLContext
from typing import Any, Final, Self

from streamer.client.errors import SessionFailed
from streamer.client.events import AudioLost
from streamer.client.inbox import Inbox
from streamer.client.journal import Journal
from streamer.client.options import checked, start_fields
from streamer.client.patience import Patience
from streamer.client.reading import Unknown, typed
from streamer.client.sources import Gap, Given, Source, make_source
from streamer.client.succession import Succession
from streamer.client.wire import ClientSession, Server
from streamer.core.events import Message, SessionCreated
from streamer.errors import ConnectionFailed
from streamer.wires.native import FORMAT_FIELDS

ALIVE: Final = ("heartbeat", "partial", "final")  # what a session says that is worth being come back to at once
GOING_AWAY: Final = "going_away"


class Transcription:
    """Iterate for events, frozen dataclasses all. What ends it early is raised there: ``ConnectionFailed``, or what the source raised."""

    def __init__(self, server: Server, source: Source, settings: Mapping[str, Any], patience: Patience) -> None:
        self._source, self._patience = source, patience
        start = {**start_fields(source.format), **settings, "resume": True}
        self._journal = Journal(start, limit_bytes=patience.keep_bytes, enterable=not source.container)
        self._inbox = Inbox()
        self._sockets = Succession(server, source, self._journal, patience, tell=self._inbox.put, begin_anew=self._begin_anew)
        self._timeline = self._sockets.timeline
        self._due, self._room = asyncio.Event(), asyncio.Event()
        self._configured = self._stopped = False
        self._fatal: Mapping[str, Any] | None = None
        self._questions = 0
        self._cut: int | None = None  # where the caller has stopped the audio
        self._running: asyncio.Task[None] | None = None
        self._feeding: asyncio.Task[None] | None = None

    @property
    def created(self) -> SessionCreated | Unknown:
        """What the server said of itself: model, capabilities, notice, limits. Of the newest session."""
        return self._sockets.created

    async def open(self) -> None:
        """Begin the first session. Raises ``ConnectionFailed``, and ``Refused`` among it."""
        session = await self._sockets.first()
        self._feeding = asyncio.create_task(self._feed(), name="transcribe: feed")
        self._running = asyncio.create_task(self._run(session), name="transcribe: run")

    async def close(self) -> None:
        """Leave now; what is unanswered stays unanswered."""
        self._inbox.finish()
        tasks = [task for task in (self._feeding, self._running) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def configure(self, **changes: Any) -> None:
        """Settings from here on, answered with ``SessionConfigured``. Raises ``ConfigurationError`` or ``InvalidSetting``."""
        self._add("configure", **checked(changes))

    async def flush(self) -> int:
        """Close what is open; ``Flushed`` with the number that is returned comes when all before it is answered."""
        self._questions += 1
        self._add("flush", id=self._questions)
        return self._questions

    async def stop(self) -> None:
        """No more audio. What is owed comes, and then the iteration ends."""
        if self._feeding and not self._stopped:
            self._feeding.cancel()
            await asyncio.gather(self._feeding, return_exceptions=True)
            self._cut = self._journal.end
        self._end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        event = await self._inbox.get()
        if event is None:
            raise StopAsyncIteration
        return event

    # The audio's task.

    async def _feed(self) -> None:
        try:
            async with aclosing(self._source.open()) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Gap):
                        await self._inbox.put(AudioLost(at_ms=self._source.ms(self._journal.end), lost_ms=piece.lost_ms))
                        continue
                    while self._journal.full:
                        self._room.clear()
                        await self._room.wait()
                    self._journal.add_audio(piece if self._cut is None else piece[: self._cut - self._journal.end])
                    self._due.set()
                    if self._journal.end == self._cut:
                        break
        except Exception as error:  # noqa: BLE001 - the source's own, raised where events are read
            self._inbox.finish(error)
            if self._running:
                self._running.cancel()
        else:
            self._end()

    def _end(self) -> None:
        if not self._stopped:
            self._stopped = True
            self._add("stop")

    def _add(self, kind: str, **given: Any) -> None:
        self._journal.add(kind, **given)
        self._due.set()

    # The sockets' task.

    async def _run(self, session: ClientSession) -> None:
        try:
            while lost := await self._serve(session):
                session = await self._sockets.next(lost)
                self._configured &= session.created["type"] == "session.resumed"
                self._room.set()
            self._inbox.finish()
        except Exception as error:  # noqa: BLE001 - raised where events are read
            self._inbox.finish(error)
        finally:
            if self._feeding:
                self._feeding.cancel()

    async def _serve(self, session: ClientSession) -> ConnectionFailed | None:
        """One socket to its end: ``None`` when all is said, else how it was lost."""
        reading, writing = (asyncio.create_task(work(session)) for work in (self._read, self._write))
        lost: ConnectionFailed | None = None
        try:
            await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                writing.result()
            lost = await reading
            return lost
        finally:
            for task in (reading, writing):
                task.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)
            if lost:
                session.abort()
            else:
                await session.close()

    async def _read(self, session: ClientSession) -> ConnectionFailed | None:
        silence = self._patience.silence_s
        while True:
            try:
                async with asyncio.timeout(silence):
                    message = await session.receive()
            except TimeoutError:
                return ConnectionFailed(f"nothing came for {silence:g} s; the network may be gone")
            except ConnectionFailed as lost:
                if self._fatal:
                    raise self._failure(self._fatal["code"]) from lost
                return lost
            if message["type"] == "closed" and message.get("reason") == GOING_AWAY:
                self._sockets.over()
                return ConnectionFailed("the server is stopping")
            await self._take(message)
            if message["type"] == "closed":
                if message.get("reason") != "stop":
                    raise self._failure(str(message.get("reason")))
                return None

    async def _write(self, session: ClientSession) -> None:
        """Until the socket is lost, which is told by the one who reads it."""
        try:
            while True:
                self._due.clear()
                while (frame := self._journal.next()) is not None:
                    await session.send_frame(frame)
                    if (
                        self._source.container and not self._sockets.resumable
                    ):  # an older server; the source can begin anew, if anything can
                        self._journal.let_go()
                        self._room.set()
                try:
                    async with asyncio.timeout(self._patience.keepalive_s):
                        await self._due.wait()
                except TimeoutError:
                    await session.send_frame(self._journal.keepalive())
        except ConnectionFailed:
            return

    async def _take(self, message: Mapping[str, Any]) -> None:
        told = self._timeline.take(message)
        if told is None:
            return
        match kind := told["type"]:
            case "heartbeat":
                self._journal.received(told.get("received_bytes", 0), told.get("received_messages", 0))
            case "flushed" | "synced":
                self._journal.done("flush" if kind == "flushed" else "sync")
            case "session.configured":
                self._configured = True
            case "error" if told.get("fatal") or not self._configured:
                self._fatal = self._fatal or told
        if kind in ALIVE:
            self._sockets.settled()
        if not self._source.container:
            self._journal.answered(self._source.position(self._timeline.answered_ms))
        if not self._journal.full:
            self._room.set()
        await self._inbox.put(typed(told))

    def _failure(self, reason: str) -> SessionFailed:
        return SessionFailed(reason, str(self._fatal["message"]) if self._fatal else "")

    async def _begin_anew(self) -> None:
        assert self._feeding
        self._feeding.cancel()
        await asyncio.gather(self._feeding, return_exceptions=True)
        self._journal.forget()
        self._stopped = False
        self._feeding = asyncio.create_task(self._feed(), name="transcribe: feed")


@asynccontextmanager
async def transcribe(
    url: str,
    source: Given,
    *,
    key: str | None = None,
    ssl: SSLContext | None = None,
    realtime: bool = False,
    patience: Patience | None = None,
    **settings: Any,
) -> AsyncIterator[Transcription]:
    """``async with transcribe(url, "talk.mp3", language="en") as events: async for event in events: …``

    ``source``: the path of a file, its bytes, an iterator of bytes (``pcm_s16le`` at 16 kHz unless ``format``, ``sample_rate`` and
    ``channels`` say otherwise), or ``microphone()``. ``settings`` are the fields of ``start`` in docs/protocol.md. ``realtime`` sends
    a recording as a microphone would. Raises ``ConfigurationError``, ``InvalidSetting``, ``MediaError``, or ``ConnectionFailed`` where
    there is no server, and ``Refused`` where it lets nobody in.
    """
    shape = {name: settings.pop(name) for name in FORMAT_FIELDS if name in settings}
    asked, server = checked(settings), Server(url=url, key=key, tls=ssl)
    transcription = Transcription(server, make_source(source, shape, realtime=realtime), asked, patience or Patience())
    await transcription.open()
    try:
        yield transcription
    finally:
        await transcription.close()
