"""Files that may change while the server runs."""

from pathlib import Path

State = tuple[int, int, int]


def state_of(path: Path) -> State | None:
    """Another one whenever the file was written or replaced; ``None`` where it cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
