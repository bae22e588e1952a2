"""What happens to the connection itself, told among the server's messages."""

from dataclasses import dataclass

from streamer.core.events import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnecting(Message):
    """The socket was lost, and this is the next try. ``reason`` is a sentence; audio is kept meanwhile."""

    attempt: int
    wait_s: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Message):
    """Back in the same session: nothing was missed and nothing will come twice. ``away_s`` is how long it took."""

    session_id: str
    away_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted(Message):
    """The session was over, and a new one hears what was not answered.

    Times and segment numbers go on: the new session began at ``offset_ms``, and its first segment is ``first_segment``. The segments in
    ``abandoned`` had begun and get no final: what they said is said again under another number.
    """

    session_id: str
    offset_ms: int
    first_segment: int
    abandoned: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioLost(Message):
    """A live source could not be kept waiting any longer: this much is missing at ``at_ms``, and times after it are earlier by so much."""

    at_ms: int
    lost_ms: int
