"""Memory for the audio of jobs, which a gateway writes and an engine process reads where it lies.

Through a socket the same audio would wake the engine process for every two or three jobs, and each time it would wait for the
interpreter's lock, which the thread that feeds the device holds. A place is freed when its job has been answered.
"""

import mmap
import os
import tempfile
from bisect import insort
from typing import Final

import numpy as np

from streamer.core.events import Samples

ARENA_BYTES: Final = 64 << 20  # 35 minutes of audio for one gateway; only what was ever used at a time takes memory
ALIGNMENT: Final = 4096
ITEM: Final = 2  # bytes in a sample


class Arena:
    """The writer's side. First fit from the beginning, so that the same memory is used over and over."""

    def __init__(self, size: int = ARENA_BYTES) -> None:
        self.file = os.memfd_create("streamer-audio") if hasattr(os, "memfd_create") else _unlinked()
        os.ftruncate(self.file, size)
        self._memory = mmap.mmap(self.file, size)
        self._samples = np.frombuffer(self._memory, np.int16)
        self._free = [(0, size)]  # sorted (begin, end), no two of which touch
        self._taken: dict[int, int] = {}  # begin to end

    def put(self, samples: Samples) -> int | None:
        """Where they lie now, in bytes from the beginning; ``None`` where there is no room."""
        size = -(-len(samples) * ITEM // ALIGNMENT) * ALIGNMENT or ALIGNMENT
        n = next((n for n, (begin, end) in enumerate(self._free) if end - begin >= size), None)
        if n is None:
            return None
        begin, end = self._free[n]
        self._free[n : n + 1] = [(begin + size, end)] if end - begin > size else []
        self._taken[begin] = begin + size
        self._samples[begin // ITEM : begin // ITEM + len(samples)] = samples
        return begin

    def free(self, begin: int) -> None:
        end = self._taken.pop(begin)
        insort(self._free, (begin, end))
        n = self._free.index((begin, end))
        if n + 1 < len(self._free) and self._free[n + 1][0] == end:
            self._free[n : n + 2] = [(begin, self._free[n + 1][1])]
        if n and self._free[n - 1][1] == begin:
            self._free[n - 1 : n + 1] = [(self._free[n - 1][0], self._free[n][1])]

    @property
    def empty(self) -> bool:
        return not self._taken

    def close(self) -> None:
        """Readers keep what they have mapped."""
        os.close(self.file)


def mapped(file: int) -> Samples:
    """The reader's side of an arena's file, which is closed: all of it, read-only. Raises ``OSError`` or ``ValueError``."""
    try:
        return np.frombuffer(mmap.mmap(file, 0, prot=mmap.PROT_READ), np.int16)
    finally:
        os.close(file)


def _unlinked() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
