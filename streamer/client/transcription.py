"""A transcription over as many sockets as it takes: audio goes out, events come in, and a socket that is lost is replaced."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, fields
from ssl import SSLContext
from typing import Any, Final, Self

from streamer.client.errors import HOPELESS, CannotResume, Refused, SessionFailed
from streamer.client.events import AudioLost, Reconnecting, Restarted, Resumed
from streamer.client.inbox import Inbox
from streamer.client.journal import LIMIT_BYTES, Journal
from streamer.client.reading import Unknown, typed
from streamer.client.sources import Gap, Given, Source, make_source
from streamer.client.timeline import Timeline
from streamer.client.wire import ClientSession, Server
from streamer.core.events import Message, SessionCreated, Settings
from streamer.errors import ConfigurationError, ConnectionFailed, InvalidSetting
from streamer.wires.native import FORMAT_FIELDS, SETTING_FIELDS

ALIVE: Final = ("heartbeat", "partial", "final")  # what a session says that is worth being come back to at once
GOING_AWAY: Final = "going_away"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """With a network that fails. Seconds, and bytes of audio."""

    give_up_s: float = 300.0
    """For a socket after one was lost; 0 raises at the first loss."""
    silence_s: float = 15.0
    """Without any word: the server's heartbeat comes every few seconds, so the network is gone, whatever the socket says."""
    keepalive_s: float = 10.0
    """Without anything to send before the server is told that somebody is there."""
    first_wait_s: float = 0.25
    """Before the first try, with jitter; each further one waits twice as long, up to ``longest_wait_s``."""
    longest_wait_s: float = 5.0
    keep_bytes: int = LIMIT_BYTES
    """Audio that is kept until it is answered; beyond it the source waits."""


