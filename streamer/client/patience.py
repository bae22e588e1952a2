"""How long to bear with a network that fails."""

import random
from dataclasses import dataclass

from streamer.client.errors import Refused
from streamer.client.journal import LIMIT_BYTES
from streamer.errors import ConnectionFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds, and bytes of audio."""

    give_up_s: float = 300.0
    """For a socket after one was lost; 0 raises at the first loss."""
    silence_s: float = 15.0
    """Without any word: the server's heartbeat comes every few seconds, so the network is gone, whatever the socket says."""
    keepalive_s: float = 10.0
    """Without anything to send before the server is told that somebody is there."""
    first_wait_s: float = 0.25
    """Before the first try, with jitter; each further one waits twice as long, up to ``longest_wait_s``."""
    longest_wait_s: float = 5.0
    keep_bytes: int = LIMIT_BYTES
    """Audio that is kept until it is answered; beyond it the source waits."""

    def wait_s(self, attempt: int, why: ConnectionFailed) -> float:
        """Before this attempt, counted from 0. A server that says when it may be asked again is believed."""
        wait = min(self.longest_wait_s, self.first_wait_s * 2.0 ** min(attempt, 20)) * random.uniform(0.5, 1.0)
        return max(wait, (why.retry_after_s or 0.0) if isinstance(why, Refused) else 0.0)
