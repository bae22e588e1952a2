"""One process at a time: a lock on a file, which the system releases even when its holder is killed."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt

    def _acquire(stream: IO[str], *, wait: bool) -> bool:
        while True:
            try:
                # LK_LOCK gives up after ten seconds, so waiting is asking again.
                msvcrt.locking(stream.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except OSError:
                if not wait:
                    return False
            else:
                return True

else:
    import fcntl

    def _acquire(stream: IO[str], *, wait: bool) -> bool:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def locked(path: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock on ``path``, which is made if need be and stays: removing it would let two in. ``say`` is told when it has to wait."""
    holder = path.with_name(path.name + ".pid")  # a file of its own: Windows lets nobody read a locked one
    with path.open("a", encoding="utf-8") as stream:
        if not _acquire(stream, wait=False):
            pid = holder.read_text(encoding="utf-8").strip() if holder.is_file() else "unknown"
            say(f"Another process (pid {pid}) is working on {path.parent}; waiting for it to finish.")
            _acquire(stream, wait=True)
        holder.write_text(f"{os.getpid()}\n", encoding="utf-8")
        try:
            yield
        finally:
            holder.unlink(missing_ok=True)
