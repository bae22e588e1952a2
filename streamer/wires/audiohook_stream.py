"""The clock of an AudioHook stream, which goes on where audio is left out: in pauses, and where the client had to discard some."""

from typing import Final

from streamer.wires.audiohook_open import Media

FILLED_MS: Final = 30_000  # of audio that never came; longer gaps would keep a ping waiting while the silence is judged
MOST_GAPS: Final = 100  # beyond it the oldest become one


class Stream:
    """What was heard, and what of it is silence that we put in for audio that never came."""

    def __init__(self, media: Media) -> None:
        self._media = media
        self._bytes = 0
        self._gaps: list[tuple[int, int]] = []  # where in what was heard, and how many milliseconds, more was left out than was filled

    def heard(self, count: int) -> None:
        """So many bytes."""
        self._bytes += count

    def silence(self, ms: int) -> bytes:
        """So much, to be heard next, from the next whole frame on."""
        silence = bytes(-self._bytes % self._media.frame_bytes) + self._media.silence(ms)
        self._bytes += len(silence)
        return silence

    def fill(self, start_ms: int, lost_ms: int) -> bytes:
        """Silence, to be heard next, for audio that was left out; none where it has been put in before."""
        missing = min(lost_ms, start_ms + lost_ms - self.position(self._media.ms(self._bytes)))
        if missing <= 0:
            return b""
        silence = self.silence(min(missing, FILLED_MS))
        if missing > FILLED_MS:
            self._gaps.append((self._media.ms(self._bytes), missing - FILLED_MS))
        if len(self._gaps) > MOST_GAPS:
            (_, first), (at, second) = self._gaps[:2]
            self._gaps[:2] = [(at, first + second)]
        return silence

    def position(self, ms: int) -> int:
        """Milliseconds of what was heard to milliseconds of the client's stream."""
        return ms + sum(lost for at, lost in self._gaps if at <= ms)
