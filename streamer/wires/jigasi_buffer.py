"""What is new in the buffers that jigasi sends.

jigasi writes frames of 20 ms into a buffer of 48,000 bytes that was made for 48 kHz, and sends the whole of it when the 73rd frame of
16 kHz is in it: the last 40 ms were never written, and stay zero. Whenever the presence of a muted participant changes, as by muting, it
sends the buffer with whatever is new at its beginning, and after that what it has sent before. Heard as they come, these would put holes
into words, and say words twice.
"""

from typing import Final

BUFFER: Final = 48_000  # bytes
FRAME: Final = 640
WRITTEN: Final = 73 * FRAME
NEVER_WRITTEN: Final = bytes(BUFFER - WRITTEN)
KEPT: Final = 100  # buffers of participants that are remembered; the one heard longest ago goes first


class Buffers:
    """The last buffer of each participant."""

    def __init__(self) -> None:
        self._last: dict[str, bytes] = {}

    def fresh(self, name: str, audio: bytes) -> bytes:
        """What of it was not sent before. Audio that is not such a buffer is all new."""
        if len(audio) != BUFFER or not audio.endswith(NEVER_WRITTEN):
            return audio
        before = self._last.pop(name, b"")
        self._last[name] = audio
        if len(self._last) > KEPT:
            del self._last[next(iter(self._last))]
        end = WRITTEN
        while end and audio[end - FRAME : end] == before[end - FRAME : end]:
            end -= FRAME
        # Digital silence looks like the silence before it; taken for old, it would stop the voice's clock.
        return audio[:end] if audio[end:].strip(b"\0") else audio[:WRITTEN]
