"""A gateway's side of an engine process: the scheduler's face, and a memory of every job that has not been answered.

An engine process that dies, however it does, takes no final along: its successor gets the finals, and the speculations that may become
finals, once more; refreshes are given up at once. A job that two processes died with is given up as well.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final, cast

from streamer.core.events import Answer, Dropped, Failed, Job, JobKind, ModelInfo
from streamer.engine import WarmUp
from streamer.engine.folder import describe
from streamer.engine.rows import Reader
from streamer.engine.scheduler import MAX_TRIES, Answered, Health
from streamer.errors import ProcessError
from streamer.workers.arena import Arena
from streamer.workers.messages import Kind, Messages, answer_of, info_of, pack, pack_job, warm_up_of

logger: Final = logging.getLogger(__name__)

RETRY_S: Final = 0.05
LASTING: Final = (JobKind.FINAL, JobKind.SPECULATIVE)


@dataclass(slots=True, eq=False)
class Owed:
    """A job that waits for its answer."""

    job: Job
    answered: Answered
    place: int | None
    """Of its audio in the arena."""
    tries: int = 0
    """How many processes were given it."""
    promoted: bool = False
    lasting: bool = field(init=False)
    """Whether a new engine process should have it too."""

    def __post_init__(self) -> None:
        self.lasting = self.job.kind in LASTING


class RemoteScheduler:
    """One engine process, found at ``path``. A ``Scheduling`` of the running loop; only ``close`` may be called from elsewhere."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._arena = Arena()
        self._numbers = count()
        self._owed: dict[int, Owed] = {}
        self._link: asyncio.Transport | None = None
        self._reader: Reader | None = None
        self._changed: list[Callable[[Health], None]] = []
        self._connecting: asyncio.Task[None] | None = None
        self.health = Health.LOADING
        self.info: ModelInfo | None = None
        self.warm_up: WarmUp | None = None
        self.failure: Exception | None = None
        self.queued_ms = self.queued_jobs = 0  # of all gateways, as the engine process last said
        self._delay_until = 0.0  # on the loop's clock

    @property
    def devices(self) -> "tuple[RemoteScheduler, ...]":
        """Itself alone."""
        return (self,)

    @property
    def delay_s(self) -> float:
        """As the engine process last said, less the time since: it speaks only with answers, and works off meanwhile what waited."""
        return max(0.0, self._delay_until - self._loop.time())

    def start(self) -> None:
        self._connecting = self._loop.create_task(self._stay_connected(), name=f"link to {self._path.name}")

    def on_health(self, changed: Callable[[Health], None]) -> None:
        self._changed.append(changed)

    def submit(self, job: Job, answered: Answered) -> None:
        if self.health in (Health.CLOSED, Health.FAILED):
            self._loop.call_soon(answered, Failed(job, f"the engine is {self.health.value}"))
            return
        owed = Owed(job, answered, None)
        if self._link is None and not owed.lasting:
            self._loop.call_soon(answered, Dropped(job))
            return
        number = next(self._numbers)
        self._owed[number] = owed
        owed.place = self._arena.put(job.samples)
        self._send(number, owed)

    def promote(self, session: str, segment: int) -> None:
        for owed in self._owed.values():
            if owed.job.session == session and owed.job.segment == segment and owed.job.kind is JobKind.SPECULATIVE:
                owed.promoted = True
        if self._link:
            self._link.write(pack(Kind.PROMOTE, session, segment))

    def discard(self, session: str, segment: int | None = None) -> None:
        """What the engine process has already begun is still answered by it."""
        for number, owed in list(self._owed.items()):
            if owed.job.session != session:
                continue
            if segment is None or (owed.job.segment == segment and owed.job.kind is not JobKind.FINAL and not owed.promoted):
                owed.lasting = False
                if self._link is None:
                    self._answer(number, Dropped(owed.job))
        if self._link:
            self._link.write(pack(Kind.DISCARD, session, segment))

    def close(self, timeout_s: float = 10.0) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(timeout_s)

    async def _close(self) -> None:
        self._set_health(Health.CLOSED)
        if self._connecting:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        if self._link:
            self._link.abort()
        for number, owed in list(self._owed.items()):
            self._answer(number, Failed(owed.job, "the server is closing"))
        self._arena.close()

    async def _stay_connected(self) -> None:
        while True:
            with socket.socket(socket.AF_UNIX) as line:
                line.setblocking(False)
                try:
                    await self._loop.sock_connect(line, str(self._path))
                    socket.send_fds(line, [b"A"], [self._arena.file])
                    lost = self._loop.create_future()
                    await self._loop.create_unix_connection(lambda lost=lost: _Link(self, lost), sock=line)  # type: ignore[misc]
                    await lost
                    self._disconnected()
                except OSError:  # it is not there yet, or not there any more
                    pass
            await asyncio.sleep(RETRY_S)

    def connected(self, link: asyncio.Transport) -> None:
        """A process is there; it may still be loading. What is owed goes to it first."""
        self._link = link
        for number, owed in self._owed.items():
            self._send(number, owed)

    def receive(self, message: tuple[Any, ...]) -> None:
        """What the engine process says."""
        if message[0] == Kind.STATE:
            self._state(*message[1:])
        elif message[0] == Kind.LOAD:
            _, self.queued_ms, self.queued_jobs, delay_s = message
            self._delay_until = self._loop.time() + delay_s
        elif owed := self._owed.get(message[1]):
            self._answer(message[1], answer_of(message, owed.job, self._reader))

    def _send(self, number: int, owed: Owed) -> None:
        if self._link is None:
            return
        owed.tries += 1
        self._link.write(pack_job(number, owed.job, owed.place))
        if owed.promoted:
            self._link.write(pack(Kind.PROMOTE, owed.job.session, owed.job.segment))

    def _disconnected(self) -> None:
        self._link = None
        self.queued_ms = self.queued_jobs = 0
        lost = [(number, owed) for number, owed in self._owed.items() if not owed.lasting or owed.tries >= MAX_TRIES]
        logger.error("the engine process is gone; %d jobs wait for a new one, %d do not", len(self._owed) - len(lost), len(lost))
        for number, owed in lost:
            self._answer(number, Failed(owed.job, "two engine processes died with it") if owed.lasting else Dropped(owed.job))
        self._set_health(Health.RESTARTING if self.warm_up else Health.LOADING)

    def _answer(self, number: int, answer: Answer) -> None:
        owed = self._owed.pop(number)
        if owed.place is not None:
            self._arena.free(owed.place)
        self._loop.call_soon(owed.answered, answer)  # each on its own: a fault in one session is not another's

    def _state(
        self, health: str, info: dict[str, Any] | None, warm: tuple[Any, ...] | None, failure: str | None, folder: str | None
    ) -> None:
        now = Health(health)
        try:
            if folder and (self._reader is None or self._reader.folder != Path(folder)):
                self._reader = Reader(describe(Path(folder)).vocabulary, Path(folder))
        except ProcessError as error:
            now, failure = Health.FAILED, str(error)
        self.info, self.warm_up = info_of(info) or self.info, warm_up_of(warm) or self.warm_up
        self.failure = ProcessError(failure) if failure else None
        if now is not Health.CLOSED:
            self._set_health(Health.RESTARTING if now is Health.LOADING and self.warm_up else now)

    def _set_health(self, health: Health) -> None:
        if self.health is health or self.health is Health.CLOSED:
            return
        self.health = health
        for changed in self._changed:
            self._loop.call_soon(changed, health)


class _Link(asyncio.Protocol):
    """The socket of one connection. ``lost`` is done when it ends."""

    def __init__(self, owner: RemoteScheduler, lost: "asyncio.Future[None]") -> None:
        self._owner, self._lost = owner, lost
        self._messages = Messages()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._owner.connected(cast(asyncio.Transport, transport))  # uvloop's do not inherit

    def data_received(self, data: bytes) -> None:
        for message in self._messages.feed(data):
            self._owner.receive(message)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._lost.done():
            self._lost.set_result(None)
