"""Audio of sessions whose clients asked for it: WAV files beside the store, 16 kHz as it was heard, whole after every write."""

import os
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from streamer.core.events import SAMPLE_RATE

HEADER_BYTES: Final = 44
SAMPLE_BYTES: Final = 2
LONGEST_BYTES: Final = 1 << 31  # 18 hours of one channel; WAV itself ends at twice that
WAITING_BYTES: Final = 64 << 20  # for the disk; a piece more is refused, and its recording ends


@dataclass(frozen=True, slots=True)
class Piece:
    """Interleaved 16-bit samples that belong at ``at``, counted from the session's first. ``first`` makes the file."""

    session_id: str
    channels: int
    at: int
    data: bytes
    first: bool


class Recordings:
    """The files. What was deleted stays deleted, also while it is still being recorded."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def beside(cls, store: Path) -> Self:
        """Of the sessions in this file, so that whoever deletes them finds their audio."""
        return cls(store.with_name(store.name + ".audio"))

    def path(self, session_id: str) -> Path | None:
        """Where it is or would be; ``None`` for what is no session's id."""
        return self._folder / f"{session_id}.wav" if session_id.isascii() and session_id.isalnum() else None

    def size(self, session_id: str) -> int:
        """In bytes; 0 where nothing was recorded."""
        path = self.path(session_id)
        return path.stat().st_size if path and path.is_file() else 0

    def write(self, piece: Piece) -> None:
        """Raises ``OSError``. The header comes last, so that it never promises what is not there."""
        path = self.path(piece.session_id)
        assert path
        if piece.first:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        file = os.open(path, os.O_WRONLY | (os.O_CREAT | os.O_EXCL if piece.first else 0), 0o600)
        try:
            begin = HEADER_BYTES + piece.at * piece.channels * SAMPLE_BYTES  # what was not recorded before it is silence
            os.pwrite(file, piece.data, begin)
            os.pwrite(file, _header(piece.channels, begin + len(piece.data) - HEADER_BYTES), 0)
        finally:
            os.close(file)

    def delete(self, session_id: str) -> None:
        path = self.path(session_id)
        if path:
            path.unlink(missing_ok=True)


class Recorder:
    """The thread that writes pieces, in their order."""

    def __init__(self, recordings: Recordings) -> None:
        self._recordings = recordings
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="recordings")
        self._lock, self._waiting = threading.Lock(), 0

    def submit(self, piece: Piece, failed: Callable[[str], None]) -> None:
        """Does not wait. ``failed`` is told why a piece could not be written, from any thread."""
        with self._lock:
            if self._waiting + len(piece.data) > WAITING_BYTES:
                failed("the disk is too slow")
                return
            self._waiting += len(piece.data)

        def written(done: Future[None]) -> None:
            with self._lock:
                self._waiting -= len(piece.data)
            if error := done.exception():
                failed(getattr(error, "strerror", None) or str(error))

        self._pool.submit(self._recordings.write, piece).add_done_callback(written)

    def close(self) -> None:
        """Until all is written. Blocks."""
        self._pool.shutdown()


def _header(channels: int, data_bytes: int) -> bytes:
    frame = channels * SAMPLE_BYTES
    shape = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, SAMPLE_RATE, SAMPLE_RATE * frame, frame, 8 * SAMPLE_BYTES)
    return b"RIFF" + struct.pack("<I", HEADER_BYTES - 8 + data_bytes) + b"WAVE" + shape + b"data" + struct.pack("<I", data_bytes)
