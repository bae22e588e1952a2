"""What every gateway has to know of the others, in a file that all of them see: two numbers for each, which only its gateway writes."""

import mmap
from pathlib import Path
from typing import Final

ITEM: Final = 8


class Slots:
    """Raises ``OSError`` where the file cannot be had."""

    def __init__(self, path: Path, size: int) -> None:
        with path.open("a+b") as file:
            file.truncate(2 * size * ITEM)
            numbers = memoryview(mmap.mmap(file.fileno(), 2 * size * ITEM)).cast("q")
        self._sessions, self._waited_for = numbers[:size], numbers[size:]

    def set(self, slot: int, sessions: int) -> None:
        self._sessions[slot] = sessions

    @property
    def total(self) -> int:
        """Sessions of all."""
        return sum(self._sessions)

    def wait_for(self, slot: int, waits: bool) -> None:
        """Whether the gateway of this slot has yet to be ready. One that is dead is not waited for: the others serve."""
        self._waited_for[slot] = waits

    @property
    def ready(self) -> bool:
        return not any(self._waited_for)
