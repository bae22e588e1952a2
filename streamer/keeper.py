"""What a server keeps of its sessions: each final is stored before it is sent, and old sessions are deleted."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from streamer.core.events import ModelInfo
from streamer.errors import StoreUnavailable
from streamer.metrics import Metrics
from streamer.record import Named, Record, now_ms
from streamer.store import Append, Operation, Store, StoreFailed
from streamer.store.address import open_store, sqlite_path
from streamer.store.expiry import DAY_MS, expire
from streamer.store.recordings import Recorder, Recordings
from streamer.store.writer import Writer

logger: Final = logging.getLogger(__name__)

WAIT_S: Final = 5.0  # for a final to be stored before it is sent without
EXPIRY_S: Final = 3_600.0

_T = TypeVar("_T")


class Keeper:
    """The store at ``address``, in use by one server. Sessions that ended more than ``days`` ago are deleted; 0 keeps them."""

    def __init__(self, address: str, *, days: int = 0, record: bool = False) -> None:
        self._address, self._days = address, days
        path = sqlite_path(address) if record else None
        self._recorder = Recorder(Recordings.beside(path)) if path else None
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
        if self._recorder:
            await asyncio.to_thread(self._recorder.close)

    def opened(self) -> Store:
        """From any thread. Raises ``StoreUnavailable``."""
        with self._opening:
            if not self._store:
                self._store = open_store(self._address)
            return self._store

    async def ask(self, question: Callable[[Store], _T]) -> _T:
        """In a thread. Raises ``StoreUnavailable`` or ``StoreFailed``."""
        return await asyncio.to_thread(lambda: question(self.opened()))

    def record(self, session_id: str, wire: str, speaker: Named, model: ModelInfo) -> Record:
        """Of a session that begins."""
        return Record(self.write, self._recorder, session_id=session_id, wire=wire, speaker=speaker, model=model.name)

    def write(self, operation: Operation) -> asyncio.Future[StoreFailed | None]:
        """Done once it is stored, or is not, or WAIT_S have passed."""
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
                gone = await self.ask(lambda store: expire(store, now_ms() - self._days * DAY_MS))
            except (StoreFailed, StoreUnavailable) as failure:
                logger.warning("sessions of more than %d days could not be deleted: %s", self._days, failure)
            else:
                if gone:
                    logger.info("%d sessions that ended more than %d days ago were deleted", gone, self._days)
            await asyncio.sleep(EXPIRY_S)
