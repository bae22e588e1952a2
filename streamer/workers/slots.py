"""How many sessions each gateway has, in a file that all of them see: one number for each, which only its gateway writes."""

import mmap
from pathlib import Path
from typing import Final

ITEM: Final = 8


class Slots:
    """Raises ``OSError`` where the file cannot be had."""

    def __init__(self, path: Path, size: int) -> None:
        with path.open("a+b") as file:
            file.truncate(size * ITEM)
            self._numbers = memoryview(mmap.mmap(file.fileno(), size * ITEM)).cast("q")

    def set(self, slot: int, sessions: int) -> None:
        self._numbers[slot] = sessions

    @property
    def total(self) -> int:
        return sum(self._numbers)