class Transcription:
    """Iterate for events, frozen dataclasses all. What ends it early is raised there: ``ConnectionFailed``, or what the source raised."""

    def __init__(self, server: Server, source: Source, settings: Mapping[str, Any], patience: Patience) -> None:
        self._server, self._source, self._patience = server, source, patience
        start = {**_start_fields(source), **settings, "resume": True}
        self._journal = Journal(start, limit_bytes=patience.keep_bytes, enterable=not source.container)
        self._timeline = Timeline(single=source.format.heard_channels == 1 and not source.container)
        self._inbox = Inbox()
        self._due, self._room = asyncio.Event(), asyncio.Event()
        self._token: str | None = None
        self._largest = 1 << 20
        self._attempt = 0
        self._configured = self._stopped = False
        self._fatal: Mapping[str, Any] | None = None
        self._questions = 0
        self._cut: int | None = None  # where the caller has stopped the audio
        self._running: asyncio.Task[None] | None = None
        self._feeding: asyncio.Task[None] | None = None
        self.created: SessionCreated | Unknown
        """What the server said of itself: model, capabilities, notice, limits."""

    async def open(self) -> None:
        """Begin the first session. Raises ``ConnectionFailed``, and ``Refused`` among it."""
        session = await self._server.begin()
        await self._greet(session)
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
        self._add("configure", **_settings(changes))

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
                session = await self._again(lost)
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
                return ConnectionFailed(f"nothing came from {self._server.url} for {silence:g} s; the network may be gone")
            except ConnectionFailed as lost:
                if self._fatal:
                    raise self._failure(self._fatal["code"]) from lost
                return lost
            if message["type"] == "closed" and message.get("reason") == GOING_AWAY:
                self._token = None
                return ConnectionFailed(f"{self._server.url} is stopping")
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
                    if self._source.container and not self._token:  # an older server; the source can begin anew, if anything can
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
            self._attempt = 0
        if not self._source.container:
            self._journal.answered(self._source.position(self._timeline.answered_ms))
        if not self._journal.full:
            self._room.set()
        await self._inbox.put(typed(told))

    def _failure(self, reason: str) -> SessionFailed:
        return SessionFailed(reason, str(self._fatal["message"]) if self._fatal else "")

    # Coming back.

    async def _again(self, lost: ConnectionFailed) -> ClientSession:
        """Another socket, for the same session or a new one. Raises the last reason when it has tried for long enough."""
        clock = asyncio.get_running_loop().time
        began, why = clock(), lost
        while True:
            wait = self._wait_s(why)
            if clock() + wait > began + self._patience.give_up_s:
                raise why
            self._attempt += 1
            await self._inbox.put(Reconnecting(attempt=self._attempt, wait_s=wait, reason=str(why)))
            await asyncio.sleep(wait)
            try:
                if self._token and (session := await self._resume(self._token, began)):
                    return session
                return await self._restart(await self._server.begin())
            except HOPELESS:
                raise
            except ConnectionFailed as error:
                why = error

    def _wait_s(self, why: ConnectionFailed) -> float:
        patience = self._patience
        wait = min(patience.longest_wait_s, patience.first_wait_s * 2.0 ** min(self._attempt, 20)) * random.uniform(0.5, 1.0)
        return max(wait, (why.retry_after_s or 0.0) if isinstance(why, Refused) else 0.0)

    async def _resume(self, token: str, began: float) -> ClientSession | None:
        """Asks whatever the window was: the server may not have noticed yet. ``None`` where the session is over."""
        try:
            session = await self._server.resume(token, self._timeline.seen, self._largest)
        except CannotResume:
            self._token = None
            return None
        told = session.created
        try:
            self._journal.resume(told["received_bytes"], told["received_messages"])
        except ValueError:
            self._token = None
            await session.close()
            return None
        away_s = asyncio.get_running_loop().time() - began
        await self._inbox.put(Resumed(session_id=told["session_id"], away_s=away_s))
        return session

    async def _restart(self, session: ClientSession) -> ClientSession:
        """A new session hears what was not answered: from the end of the last final on, or all of a container."""
        self._configured = False
        if not self._source.container:
            offset_ms = self._source.ms(self._journal.restart())
            first, abandoned = self._timeline.restart(offset_ms)
        elif self._source.again:
            offset_ms, first, abandoned = 0, 0, ()
            await self._begin_anew()
        else:
            await session.close()
            raise SessionFailed("cannot_resume", "a container that comes from an iterator cannot be sent again from its beginning")
        self._room.set()
        await self._greet(session)
        await self._inbox.put(
            Restarted(session_id=session.created.get("session_id", ""), offset_ms=offset_ms, first_segment=first, abandoned=abandoned)
        )
        return session

    async def _begin_anew(self) -> None:
        assert self._feeding
        self._feeding.cancel()
        await asyncio.gather(self._feeding, return_exceptions=True)
        self._journal.forget()
        self._timeline.repeat()
        self._stopped = False
        self._feeding = asyncio.create_task(self._feed(), name="transcribe: feed")

    async def _greet(self, session: ClientSession) -> None:
        created = typed(session.created)
        assert isinstance(created, SessionCreated | Unknown)
        self.created, self._token, self._largest = created, session.created.get("resume_token"), session.largest
        await self._inbox.put(created)


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
    checked = _settings(settings)
    server = Server(url=url, key=key, tls=ssl)
    transcription = Transcription(server, make_source(source, shape, realtime=realtime), checked, patience or Patience())
    await transcription.open()
    try:
        yield transcription
    finally:
        await transcription.close()


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """As the server would check them, and names too: it would ignore one that it does not know."""
    values: dict[str, Any] = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    for name, value in values.items():
        if name not in SETTING_FIELDS or name == "resume":
            known = ", ".join(name for name in SETTING_FIELDS if name != "resume")
            raise ConfigurationError(f"{name!r} is no setting, expected one of {known}")
        expected, check = SETTING_FIELDS[name]
        if not check(value):
            raise InvalidSetting(name, value, expected)
    Settings(**values)
    return values


def _start_fields(source: Source) -> dict[str, Any]:
    names = {"encoding": "format"}
    told = {names.get(each.name, each.name): getattr(source.format, each.name) for each in fields(source.format)}
    return {name: value for name, value in told.items() if value or name == "channels"}
