"""Transcripts in PostgreSQL, for several machines that share them: ``pip install "streamer[postgres]"``."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, cast

from streamer.store import StoreFailed
from streamer.store.sql import VERSION, SqlStore
from streamer.store.writing import Database

CONNECT_S: Final = 3
STATEMENT_MS: Final = 4_000
LOCK: Final = 0x73747265616D  # whoever makes the tables holds it

SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS streamer_sessions (
        session_id TEXT PRIMARY KEY,
        wire TEXT NOT NULL,
        call TEXT,
        model TEXT NOT NULL,
        opened_ms BIGINT NOT NULL,
        format TEXT NOT NULL,
        settings TEXT NOT NULL,
        closed_ms BIGINT,
        totals TEXT NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS streamer_sessions_opened ON streamer_sessions (opened_ms, session_id)",
    """CREATE TABLE IF NOT EXISTS streamer_finals (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        session_id TEXT NOT NULL REFERENCES streamer_sessions (session_id),
        segment INTEGER NOT NULL,
        channel INTEGER NOT NULL,
        begin_ms BIGINT NOT NULL,
        end_ms BIGINT NOT NULL,
        kept_ms BIGINT NOT NULL,
        folded TEXT NOT NULL,
        message TEXT NOT NULL,
        UNIQUE (session_id, segment)
    )""",
    "CREATE TABLE IF NOT EXISTS streamer_version (version INTEGER NOT NULL)",
    f"INSERT INTO streamer_version SELECT {VERSION} WHERE NOT EXISTS (SELECT 1 FROM streamer_version)",
)
# Trigrams make a search quick; without the extension, or the right to have it, the words are read one by one.
INDEX: Final = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX IF NOT EXISTS streamer_words ON streamer_finals USING gin (folded gin_trgm_ops)",
)


class PostgresStore(SqlStore):
    """``url`` as libpq reads it. Raises ``StoreFailed`` where it cannot be used."""

    mark = "%s"

    def __init__(self, url: str) -> None:
        super().__init__()
        try:
            import psycopg
        except ImportError:
            raise StoreFailed('PostgreSQL needs psycopg, which is not installed: pip install "streamer[postgres]"') from None
        self._psycopg, self._url = psycopg, url
        self.faults = (psycopg.Error, OSError)
        self.item_faults = (psycopg.IntegrityError, psycopg.DataError, psycopg.ProgrammingError, ValueError)
        with self._connected() as database:
            connection = cast(Any, database)
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
                for statement in SCHEMA:
                    connection.execute(statement)
                (version,) = connection.execute("SELECT version FROM streamer_version").fetchone()
            if version > VERSION:
                raise StoreFailed(f"the database was written by a newer streamer (version {version} of the tables, not {VERSION})")
            self._make_index(connection)

    def _make_index(self, connection: Any) -> None:
        try:
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
                for statement in INDEX:
                    connection.execute(statement)
        except self._psycopg.Error:
            return

    def _connect(self) -> Database:
        # A commit is told when it is on the server's disk, whatever the server's own default is.
        options = f"-c synchronous_commit=on -c statement_timeout={STATEMENT_MS} -c lock_timeout={STATEMENT_MS}"
        keepalive: dict[str, Any] = {
            "keepalives_idle": 10,
            "keepalives_interval": 2,
            "keepalives_count": 2,
            "tcp_user_timeout": STATEMENT_MS,
        }
        connect = self._psycopg.connect
        return cast(Database, connect(self._url, autocommit=True, connect_timeout=CONNECT_S, options=options, **keepalive))

    def _transaction(self, database: Database) -> AbstractContextManager[object]:
        return cast(AbstractContextManager[object], cast(Any, database).transaction())

    def recording(self, session_id: str) -> Path | None:
        """Files lie on one machine, and the database may serve several."""
        return None

    def _sentence(self, error: Exception) -> str:
        return f"PostgreSQL: {' '.join(str(error).split())}"
