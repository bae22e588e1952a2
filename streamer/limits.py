"""Bounds of one server: what a client may ask of it, and how long it waits."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one server, each with its unit."""

    max_sessions: int = 1_000
    max_queue_s: float = 3.0
    """How long the engine may take for what waits before newcomers are refused; 0 refuses nobody for it. Refreshes are ten times as late
    as they should be then, and less frequent: who is let in now would be served as badly as those who are in."""
    max_message_bytes: int = 1 << 20
    """32 s of 16 kHz audio; a larger frame is closed with 1009."""
    idle_timeout_s: int = 60
    """Without any message; ``keepalive`` counts as one."""
    heartbeat_s: float = 5.0
    backlog_s: float = 60.0
    """Audio a session may be owed before its socket is no longer read."""
    messages_per_s: int = 1_000
    """Of one client, which waits beyond it: packets of 20 ms are 50 a second, and each message costs some 15 µs however small it is."""
    max_session_s: int = 0
    """For a session from its beginning to its end; 0 is for ever."""
    max_followers: int = 1_000
    """Sockets that follow calls."""
    outbox_messages: int = 1_000
    """Results that wait to be written; beyond it the client does not read."""
    stall_s: float = 20.0
    """One write may take this long before the client counts as not reading."""
    resume_s: float = 30.0
    """For a client whose socket was lost to come back to its session, where it has asked for that."""
    notice_s: float = 5.0
    """Between the word to clients that the server stops, and the end of their sessions: to begin anew elsewhere between two sentences."""
    drain_s: float = 20.0
    """For open segments to be finished when the server stops."""

    @property
    def told(self) -> Mapping[str, int]:
        """What ``session.created`` says of them."""
        return {
            "max_message_bytes": self.max_message_bytes,
            "idle_timeout_s": self.idle_timeout_s,
            "resume_window_s": int(self.resume_s),
        }
