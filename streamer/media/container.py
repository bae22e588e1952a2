"""The bytes of a file or of a browser's MediaRecorder, decoded as they arrive, on a thread of its own.

No asyncio here: a server feeds from its loop and wraps the callbacks with ``loop.call_soon_threadsafe``. Three bounds hold:
input waits in ``feed`` (the caller stops feeding while ``full``), output waits for ``consumed``, and an mp4 that must be whole
before it can be decoded is kept on disk up to ``WHOLE_BYTES``.
"""

import io
import tempfile
import threading
from collections.abc import Callable
from typing import IO, Final

import numpy as np

from streamer.core.events import MAX_CHANNELS, SAMPLE_RATE, Samples
from streamer.errors import InternalError, InvalidAudio, InvalidSetting, SessionError
from streamer.media.mp4 import BOXES, CUT_OFF, spool_mp4
from streamer.media.pipe import FULL_BYTES, Joined, Pipe, Readable, read_exactly
from streamer.media.track import AudioTrack, Undecodable, Unreadable, sniff

AHEAD_S: Final = 10.0  # decoded audio that may wait for the session
WHOLE_BYTES: Final = 128 << 20  # two hours of m4a at 128 kbit/s
SPOOL_BYTES: Final = 1 << 20  # of such a file, what stays in memory
BLOCK_S: Final = 0.25  # output is delivered in blocks of about this, or at once when no more input waits


class ContainerDecoder:
    """One stream of container bytes to s16le at 16 kHz, interleaved.

    ``on_pcm(data)``, ``on_drain()`` and, last and once, ``on_end(error)`` are called on the decoder's thread; ``error`` is ``None``
    when all was decoded (nothing at all included). After ``close`` none begins, save one that was just on its way.
    ``feed``, ``end``, ``consumed`` and ``close`` never block and may be called from any thread.
    """

    def __init__(
        self,
        *,
        channels: int,
        on_pcm: Callable[[bytes], None],
        on_end: Callable[[SessionError | None], None],
        on_drain: Callable[[], None] = lambda: None,
        ahead_s: float = AHEAD_S,
        whole_bytes: int = WHOLE_BYTES,
    ) -> None:
        if not 1 <= channels <= MAX_CHANNELS:
            raise InvalidSetting("channels", channels, f"1 to {MAX_CHANNELS}")
        self._channels = channels
        self._on_pcm, self._on_end = on_pcm, on_end
        self._second = 2 * channels * SAMPLE_RATE  # bytes
        self._ahead = int(ahead_s * self._second)
        self._whole_bytes = whole_bytes
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._unconsumed = 0
        self._changed = threading.Condition()
        self._pipe = Pipe(self._changed, before_wait=self._deliver, on_drain=on_drain)
        self._thread = threading.Thread(target=self._run, name="container-decoder", daemon=True)
        self._thread.start()

    @property
    def buffered_bytes(self) -> int:
        """Input that the decoder has not read yet."""
        return len(self._pipe)

    @property
    def settled(self) -> bool:
        """All that was fed has been decoded, as far as it can be without more, and consumed."""
        with self._changed:
            return self._pipe.closed or (self._pipe.waiting and not self._unconsumed)

    @property
    def full(self) -> bool:
        """Stop feeding until ``on_drain``, or memory grows."""
        return len(self._pipe) >= FULL_BYTES

    def feed(self, data: bytes) -> int:
        """More of the container, cut anywhere. Returns ``buffered_bytes``; what comes after the end or an error is ignored."""
        return self._pipe.write(data)

    def end(self) -> None:
        """No more input: what is there is decoded, then ``on_end`` comes."""
        self._pipe.finish()

    def consumed(self, count: int) -> None:
        """So many bytes of ``on_pcm`` have been dealt with, and as many more may come."""
        with self._changed:
            self._unconsumed -= count
            self._changed.notify_all()

    def close(self) -> None:
        """Drop everything and end the thread, wherever it waits. May be called twice."""
        self._pipe.close()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread after ``close`` or ``on_end``; whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        error: SessionError | None = InternalError(
            "the container decoder stopped on a fault of ours, written in the server's log; try again"
        )
        try:
            error = self._decode()
        finally:
            if not self._pipe.closed:
                self._on_end(error)
            self._pipe.close()

    def _decode(self) -> SessionError | None:
        head = read_exactly(self._pipe, 12)
        if not head:
            return None
        live = True
        try:
            with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
                source, live = self._source(head, spool)
                with AudioTrack(source, channels=self._channels, format_name=sniff(head), live=live) as track:
                    for samples in track:
                        self._collect(samples)
                    self._deliver()
        except Undecodable as problem:
            self._deliver()
            cut_mp4 = not live and isinstance(problem, Unreadable)
            return InvalidAudio(f"the container {CUT_OFF if cut_mp4 else problem}")
        return None

    def _source(self, head: bytes, spool: IO[bytes]) -> tuple[Readable, bool]:
        """What to decode from, and whether more of it is still to come."""
        stream = Joined(io.BytesIO(head), self._pipe)
        if head[4:8] not in BOXES:
            return stream, True
        live = spool_mp4(stream, spool, self._whole_bytes)
        spool.seek(0)
        return (Joined(spool, stream), True) if live else (spool, False)

    def _collect(self, samples: Samples) -> None:
        data = np.ascontiguousarray(samples.T, dtype="<i2").tobytes()
        self._pending.append(data)
        self._pending_bytes += len(data)
        if self._pending_bytes >= BLOCK_S * self._second:
            self._deliver()

    def _deliver(self) -> None:
        """Hand out what was collected, second by second, as fast as it is consumed."""
        data = b"".join(self._pending)
        self._pending, self._pending_bytes = [], 0
        for at in range(0, len(data), self._second):
            block = data[at : at + self._second]
            with self._changed:
                while self._unconsumed and self._unconsumed + len(block) > self._ahead and not self._pipe.closed:
                    self._changed.wait()
                if self._pipe.closed:
                    return
                self._unconsumed += len(block)
            self._on_pcm(block)
