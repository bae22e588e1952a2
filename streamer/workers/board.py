"""The counts of all gateways, in a file that all of them see: each writes its own rows only, and reads everybody's.

A row belongs to a name, of which it has a hash, and lies in one of ``BUCKETS`` by that hash, so that nothing else has to be looked at. A
gateway that dies leaves its rows: the supervisor clears their sessions, and what was heard goes on to count.
"""

import math
import mmap
import secrets
import threading
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamer.access.board import NoRoom
from streamer.errors import ConfigurationError

BUCKETS: Final = 512
ROWS: Final = 64  # of one gateway in one bucket: with 16,000 names at a time one in a million finds its bucket full
KEY_BYTES: Final = 16
TRIES: Final = 8

Numbers = NDArray[np.int64]


class Bucket(NamedTuple):
    """Rows of all gateways: each field is ``[gateway, row]``, and 0 where there is nothing."""

    names: Numbers
    sessions: Numbers
    heard_ms: Numbers
    until: Numbers
    """Since the epoch, in s: as long as what was heard is kept."""

    def sessions_of(self, name: int) -> int:
        return int(self.sessions[self.names == name].sum())

    def heard_ms_of(self, name: int) -> int:
        return int(self.heard_ms[self.names == name].sum())


SESSIONS: Final = Bucket._fields.index("sessions")


class Table:
    """The file, which whoever comes first makes. Raises ``ConfigurationError`` where it cannot be had."""

    def __init__(self, path: Path, gateways: int) -> None:
        shape = (BUCKETS, len(Bucket._fields), gateways, ROWS)
        size = KEY_BYTES + math.prod(shape) * 8
        try:
            with path.open("a+b") as file:
                if not file.tell():
                    file.write(secrets.token_bytes(KEY_BYTES))  # nobody can look for names that meet in a bucket
                    for _ in range(gateways):  # zeros, as a file with holes would end its gateways when the disk is full
                        file.write(bytes((size - KEY_BYTES) // gateways))
                    file.flush()
                memory = mmap.mmap(file.fileno(), size)
        except OSError as error:
            raise ConfigurationError(
                f"sessions cannot be counted in {path} ({error.strerror}), expected room for {-(-size >> 20)} MB; make some there, "
                "or name another folder with TMPDIR"
            ) from None
        self._key = memory[:KEY_BYTES]
        self._rows = np.frombuffer(memory, np.int64, offset=KEY_BYTES).reshape(shape)

    def find(self, name: str) -> tuple[int, Bucket]:
        """The hash of a name, and where it is counted."""
        found = int.from_bytes(blake2b(name.encode(), digest_size=8, key=self._key).digest(), "big", signed=True) or 1
        return found, Bucket(*self._rows[found % BUCKETS])

    def clear(self, slot: int) -> None:
        """The gateway of this slot is dead, and its sessions are over."""
        self._rows[:, SESSIONS, slot] = 0


class SharedBoard:
    """One gateway's. Of its thread alone; none waits for another.

    A session is written before all are counted, and taken back where they are too many: of two that come at once at least one sees the
    other, and the bound is never passed. Where both saw each other, the last to take back tries again.
    """

    def __init__(self, table: Table, slot: int, clock: Callable[[], float] = time.time) -> None:
        self._table, self._slot, self._clock = table, slot, clock
        self._lock = threading.Lock()
        self._lock.acquire()

    def take(self, name: str, most: int) -> bool:
        hashed, bucket = self._table.find(name)
        for _ in range(TRIES):
            if most and bucket.sessions_of(hashed) >= most:
                return False
            row = self._row(hashed, bucket)
            bucket.sessions[self._slot, row] += 1
            self._fence()
            if not most or bucket.sessions_of(hashed) <= most:
                return True
            bucket.sessions[self._slot, row] -= 1
            self._fence()
        return False

    def leave(self, name: str) -> None:
        hashed, bucket = self._table.find(name)
        bucket.sessions[self._slot, self._row(hashed, bucket)] -= 1

    def hear(self, name: str, more_ms: int, until: float) -> int:
        hashed, bucket = self._table.find(name)
        if more_ms:
            row = self._row(hashed, bucket)
            bucket.until[self._slot, row] = math.ceil(until)
            bucket.heard_ms[self._slot, row] += more_ms
        return bucket.heard_ms_of(hashed)

    def _row(self, name: int, bucket: Bucket) -> int:
        """This gateway's for a name: the one that it has, else one that is over, the longest first. Raises ``NoRoom``."""
        names, sessions, heard_ms, until = (field[self._slot] for field in bucket)
        found = np.flatnonzero(names == name)
        if found.size:
            return int(found[0])
        over = np.flatnonzero((sessions == 0) & (until <= self._clock()))
        for row in over[np.argsort(until[over])]:
            if until[row] and bucket.sessions_of(names[row]):  # elsewhere, and what was heard here still counts
                continue
            names[row] = heard_ms[row] = until[row] = 0
            self._fence()
            names[row] = name
            return int(row)
        raise NoRoom("this server has more clients than it can count; try again later")

    def _fence(self) -> None:
        """What was written is seen before what comes next is read: processors keep to that where a lock is let go and taken."""
        self._lock.release()
        self._lock.acquire()
