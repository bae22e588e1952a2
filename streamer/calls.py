"""Sessions that others follow by the id of their call: who tells, who is told, and what was said before they came.

A telephone line has no place for results; whoever assists the agent reads them at ``/calls/<id>``. A call may have several sessions, such
as the speakers of a meeting, and followers may come before it begins, or a while after it has ended.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from streamer.core.events import Message, SessionConfigured
from streamer.record import Held
from streamer.wires.calls import KEPT, OWN, told
from streamer.wires.plain import to_json

GRACE_S: Final = 5.0  # without a session, before a call counts as ended: carriers may come back, and stereo may come as two streams
KEPT_S: Final = 60.0  # an ended call can still be read for so long
KEPT_MESSAGES: Final = 500  # of a call, for who comes later: about half an hour of talk
KEPT_CALLS: Final = 1_000  # ended ones; the oldest is forgotten first

Tell = Callable[[str], None]
"""Takes one message, in JSON."""


@dataclass(slots=True, eq=False)
class Call:
    """One call that somebody tells or awaits."""

    id: str
    kept: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_MESSAGES))
    followers: list[Tell] = field(default_factory=list)
    sessions: int = 0
    state: str = "awaited"
    ending: asyncio.TimerHandle | None = None

    def tell(self, text: str, *, keep: bool = False) -> None:
        if keep:
            self.kept.append(text)
        for follower in tuple(self.followers):
            follower(text)

    @property
    def told(self) -> str:
        """Its state, as followers read it: ``awaited``, ``live`` or ``ended``."""
        return to_json({"type": "call", "call": self.id, "state": self.state})


class Telling:
    """One session of a call, as it tells its followers: what is to be stored once it is, and whatever comes after it behind it."""

    def __init__(self, calls: "Calls", call: Call, session_id: str) -> None:
        self._calls, self._call, self._id = calls, call, session_id
        self._names: dict[int, str] = {}
        self._waiting: deque[Message | Held] = deque()

    def tell(self, message: Message | Held) -> None:
        if isinstance(message, Held):
            message.stored.add_done_callback(lambda stored: self._go_on())
        self._waiting.append(message)
        self._go_on()

    async def leave(self) -> None:
        """The session is over, once all of it has been told."""
        while pending := [held.stored for held in self._waiting if isinstance(held, Held) and not held.stored.done()]:
            await asyncio.wait(pending)
        self._go_on()
        self._calls.leave(self._call)

    def _go_on(self) -> None:
        """Tell what waits, as far as it is stored."""
        while self._waiting:
            first = self._waiting[0]
            if not isinstance(first, Held):
                self._tell(first)
            elif first.stored.done():
                self._tell(first.message)
                if first.warning:
                    self._tell(first.warning)
            else:
                return
            self._waiting.popleft()

    def _tell(self, message: Message) -> None:
        if isinstance(message, OWN):
            return
        if isinstance(message, SessionConfigured):
            self._names = dict(enumerate(message.format.channel_names))
        keep = isinstance(message, KEPT)
        if keep or self._call.followers:
            self._call.tell(told(self._id, self._names, message), keep=keep)


class Calls:
    """All calls of one process."""

    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}
        self._ended: OrderedDict[str, Call] = OrderedDict()

    def __len__(self) -> int:
        return len(self._calls)

    def join(self, call_id: str, session_id: str) -> Telling:
        """A session begins to tell. It has to leave."""
        call = self._call(call_id)
        call.sessions += 1
        if call.ending:
            call.ending.cancel()
            call.ending = None
        if call.state == "awaited":
            call.state = "live"
            call.tell(call.told)
        return Telling(self, call, session_id)

    def leave(self, call: Call) -> None:
        call.sessions -= 1
        if not call.sessions and call.state != "ended":
            call.ending = asyncio.get_running_loop().call_later(GRACE_S, self._end, call)

    def follow(self, call_id: str, tell: Tell) -> None:
        """Tell its state and what was kept at once, and from then on everything. An ended call is told as that, last."""
        call = self._ended.get(call_id) if call_id not in self._calls else self._calls[call_id]
        call = call or self._call(call_id)
        if call.state != "ended":
            tell(call.told)
            call.followers.append(tell)
        for text in tuple(call.kept):
            tell(text)
        if call.state == "ended":
            tell(call.told)

    def unfollow(self, call_id: str, tell: Tell) -> None:
        call = self._calls.get(call_id)
        if call and tell in call.followers:
            call.followers.remove(tell)
            self._forget_unknown(call)

    def end(self) -> None:
        """The server stops: no call goes on."""
        for call in tuple(self._calls.values()):
            if call.ending:
                call.ending.cancel()
            self._end(call)

    def _call(self, call_id: str) -> Call:
        return self._calls.setdefault(call_id, Call(call_id))

    def _forget_unknown(self, call: Call) -> None:
        """A call that nobody awaits any more, and that never began."""
        if call.state == "awaited" and not call.followers:
            del self._calls[call.id]

    def _end(self, call: Call) -> None:
        del self._calls[call.id]
        call.state = "ended"
        call.tell(call.told)
        call.followers.clear()
        if call.kept:
            self._ended[call.id] = call
            self._ended.move_to_end(call.id)
            if len(self._ended) > KEPT_CALLS:
                self._ended.popitem(last=False)
            asyncio.get_running_loop().call_later(KEPT_S, self._forget, call)

    def _forget(self, call: Call) -> None:
        if self._ended.get(call.id) is call:
            del self._ended[call.id]
