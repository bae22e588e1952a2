"""Which store an address means: ``sqlite:PATH`` or ``postgresql://USER@HOST/DATABASE``."""

from pathlib import Path
from typing import Final

from streamer.errors import StoreUnavailable
from streamer.store import Store, StoreFailed

EXPECTED: Final = "sqlite:PATH or postgresql://USER@HOST/DATABASE"
_POSTGRES: Final = ("postgresql://", "postgres://")


def read_address(text: str) -> str | None:
    """What an operator wrote; nothing means no store. Raises ``ValueError``."""
    if text and not text.startswith(_POSTGRES) and not sqlite_path(text):
        raise ValueError(text)
    return text or None


def sqlite_path(address: str) -> Path | None:
    scheme, _, path = address.partition(":")
    return Path(path).expanduser() if scheme == "sqlite" and path else None


def open_store(address: str, *, create: bool = True) -> Store:
    """Raises ``StoreUnavailable``. A file is made where there is none, if ``create``."""
    path = sqlite_path(address)
    try:
        if path:
            from streamer.store.sqlite import SqliteStore

            return SqliteStore(path, create=create)
        from streamer.store.postgres import PostgresStore

        return PostgresStore(address)
    except StoreFailed as failure:
        raise StoreUnavailable(f"the transcripts cannot be reached: {failure}") from None
