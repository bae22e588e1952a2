"""The sockets of one transcription, one after the other: the same session where the server still has it, else a new one that takes over."""

import asyncio
from collections.abc import Awaitable, Callable

from streamer.client.errors import HOPELESS, CannotResume, SessionFailed
from streamer.client.events import Reconnecting, Restarted, Resumed
from streamer.client.journal import Journal
from streamer.client.patience import Patience
from streamer.client.reading import Unknown, typed
from streamer.client.sources import Source
from streamer.client.timeline import Timeline
from streamer.client.wire import ClientSession, Server
from streamer.core.events import Message, SessionCreated
from streamer.errors import ConnectionFailed


class Succession:
    """``tell`` is told what happens; ``begin_anew`` has the source begin again at its first byte."""

    def __init__(
        self,
        server: Server,
        source: Source,
        journal: Journal,
        patience: Patience,
        *,
        tell: Callable[[Message], Awaitable[None]],
        begin_anew: Callable[[], Awaitable[None]],
    ) -> None:
        self._server, self._source, self._journal, self._patience = server, source, journal, patience
        self._tell, self._begin_anew = tell, begin_anew
        self.timeline = Timeline(single=source.format.heard_channels == 1 and not source.container)
        self._token: str | None = None
        self._largest = 1 << 20
        self._attempt = 0
        self.created: SessionCreated | Unknown

    @property
    def resumable(self) -> bool:
        """Whether the session can be come back to."""
        return self._token is not None

    def settled(self) -> None:
        """Results flow: the next loss is a new one. A session that dies before keeps its place in the back-off."""
        self._attempt = 0

    def over(self) -> None:
        """The server has ended the session."""
        self._token = None

    async def first(self) -> ClientSession:
        """Raises ``ConnectionFailed``, and ``Refused`` among it."""
        session = await self._server.begin()
        await self._greet(session)
        return session

    async def next(self, lost: ConnectionFailed) -> ClientSession:
        """The next socket. Raises the last reason when it has been tried for long enough."""
        clock = asyncio.get_running_loop().time
        began, why = clock(), lost
        while True:
            wait_s = self._patience.wait_s(self._attempt, why)
            if clock() + wait_s > began + self._patience.give_up_s:
                raise why
            self._attempt += 1
            await self._tell(Reconnecting(attempt=self._attempt, wait_s=wait_s, reason=str(why)))
            await asyncio.sleep(wait_s)
            try:
                if self._token and (session := await self._resume(self._token)):
                    await self._tell(Resumed(session_id=session.created["session_id"], away_s=clock() - began))
                    return session
                return await self._restart(await self._server.begin())
            except (*HOPELESS, SessionFailed):
                raise
            except ConnectionFailed as error:
                why = error

    async def _resume(self, token: str) -> ClientSession | None:
        """Asks whatever the window was: the server may not have noticed yet. ``None`` where the session is over."""
        try:
            session = await self._server.resume(token, self.timeline.seen, self._largest)
        except CannotResume:
            self._token = None
            return None
        try:
            self._journal.resume(session.created["received_bytes"], session.created["received_messages"])
        except ValueError:
            self._token = None
            await session.close()
            return None
        return session

    async def _restart(self, session: ClientSession) -> ClientSession:
        """A new session hears what was not answered: from the end of the last final on, or all of a container."""
        offset_ms = first = 0
        abandoned: tuple[int, ...] = ()
        if not self._source.container:
            offset_ms = self._source.ms(self._journal.restart())
            first, abandoned = self.timeline.restart(offset_ms)
        elif self._source.again:
            self.timeline.repeat()
            await self._begin_anew()
        else:
            await session.close()
            raise SessionFailed("cannot_resume", "a container that comes from an iterator cannot be sent again from its beginning")
        await self._greet(session)
        await self._tell(
            Restarted(session_id=session.created.get("session_id", ""), offset_ms=offset_ms, first_segment=first, abandoned=abandoned)
        )
        return session

    async def _greet(self, session: ClientSession) -> None:
        created = typed(session.created)
        assert isinstance(created, SessionCreated | Unknown)
        self.created, self._token, self._largest = created, session.created.get("resume_token"), session.largest
        await self._tell(created)
