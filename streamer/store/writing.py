"""What is written, in as few statements as can be: each costs a turn of the interpreter's lock, or of the network."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Protocol

from streamer.store import Append, Close, Open, Operation, Session, StoreFailed, folded
from streamer.wires.plain import to_json

DELETED: Final = "its transcript has been deleted meanwhile"
SESSION: Final = "session_id, wire, call, model, opened_ms, format, settings, closed_ms, totals"
"""The columns of a session."""


class Cursor(Protocol):
    """What the drivers' cursors have in common."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> Any: ...


class Database(Protocol):
    """What the drivers' connections have in common."""

    def execute(self, statement: Any, parameters: Any = ..., /) -> Cursor: ...
    def close(self) -> None: ...


Run = Callable[..., Cursor]
"""One statement with ``?`` for each parameter, and the parameters."""


def write_all(run: Run, transaction: AbstractContextManager[object], operations: Sequence[Operation]) -> list[StoreFailed | None]:
    """In one transaction: the one that is given, where it takes several statements. For each operation, why it alone is not written."""
    opens = [operation.session for operation in operations if isinstance(operation, Open)]
    appends = [operation for operation in operations if isinstance(operation, Append)]
    closes = [operation for operation in operations if isinstance(operation, Close)]
    alone = bool(opens) + bool(appends) + len(closes) == 1
    missing: set[str] = set()
    with nullcontext() if alone else transaction:
        if opens:
            _open(run, opens)
        if appends:
            missing = _append(run, appends)
        for close in closes:
            statement = "UPDATE streamer_sessions SET closed_ms = ?, totals = ? WHERE session_id = ?"
            run(statement, close.closed_ms, to_json(close.totals), close.session_id)
    refused = StoreFailed(DELETED)
    return [refused if isinstance(one, Append) and one.session_id in missing else None for one in operations]


def _open(run: Run, sessions: Sequence[Session]) -> None:
    rows = [(one.session_id, one.wire, one.call, one.model, one.opened_ms, to_json(one.format), to_json(one.settings)) for one in sessions]
    values, given = _values(rows, ending=", NULL, '{}'")
    run(f"INSERT INTO streamer_sessions ({SESSION}) {values} ON CONFLICT DO NOTHING", *given)


def _append(run: Run, appends: Sequence[Append]) -> set[str]:
    """Gives the sessions that are not there."""
    rows = []
    for number, append in enumerate(appends):
        final = append.final
        times = (final.begin_ms, final.end_ms, append.kept_ms)
        texts = (folded(final.text), append.message)
        rows.append((append.session_id, final.segment, final.channel, *times, *texts, number))
    values, given = _values(rows)
    columns = ", ".join(f"v.column{number}" for number in range(1, 9))
    inserted = run(
        "INSERT INTO streamer_finals (session_id, segment, channel, begin_ms, end_ms, kept_ms, folded, message) "
        f"SELECT {columns} FROM ({values}) AS v "
        "WHERE EXISTS (SELECT 1 FROM streamer_sessions s WHERE s.session_id = v.column1) ORDER BY v.column9 ON CONFLICT DO NOTHING",
        *given,
    )
    if inserted.rowcount == len(appends):
        return set()
    sessions = list({append.session_id for append in appends})
    marks = ", ".join("?" * len(sessions))
    known = run(f"SELECT session_id FROM streamer_sessions WHERE session_id IN ({marks})", *sessions).fetchall()
    return set(sessions) - {row[0] for row in known}


def _values(rows: Sequence[Sequence[object]], ending: str = "") -> tuple[str, list[object]]:
    """``VALUES`` of these rows, and their parameters."""
    row = f"({', '.join('?' * len(rows[0]))}{ending})"
    return "VALUES " + ", ".join([row] * len(rows)), [value for row in rows for value in row]
