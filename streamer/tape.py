"""What is recorded of one session, on the event loop: gathers a second of audio at a time for the thread that writes."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from streamer.core.events import SAMPLE_RATE, Message, Samples, Settings, Warned
from streamer.store.recordings import LONGEST_BYTES, SAMPLE_BYTES, Piece, Recorder

GATHERED: Final = SAMPLE_RATE  # samples of each channel; what a killed process loses
LOST: Final = "the recording ends here: {why}; transcription goes on"


class Tape:
    """``tell`` is called once, where recording must end before the session does."""

    def __init__(self, recorder: Recorder, session_id: str, tell: Callable[[Message], None]) -> None:
        self._recorder, self._id, self._tell = recorder, session_id, tell
        self._loop = asyncio.get_running_loop()
        self._heard = 0  # samples of each channel
        self._gathered: list[bytes] = []
        self._begin = 0  # of what is gathered
        self._channels = 1
        self._made = self._ended = False

    def hear(self, samples: Samples, settings: Settings) -> None:
        """The next int16 ``[channels, n]`` of the session, to be recorded or not as the settings of that moment say."""
        self._channels, length = samples.shape
        wanted = settings.record and settings.store
        if not wanted:
            self.flush()
        elif not self._ended:
            if not self._gathered:
                self._begin = self._heard
            self._gathered.append(samples.T.astype("<i2").tobytes())
        self._heard += length
        if self._gathered and self._heard - self._begin >= GATHERED:
            self.flush()

    def flush(self) -> None:
        """Hand on what is gathered."""
        data = b"".join(self._gathered)
        self._gathered.clear()
        if not data or self._ended:
            return
        if self._begin * self._channels * SAMPLE_BYTES + len(data) > LONGEST_BYTES:
            self._end(f"it has reached {LONGEST_BYTES >> 30} GiB")
            return
        piece = Piece(self._id, self._channels, self._begin, data, first=not self._made)
        self._made = True
        self._recorder.submit(piece, self._failed)

    def _failed(self, why: str) -> None:
        """From any thread."""
        with suppress(RuntimeError):  # the loop has ended, and the session with it
            self._loop.call_soon_threadsafe(self._end, why)

    def _end(self, why: str) -> None:
        if not self._ended:
            self._ended = True
            self._tell(Warned(code="not_recorded", message=LOST.format(why=why)))
