"""What a server keeps of its sessions: each final is stored before it is sent, and old sessions are deleted."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Final, Protocol, TypeVar

from streamer.core import events
from streamer.core.events import Message, ModelInfo, SessionConfigured
from streamer.errors import StoreUnavailable
from streamer.metrics import Metrics
from streamer.store import Append, Close, Open, Operation, Session, Store, StoreFailed
from streamer.store.address import open_store, sqlite_path
from streamer.store.expiry import DAY_MS, expire
from streamer.store.recordings import Recorder, Recordings
from streamer.store.writer import Writer
from streamer.tape import Tape

logger: Final = logging.getLogger(__name__)

WAIT_S: Final = 5.0  # for a final to be stored before it is sent without
EXPIRY_S: Final = 3_600.0
OWED: Final = "the transcripts that the server keeps lack this final: {why}; what you received is all there is of it"

_T = TypeVar("_T")


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
        failure = await self.stored
        if failure and isinstance(self.message, events.Final):
            return events.Warned(code="not_stored", message=OWED.format(why=failure))
        return None


class Keeper:
    """The store at ``address``, in use by one server. Sessions that ended more than ``days`` ago are deleted; 0 keeps them."""

    def __init__(self, address: str, *, days: int = 0, record: bool = False) -> None:
        self._address, self._days = address, days
        path = sqlite_path(address) if record else None
        self.recorder = Recorder(Recordings.beside(path)) if path else None
        self._store: Store | None = None
        self._opening = threading.Lock()
        self._writer: Writer | None = None
        self._expiring: asyncio.Task[None] | None = None

    def start(self, metrics: Metrics) -> None:
        """On the running loop. A store that cannot be reached is tried again with every final."""
        self._metrics = metrics
        self._writer = Writer(self.opened, asyncio.get_running_loop().call_soon_threadsafe)
        if self._days:
            self._expiring = asyncio.create_task(self._expire(), name="expiry of transcripts")

    async def stop(self) -> None:
        """Until what was submitted is written."""
        if self._expiring:
            self._expiring.cancel()
            await asyncio.wait([self._expiring])
        if self._writer:
            await asyncio.to_thread(self._writer.close)
        if self.recorder:
            await asyncio.to_thread(self.recorder.close)

    def opened(self) -> Store:
        """From any thread. Raises ``StoreUnavailable``."""
        with self._opening:
            if not self._store:
                self._store = open_store(self._address)
            return self._store

    async def ask(self, question: Callable[[Store], _T]) -> _T:
        """In a thread. Raises ``StoreUnavailable`` or ``StoreFailed``."""
        return await asyncio.to_thread(lambda: question(self.opened()))

    def record(self, session_id: str, wire: str, speaker: Named, model: ModelInfo) -> "Record":
        """``wire`` is the name of it, ``speaker`` the one that the session has."""
        return Record(self, session_id, wire, speaker, model)

    def write(self, operation: Operation) -> asyncio.Future[StoreFailed | None]:
        """Done once it is stored, or is not, or WAIT_S have passed; cancelled where whoever waited has left."""
        assert self._writer
        loop, began = asyncio.get_running_loop(), time.monotonic()
        stored: asyncio.Future[StoreFailed | None] = loop.create_future()

        def settle(failure: StoreFailed | None) -> None:
            giving_up.cancel()
            if isinstance(operation, Append) and not counted:
                counted.append(operation)
                self._metrics.store.observe(time.monotonic() - began)
                self._metrics.store_failures.inc(failure is not None)
            if not stored.done():
                stored.set_result(failure)

        counted: list[Append] = []
        giving_up = loop.call_later(WAIT_S, settle, StoreFailed(f"the store has not answered for {WAIT_S:.0f} s"))
        self._writer.submit(operation, settle)
        return stored

    async def _expire(self) -> None:
        """Any of several servers may do it, and all of them do."""
        while True:
            try:
                gone = await self.ask(lambda store: expire(store, _now_ms() - self._days * DAY_MS))
            except (StoreFailed, StoreUnavailable) as failure:
                logger.warning("sessions of more than %d days could not be deleted: %s", self._days, failure)
            else:
                if gone:
                    logger.info("%d sessions that ended more than %d days ago were deleted", gone, self._days)
            await asyncio.sleep(EXPIRY_S)


class Record:
    """What is kept of one session."""

    def __init__(self, keeper: Keeper, session_id: str, wire: str, speaker: Named, model: ModelInfo) -> None:
        self._keeper, self._id, self._wire, self._speaker, self._model = keeper, session_id, wire, speaker, model.name
        self._opened_ms = _now_ms()
        self._configured: SessionConfigured | None = None
        self._begun = self._open = self._closed = False
        self._tape: Tape | None = None

    @property
    def records(self) -> bool:
        """Whether audio may be kept too, of whoever asks for it."""
        return self._keeper.recorder is not None

    def tape(self, tell: Callable[[Message], None]) -> Tape:
        """What hears all audio of the session, and keeps what it was asked for."""
        assert self._keeper.recorder
        self._tape = Tape(self._keeper.recorder, self._id, tell)
        return self._tape

    def keep(self, message: object) -> Held | None:
        """Look at what is about to be sent, in its order. What is to be stored first comes back held."""
        match message:
            case SessionConfigured():
                self._configured = message
                self._begin()
            case events.Final() if self._configured and self._configured.settings.store:
                self._begin()
                return self._held(message, Append(self._id, message, _now_ms()))
            case events.Closed(totals=totals) if self._begun:
                if self._tape:
                    self._tape.flush()
                self._closed = True
                return self._held(message, Close(self._id, _now_ms(), totals))
        return None

    def close(self, totals: Mapping[str, int]) -> None:
        """The session has ended, with a goodbye or without."""
        if self._tape:
            self._tape.flush()
        if self._begun and not self._closed:
            self._keeper.write(Close(self._id, _now_ms(), totals))

    def _held(self, message: Message, operation: Operation) -> Held:
        return Held(message, self._keeper.write(operation))

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
        self._keeper.write(Open(session)).add_done_callback(self._opened)

    def _opened(self, stored: asyncio.Future[StoreFailed | None]) -> None:
        self._open = self._open or (not stored.cancelled() and stored.result() is None)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
