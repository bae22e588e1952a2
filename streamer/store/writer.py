"""The thread that owns a store's writing connection. What comes while a commit is on its way to the disk is the next commit."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Final

from streamer.errors import StoreUnavailable
from streamer.store import Operation, Store, StoreFailed

logger: Final = logging.getLogger(__name__)

WAITING: Final = 10_000  # operations; more are refused
TOGETHER: Final = 1_000  # in one transaction
STALLED_S: Final = 5.0  # a commit that takes longer makes newcomers fail at once
CLOSING_S: Final = 10.0

Done = Callable[[StoreFailed | None], None]
_Work = tuple[Operation, Done]


class Writer:
    """``deliver`` runs a function where answers are wanted. Every operation gets exactly one answer, in their order."""

    def __init__(self, opened: Callable[[], Store], deliver: Callable[[Callable[[], None]], object]) -> None:
        self._opened, self._deliver = opened, deliver
        self._queue: queue.Queue[_Work | None] = queue.Queue(WAITING)
        self._began: float | None = None  # when the commit on its way began
        self._resume = 0.0  # until when everything fails at once, because failing takes long
        self._failed: StoreFailed | None = None
        self._thread = threading.Thread(target=self._run, name="transcripts", daemon=True)  # a database that hangs holds up nobody's exit
        self._thread.start()

    def submit(self, operation: Operation, done: Done) -> None:
        """Does not wait. ``done`` is told once it is stored, or why it is not."""
        began = self._began
        if began is not None and time.monotonic() - began > STALLED_S:
            done(StoreFailed(f"the store has not answered for {STALLED_S:.0f} s"))
            return
        try:
            self._queue.put_nowait((operation, done))
        except queue.Full:
            done(StoreFailed(f"{WAITING} others wait to be stored"))

    def close(self) -> None:
        """Until all is written that was submitted, or CLOSING_S have passed. Blocks."""
        try:
            self._queue.put(None, timeout=CLOSING_S)
        except queue.Full:
            logger.error("the store does not answer; %d finals that wait for it are not stored", self._queue.qsize())
        self._thread.join(CLOSING_S)

    def _run(self) -> None:
        going_on = True
        while going_on:
            batch, going_on = self._next()
            if batch:
                self._began = time.monotonic()
                outcomes = self._write([operation for operation, _ in batch])
                self._began = None
                self._answer([(done, outcome) for (_, done), outcome in zip(batch, outcomes, strict=True)])
        try:
            self._opened().close()
        except StoreUnavailable:
            return

    def _next(self) -> tuple[list[_Work], bool]:
        """What waits, at least one; False with the last of all."""
        batch: list[_Work] = []
        work = self._queue.get()
        while work:
            batch.append(work)
            if len(batch) == TOGETHER or self._queue.empty():
                return batch, True
            work = self._queue.get_nowait()
        return batch, False

    def _write(self, operations: list[Operation]) -> list[StoreFailed | None]:
        began = time.monotonic()
        if self._failed and began < self._resume:
            return [self._failed] * len(operations)
        try:
            outcomes = self._opened().write(operations)
        except Exception as error:  # noqa: BLE001 - told to everybody who waits, and logged; the thread goes on
            failure = error if isinstance(error, StoreFailed) else StoreFailed(str(error))
            logger.log(logging.DEBUG if self._failed else logging.ERROR, "transcripts are not stored: %s", failure)
            self._failed = failure
            # Half the time at most is spent on failing.
            self._resume = 2 * time.monotonic() - began
            return [failure] * len(operations)
        if self._failed:
            logger.warning("transcripts are stored again")
        self._failed = None
        return outcomes

    def _answer(self, answers: list[tuple[Done, StoreFailed | None]]) -> None:
        def tell() -> None:
            for done, outcome in answers:
                done(outcome)

        try:
            self._deliver(tell)
        except RuntimeError:  # the loop has ended; nobody waits any more
            return
