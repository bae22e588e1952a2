"""Several voices on one socket, each a session of its own.

One task reads the socket and hands every message to its voice. A voice whose session is owed too much holds up the others: its client has
only one stream to be held back by.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from websockets.exceptions import ConnectionClosed

from streamer.core.events import Rejected, Stop
from streamer.core.session import GOING_AWAY, MAX_REJECTED, NORMAL_CLOSURE
from streamer.errors import SessionError, TooManyErrors
from streamer.metrics import Metrics
from streamer.sockets import Socket
from streamer.voice import Voice
from streamer.wires import Payload, SharedWire, Spoken

logger: Final = logging.getLogger(__name__)

MAX_VOICES: Final = 100  # open at once on one socket: more than a meeting has open microphones, and a tenth of a server's sessions

Refusal = tuple[str, str]
"""A word for the metrics, and a sentence."""


class Voices:
    """One shared socket from its handshake to its last message.

    ``refusal`` says why no voice is let in right now; ``join`` lets one in at once, and gives its session to run. ``fault`` says why the
    whole socket may not go on, and is asked every ``heartbeat_s``.
    """

    def __init__(
        self,
        socket: Socket,
        wire: SharedWire,
        *,
        id: str,
        refusal: Callable[[], Refusal | None],
        join: Callable[[Voice], Coroutine[Any, Any, None]],
        metrics: Metrics,
        fault: Callable[[], SessionError | None],
        heartbeat_s: float,
    ) -> None:
        self.id = id
        self._socket, self._wire = socket, wire
        self._refusal, self._join, self._metrics = refusal, join, metrics
        self._fault, self._heartbeat_s = fault, heartbeat_s
        self._speaking: dict[str, Voice] = {}  # by name, those that a message would go to
        self._sessions: dict[asyncio.Task[None], Voice] = {}  # also those that have ended, until their finals are written
        self._refused: set[str] = set()
        self._rejected = 0
        self._held_since: float | None = None
        self._held_s = 0.0
        self._leaving: asyncio.Task[None] | None = None
        self.done = asyncio.Event()
        """Set when the socket is closed and every session has ended."""

    async def run(self) -> None:
        """Serve the client until either side is done. Never raises for what a client does."""
        logger.info("voices %s: opened from %s", self.id, self._socket.peer)
        pausing = asyncio.create_task(self._pause(), name=f"pauses of {self.id}")
        watching = asyncio.create_task(self._until_turned_away(), name=f"access of {self.id}")
        try:
            while True:
                await self._read()
        except (ConnectionClosed, ConnectionError):
            pass
        finally:
            for voice in self._sessions.values():
                voice.lost()
            pausing.cancel()
            watching.cancel()
            leaving = (self._leaving,) if self._leaving else ()
            await asyncio.gather(pausing, watching, *leaving, *self._sessions, return_exceptions=True)
            self.done.set()
            logger.info("voices %s: closed, code=%s", self.id, self._socket.close_code)

    async def stop(self, reason: str) -> None:
        """The server stops, and each session with it: when the last has said its goodbye, say ours."""
        self._leave(GOING_AWAY, reason)

    async def abandon(self, wait_s: float) -> None:
        """The server waits no longer, nor for the sessions; be done within about ``wait_s``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self.done.wait()
                return
        self._socket.abort()

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(self._wire.idle_timeout_s):
                data = await self._socket.recv()
        except TimeoutError:
            self._finish(GOING_AWAY, "idle_timeout")
            return
        if self._leaving:
            return
        match self._wire.split(data):
            case Spoken(name, payload):
                await self._hear(name, payload)
            case Stop():
                self._finish(NORMAL_CLOSURE, "stop")
            case Rejected(error):
                self._reject(str(error))
            case None:
                pass

    async def _hear(self, name: str, payload: Payload) -> None:
        voice = self._speaking.get(name) or self._open(name)
        if voice is None:
            return
        if voice.full:
            self._held_since = time.monotonic()
        await voice.put(payload)
        if self._held_since is not None:
            self._held_s += time.monotonic() - self._held_since
            self._held_since = None
        voice.heard = self._clock()

    def _open(self, name: str) -> Voice | None:
        refusal = self._full() or self._refusal()
        if refusal:
            self._refuse(name, refusal)
            return None
        self._refused.discard(name)
        voice = Voice(name, self._socket, self._clock())
        task = asyncio.create_task(self._join(voice), name=f"voice of {self.id}")
        self._speaking[name] = self._sessions[task] = voice
        task.add_done_callback(self._ended)
        return voice

    def _full(self) -> Refusal | None:
        if len(self._sessions) < MAX_VOICES:
            return None
        return "voices_full", f"{MAX_VOICES} voices are open on this socket; it is heard when one of them pauses"

    def _refuse(self, name: str, refusal: Refusal) -> None:
        """Told once for each voice, and not for more of them than there can be."""
        if name in self._refused or len(self._refused) >= MAX_VOICES:
            return
        self._refused.add(name)
        self._metrics.refused.labels(refusal[0]).inc()
        logger.warning("voices %s: %r is not heard: %s", self.id, name, refusal[1])

    def _ended(self, task: asyncio.Task[None]) -> None:
        voice = self._sessions.pop(task)
        voice.lost()  # whoever waits for room in it need not any more
        if self._speaking.get(voice.name) is voice:
            del self._speaking[voice.name]
        if not task.cancelled() and (error := task.exception()):
            logger.error("voices %s: the session of %r failed", self.id, voice.name, exc_info=error)

    def _reject(self, sentence: str) -> None:
        self._rejected += 1
        if self._rejected == 1:
            logger.warning("voices %s: %s", self.id, sentence)
        if self._rejected > MAX_REJECTED:
            self._finish(TooManyErrors.close_code, TooManyErrors.code)

    async def _pause(self) -> None:
        """End the voices that have sent nothing for a while."""
        limit = self._wire.pause_s
        while True:
            await asyncio.sleep(limit / 4)
            now = self._clock()
            for voice in [voice for voice in self._speaking.values() if now - voice.heard >= limit]:
                del self._speaking[voice.name]
                voice.end()

    async def _until_turned_away(self) -> None:
        """The sessions are turned away one by one, and with the next message of a voice another would begin."""
        while True:
            await asyncio.sleep(self._heartbeat_s)
            if fault := self._fault():
                break
        logger.warning("voices %s: %s", self.id, fault)
        assert fault.close_code is not None
        self._finish(fault.close_code, fault.code)

    def _clock(self) -> float:
        """Stands still while one voice holds up the others, who cannot be heard then."""
        return (self._held_since or time.monotonic()) - self._held_s

    def _finish(self, code: int, reason: str) -> None:
        """End all voices; close when what is owed has been written."""
        if self._leaving:
            return
        for voice in self._speaking.values():
            voice.end()
        self._leave(code, reason)

    def _leave(self, code: int, reason: str) -> None:
        self._speaking.clear()
        self._leaving = self._leaving or asyncio.create_task(self._say_goodbye(code, reason), name=f"goodbye of {self.id}")

    async def _say_goodbye(self, code: int, reason: str) -> None:
        if self._sessions:
            await asyncio.wait(self._sessions)
        await self._socket.close(code, reason)
