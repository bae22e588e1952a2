"""When a channel has been quiet for long enough after an utterance.

Whether that is so, and after which final it is told, follows from the audio and the settings alone: quiet is counted in samples since the
last speech, and a segment that opens ends it, however late the engine answers. An utterance is a final with words. What turns out to be
noise is none: the count begins again after it, and the utterance before it still has its turn.
"""

from streamer.core.events import Final, to_samples


class QuietWatch:
    """One channel's. Tell it of every segment and every final; while it waits, ask it at every frame."""

    def __init__(self) -> None:
        self.due: int | None = None
        """The sample at which quiet has lasted; ``None`` unless a segment has ended, no other has opened, and it has not lasted yet."""
        self._quiet_ms = 0
        self._said_ms: int | None = None  # end of the last utterance, until its quiet has been told

    def opened(self) -> None:
        self.due = None

    def ended(self, speech_end: int, quiet_ms: int) -> None:
        """A segment has ended whose last speech ended at this sample; so much quiet is to be told, or 0."""
        self.due = speech_end + to_samples(quiet_ms) if quiet_ms else None
        self._quiet_ms = quiet_ms

    def lasted(self, position: int) -> int:
        """``quiet_ms`` once it has passed at this sample, otherwise 0."""
        if self.due is None or position < self.due:
            return 0
        self.due = None
        return self._quiet_ms

    def settled(self, final: Final) -> None:
        """A final has been sent."""
        if final.text:
            self._said_ms = final.words[-1].end_ms if final.words else final.end_ms

    def take_utterance(self) -> int | None:
        """The end in ms of the utterance whose quiet is told now; ``None`` if there was none since the last time."""
        said, self._said_ms = self._said_ms, None
        return said
