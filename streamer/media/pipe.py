"""Bytes from one thread to another: the writer never waits, the reader does."""

import threading
from collections.abc import Callable
from typing import IO, Final, Protocol

FULL_BYTES: Final = 1 << 20  # a minute of MediaRecorder, ten seconds of 48 kHz wav


class Readable(Protocol):
    """Where bytes come from. ``read`` gives at most ``size`` bytes, none at the end only."""

    def read(self, size: int, /) -> bytes: ...


class Pipe:
    """``changed`` guards everything here, and its owner's own state. The callbacks run outside it.

    ``before_wait`` is called by the reader before it may have to wait; ``on_drain`` when a pipe that was full has room again.
    """

    def __init__(self, changed: threading.Condition, *, before_wait: Callable[[], None], on_drain: Callable[[], None]) -> None:
        self._changed = changed
        self._before_wait, self._on_drain = before_wait, on_drain
        self._data = bytearray()
        self._ended = False
        self._was_full = False
        self.waiting = False
        """The reader has read all there is, and waits for more."""
        self.closed = False

    def __len__(self) -> int:
        return len(self._data)

    def write(self, data: bytes) -> int:
        """Returns how much waits now. What comes after the end is dropped."""
        with self._changed:
            if not self._ended:
                self._data += data
                self.waiting = self.waiting and not data
                self._was_full |= len(self._data) >= FULL_BYTES
                self._changed.notify_all()
            return len(self._data)

    def finish(self) -> None:
        """No more is coming."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def close(self) -> None:
        """No more is wanted. A reader that waits gets the end."""
        with self._changed:
            self.closed = self._ended = True
            self._data.clear()
            drained, self._was_full = self._was_full, False
            self._changed.notify_all()
        if drained:
            self._on_drain()

    def read(self, size: int, /) -> bytes:
        if not self._data:
            self._before_wait()
        with self._changed:
            while not self._data and not self._ended:
                self.waiting = True
                self._changed.wait()
            self.waiting = False
            data = bytes(self._data[:size])
            del self._data[:size]
            drained = self._was_full and len(self._data) < FULL_BYTES // 2
            if drained:
                self._was_full = False
        if drained:
            self._on_drain()
        return data


class Joined:
    """What was read already, then the rest. Not seekable, so that FFmpeg takes it for a stream and reads it in order."""

    def __init__(self, head: IO[bytes], rest: Readable) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int, /) -> bytes:
        return self._head.read(size) or self._rest.read(size)


def read_exactly(source: Readable, size: int) -> bytes:
    """``size`` bytes, fewer only at the end."""
    data = b""
    while len(data) < size and (more := source.read(size - len(data))):
        data += more
    return data
