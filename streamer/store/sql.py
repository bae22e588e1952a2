"""The statements that SQLite and PostgreSQL have in common. Each store adds how it connects, its types, and how it finds words."""

import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Final

from streamer.store import Listed, Operation, Session, Store, Stored, StoreFailed, Wanted
from streamer.store.writing import SESSION, Cursor, Database, write_all

VERSION: Final = 1


class SqlStore(Store):
    """``mark`` is how the driver writes a parameter; ``faults`` is what it raises, ``item_faults`` where one row alone is to blame."""

    mark: str
    faults: tuple[type[Exception], ...]
    item_faults: tuple[type[Exception], ...]

    def __init__(self) -> None:
        self._writing: Database | None = None

    @abstractmethod
    def _connect(self) -> Database:
        """A connection of its own, without a transaction, to a database that has our tables."""

    @abstractmethod
    def _transaction(self, database: Database) -> AbstractContextManager[object]:
        """To write in: committed at its end, rolled back where it is left by an exception."""

    @abstractmethod
    def _sentence(self, error: Exception) -> str:
        """What is wrong, for people."""

    def _matching(self, words: Sequence[str]) -> tuple[str, list[str]]:
        """The condition on ``f.folded`` that finds all of these words, and its parameters."""
        patterns = [f"%{word.translate({ord(mark): chr(92) + mark for mark in '%_' + chr(92)})}%" for word in words]
        return " AND ".join(["f.folded LIKE ? ESCAPE '\\'"] * len(words)), patterns

    def _run(self, database: Database, statement: str, *parameters: object) -> Cursor:
        return database.execute(statement.replace("?", self.mark), parameters)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (*self.faults, *self.item_faults) as error:
            raise StoreFailed(self._sentence(error)) from error

    @contextmanager
    def _connected(self) -> Iterator[Database]:
        """For one request; another thread's."""
        with self._failing():
            database = self._connect()
            try:
                yield database
            finally:
                database.close()

    def write(self, operations: Sequence[Operation]) -> list[StoreFailed | None]:
        try:
            return self._write(operations)
        except self.item_faults as error:
            if len(operations) == 1:
                return [StoreFailed(self._sentence(error))]
            half = len(operations) // 2
            return [*self.write(operations[:half]), *self.write(operations[half:])]
        except self.faults:
            self.close()  # a connection may be lost between two calls: one that is new says whether the store is
        with self._failing():
            return self._write(operations)

    def _write(self, operations: Sequence[Operation]) -> list[StoreFailed | None]:
        if not self._writing:
            self._writing = self._connect()
        return write_all(partial(self._run, self._writing), self._transaction(self._writing), operations)

    def close(self) -> None:
        if self._writing:
            self._writing.close()
        self._writing = None

    def list(self, wanted: Wanted) -> Sequence[Listed]:
        conditions, parameters = [], list[object]()
        matching, patterns = self._matching(wanted.words)
        if matching:
            conditions.append(f"session_id IN (SELECT f.session_id FROM streamer_finals f WHERE {matching})")
            parameters += patterns
        if wanted.after:
            conditions.append("(opened_ms, session_id) < (?, ?)")
            parameters += wanted.after
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        statement = f"SELECT {SESSION} FROM streamer_sessions {where} ORDER BY opened_ms DESC, session_id DESC LIMIT ?"
        with self._connected() as database:
            rows = self._run(database, statement, *parameters, wanted.limit).fetchall()
            return [self._listed(database, row, wanted.words) for row in rows]

    def _listed(self, database: Database, row: Sequence[Any], words: Sequence[str] = ()) -> Listed:
        session = Session(
            session_id=row[0],
            wire=row[1],
            call=row[2],
            model=row[3],
            opened_ms=row[4],
            format=json.loads(row[5]),
            settings=json.loads(row[6]),
        )
        numbers = "SELECT COUNT(*), COALESCE(MAX(end_ms), 0) FROM streamer_finals WHERE session_id = ?"
        finals, end_ms = self._run(database, numbers, session.session_id).fetchone()
        # Of one session: no index of words is as quick as reading them.
        matching, patterns = SqlStore._matching(self, words) if words else ("f.folded <> ''", [])
        found = f"FROM streamer_finals f WHERE f.session_id = ? AND {matching}"
        first = self._run(database, f"SELECT f.message {found} ORDER BY f.begin_ms, f.id LIMIT 1", session.session_id, *patterns).fetchone()
        shown: Mapping[str, Any] = json.loads(first[0]) if first else {"text": "", "begin_ms": 0}
        return Listed(
            session=session,
            closed_ms=row[7],
            totals=json.loads(row[8]),
            recorded=self.recording(session.session_id) is not None,
            finals=finals,
            end_ms=end_ms,
            excerpt=shown["text"],
            excerpt_ms=shown["begin_ms"],
            found=self._run(database, f"SELECT COUNT(*) {found}", session.session_id, *patterns).fetchone()[0] if words else 0,
        )

    def read(self, session_id: str) -> Stored | None:
        with self._connected() as database:
            row = self._run(database, f"SELECT {SESSION} FROM streamer_sessions WHERE session_id = ?", session_id).fetchone()
            if not row:
                return None
            statement = "SELECT message FROM streamer_finals WHERE session_id = ? ORDER BY id"
            messages = self._run(database, statement, session_id).fetchall()
            return Stored(listed=self._listed(database, row), finals=tuple(json.loads(message) for (message,) in messages))

    def delete(self, session_ids: Sequence[str]) -> Sequence[str]:
        with self._connected() as database:
            return [session_id for session_id in session_ids if self._delete(database, session_id)]

    def _delete(self, database: Database, session_id: str) -> bool:
        """Each in a transaction of its own: whoever writes meanwhile waits for the longest of them, not for all."""
        with self._transaction(database):
            self._run(database, "DELETE FROM streamer_finals WHERE session_id = ?", session_id)
            return self._run(database, "DELETE FROM streamer_sessions WHERE session_id = ?", session_id).rowcount > 0

    def expired(self, before_ms: int, limit: int) -> Sequence[str]:
        ended = "COALESCE(s.closed_ms, (SELECT MAX(f.kept_ms) FROM streamer_finals f WHERE f.session_id = s.session_id), s.opened_ms)"
        statement = f"SELECT session_id FROM streamer_sessions s WHERE s.opened_ms < ? AND {ended} < ? ORDER BY opened_ms LIMIT ?"
        with self._connected() as database:
            return [row[0] for row in self._run(database, statement, before_ms, before_ms, limit).fetchall()]
