"""A store that is as slow, as stuck or as broken as a test wants."""

import threading
import time

from streamer.keeper import Keeper
from streamer.store import StoreFailed
from streamer.store.sqlite import SqliteStore


class Slow(SqliteStore):
    """Writes when ``free``, after ``pause_s``, unless ``broken``."""

    def __init__(self, path):
        super().__init__(path)
        self.free, self.pause_s, self.broken = threading.Event(), 0.0, None
        self.free.set()

    def write(self, operations):
        assert self.free.wait(20)
        time.sleep(self.pause_s)
        if self.broken:
            raise StoreFailed(self.broken)
        return super().write(operations)


def keeper_of(store):
    """A keeper that uses this very store."""
    keeper = Keeper(f"sqlite:{store.path}")
    keeper._store = store
    return keeper
