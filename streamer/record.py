"""What is kept of one session, on the event loop: looks at each message before it is sent, and holds back what is to be stored first."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Final, Protocol

from streamer.core import events
from streamer.core.events import Message, SessionConfigured
from streamer.store import Append, Close, Open, Operation, Session, StoreFailed
from streamer.store.recordings import Recorder
from streamer.tape import Tape

OWED: Final = "the transcripts that the server keeps lack this final: {why}; what you received is all there is of it"

Write = Callable[[Operation], "asyncio.Future[StoreFailed | None]"]
"""Done once it is stored or given up, with the reason."""


class Named(Protocol):
    """What is asked of a session's wire."""

    call: str | None


@dataclass(slots=True, eq=False)
class Held:
    """A message on its way into the store. Whatever is said after it waits behind it."""

    message: Message
    stored: asyncio.Future[StoreFailed | None]

    async def settled(self) -> events.Warned | None:
        """Once it is stored; a warning where a final is not."""
        await asyncio.wait([self.stored])  # whoever waits may be cancelled, and what is waited for goes on
        return self.warning

    @property
    def warning(self) -> events.Warned | None:
        """What is told right behind it, now that it is ``stored`` or is not."""
        failure = self.stored.result()
        if failure and isinstance(self.message, events.Final):
            return events.Warned(code="not_stored", message=OWED.format(why=failure))
        return None


class Record:
    """What is kept of one session. ``wire`` is the name of what ``speaker`` speaks."""

    def __init__(self, write: Write, recorder: Recorder | None, *, session_id: str, wire: str, speaker: Named, model: str) -> None:
        self._write, self._recorder = write, recorder
        self._id, self._wire, self._speaker, self._model = session_id, wire, speaker, model
        self._opened_ms = now_ms()
        self._configured: SessionConfigured | None = None
        self._begun = self._open = self._closed = False
        self._tape: Tape | None = None

    @property
    def records(self) -> bool:
        """Whether audio may be kept too, of whoever asks for it."""
        return self._recorder is not None

    def tape(self, tell: Callable[[Message], None]) -> Tape:
        """What hears all audio of the session, and keeps what it was asked for."""
        assert self._recorder
        self._tape = Tape(self._recorder, self._id, tell)
        return self._tape

    def keep(self, message: object) -> Held | None:
        """Look at what is about to be sent, in its order. What is to be stored first comes back held."""
        match message:
            case SessionConfigured():
                self._configured = message
                self._begin()
            case events.Final() if self._configured and self._configured.settings.store:
                self._begin()
                return self._held(message, Append(self._id, message, now_ms()))
            case events.Closed(totals=totals) if self._begun:
                if self._tape:
                    self._tape.flush()
                self._closed = True
                return self._held(message, Close(self._id, now_ms(), totals))
        return None

    def close(self, totals: Mapping[str, int]) -> None:
        """The session has ended, with a goodbye or without."""
        if self._tape:
            self._tape.flush()
        if self._begun and not self._closed:
            self._write(Close(self._id, now_ms(), totals))

    def _held(self, message: Message, operation: Operation) -> Held:
        return Held(message, self._write(operation))

    def _begin(self) -> None:
        """The session's own row. Until it is known to be there, it goes before each final; deleted later, it stays deleted."""
        configured = self._configured
        if self._open or not configured or not configured.settings.store:
            return
        self._begun = True
        session = Session(
            session_id=self._id,
            wire=self._wire,
            call=self._speaker.call,
            model=self._model,
            opened_ms=self._opened_ms,
            format=asdict(configured.format),
            settings=asdict(configured.settings),
        )
        self._write(Open(session)).add_done_callback(self._opened)

    def _opened(self, stored: asyncio.Future[StoreFailed | None]) -> None:
        self._open = self._open or stored.result() is None


def now_ms() -> int:
    """Milliseconds of Unix time."""
    return time.time_ns() // 1_000_000
