"""Transcripts in one file. Its write-ahead log is synced with every commit, so that what was acknowledged survives a power cut."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast

from streamer.store import StoreFailed
from streamer.store.recordings import Recordings
from streamer.store.sql import VERSION, SqlStore
from streamer.store.writing import Database

BUSY_S: Final = 2.0  # for another process to finish its transaction; waited for twice
TRUNCATE_MS: Final = 200  # for readers to leave the log; who writes waits meanwhile
SHORTEST_INDEXED: Final = (
    3  # characters: the index is of trigrams, which serve Chinese and Japanese too; shorter words are looked for one by one
)

SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS streamer_sessions (
    session_id TEXT PRIMARY KEY,
    wire TEXT NOT NULL,
    call TEXT,
    model TEXT NOT NULL,
    opened_ms INTEGER NOT NULL,
    format TEXT NOT NULL,
    settings TEXT NOT NULL,
    closed_ms INTEGER,
    totals TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS streamer_sessions_opened ON streamer_sessions (opened_ms, session_id);
CREATE TABLE IF NOT EXISTS streamer_finals (
    id INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES streamer_sessions (session_id),
    segment INTEGER NOT NULL,
    channel INTEGER NOT NULL,
    begin_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL,
    kept_ms INTEGER NOT NULL,
    folded TEXT NOT NULL,
    message TEXT NOT NULL,
    UNIQUE (session_id, segment)
);
PRAGMA user_version = {VERSION};
"""
INDEX: Final = """
CREATE VIRTUAL TABLE streamer_words USING fts5 (folded, content = 'streamer_finals', content_rowid = 'id', tokenize = 'trigram');
CREATE TRIGGER streamer_words_added AFTER INSERT ON streamer_finals BEGIN
    INSERT INTO streamer_words (rowid, folded) VALUES (new.id, new.folded);
END;
CREATE TRIGGER streamer_words_removed AFTER DELETE ON streamer_finals BEGIN
    INSERT INTO streamer_words (streamer_words, rowid, folded) VALUES ('delete', old.id, old.folded);
END;
INSERT INTO streamer_words (streamer_words) VALUES ('rebuild');
"""


class SqliteStore(SqlStore):
    """``create`` makes the file where there is none. Raises ``StoreFailed`` where it cannot be used."""

    mark = "?"
    faults = (sqlite3.Error, OSError)
    item_faults = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, ValueError)

    def __init__(self, path: Path, *, create: bool = True, index: bool = True) -> None:
        super().__init__()
        self.path = path
        self._recordings = Recordings.beside(path)
        with self._failing():
            if create:
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # what was said is nobody else's to read
            elif not path.is_file():
                raise FileNotFoundError("there is no such file")
            database = self._connect()
            try:
                self._prepare(database, index)
            finally:
                database.close()

    def _prepare(self, database: sqlite3.Connection, index: bool) -> None:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise StoreFailed(f"{self.path} was written by a newer streamer (version {version} of the tables, this one knows {VERSION})")
        database.execute("PRAGMA journal_mode = WAL")
        if version < VERSION:
            database.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
        indexed = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'streamer_words'").fetchone()
        if index and not indexed:
            indexed = self._make_index(database)
        self._indexed = bool(index and indexed)

    def _make_index(self, database: sqlite3.Connection) -> bool:
        """False where this SQLite has no trigrams: words are then looked for by reading all of them."""
        try:
            database.executescript(f"BEGIN IMMEDIATE; {INDEX} COMMIT;")
        except sqlite3.OperationalError as error:
            if database.in_transaction:
                database.execute("ROLLBACK")
            return "already exists" in str(error)  # another process was quicker
        return True

    def _connect(self) -> sqlite3.Connection:
        uri = f"{self.path.absolute().as_uri()}?mode=rw"
        # Opened and closed by several threads, each connection used by one at a time.
        database = sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        for pragma in ("synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
            database.execute(f"PRAGMA {pragma}")
        return database

    @contextmanager
    def _transaction(self, database: Database) -> Iterator[object]:
        file = cast(sqlite3.Connection, database)
        file.execute("BEGIN IMMEDIATE")
        try:
            yield file
            file.execute("COMMIT")
        except BaseException:
            if file.in_transaction:
                file.execute("ROLLBACK")
            raise

    def _sentence(self, error: Exception) -> str:
        return f"{self.path}: {(error.strerror if isinstance(error, OSError) else None) or error}"

    def recording(self, session_id: str) -> Path | None:
        return self._recordings.path(session_id) if self._recordings.size(session_id) else None

    def _matching(self, words: Sequence[str]) -> tuple[str, list[str]]:
        condition, patterns = super()._matching(words)
        long = ['"' + word.replace('"', '""') + '"' for word in words if len(word) >= SHORTEST_INDEXED]
        if not (self._indexed and long):
            return condition, patterns
        found = "f.id IN (SELECT rowid FROM streamer_words WHERE streamer_words MATCH ?)"
        return f"{found} AND {condition}", [" AND ".join(long), *patterns]

    def delete(self, session_ids: Sequence[str]) -> Sequence[str]:
        deleted = super().delete(session_ids)
        with self._failing():
            for session_id in session_ids:  # also of those that a killed process has half deleted
                self._recordings.delete(session_id)
        if deleted:
            with self._connected() as database:  # the log still has them; while somebody reads it, it stays
                database.execute(f"PRAGMA busy_timeout = {TRUNCATE_MS}")
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return deleted
