"""Transcripts that last: what is kept of a session, and what a store can do with it. Nothing here waits for anything.

A store is used by several threads: ``write`` by one of its own, everything else by whoever asks. Each failure raises ``StoreFailed``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from streamer.core import events
from streamer.wires.plain import plain, to_json

PAGE: Final = 50  # sessions in a list, if nothing else is asked for
LONGEST_PAGE: Final = 200
QUERY: Final = 200  # characters


class StoreFailed(Exception):
    """The store could not do what it was asked: a sentence that says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session as it began. Times are milliseconds of Unix time."""

    session_id: str
    wire: str
    call: str | None
    model: str
    opened_ms: int
    format: Mapping[str, Any]
    settings: Mapping[str, Any]


# What is written.


@dataclass(frozen=True, slots=True)
class Open:
    """A session begins. Written twice it has no effect."""

    session: Session


@dataclass(frozen=True, slots=True)
class Append:
    """A final, at ``kept_ms``. Refused where the session has been deleted; written twice it has no effect."""

    session_id: str
    final: events.Final
    kept_ms: int

    @property
    def message(self) -> str:
        """As on the native wire."""
        return to_json({"type": "final", **plain(self.final)})


@dataclass(frozen=True, slots=True)
class Close:
    """A session has ended, with its totals."""

    session_id: str
    closed_ms: int
    totals: Mapping[str, int]


Operation = Open | Append | Close


# What is read.


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One session of a list. ``excerpt`` is the first of its finals with words or, of a search, the first that was found."""

    session: Session
    closed_ms: int | None
    """``None`` while it goes on, and for good where its process was killed."""
    totals: Mapping[str, int]
    finals: int
    end_ms: int
    """Of its last final, in audio."""
    excerpt: str
    excerpt_ms: int
    """Where in the audio that is."""
    found: int
    """Finals that were found; 0 where nothing was searched for."""
    recorded: bool
    """Whether there is audio of it."""

    @property
    def cursor(self) -> str:
        """The list goes on after this one with ``before`` set to it."""
        return f"{self.session.opened_ms}.{self.session.session_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """All that is kept of one session; ``finals`` are native messages in the order in which they were sent."""

    listed: Listed
    finals: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which sessions, newest first: those with a final that holds every word of ``query``, after the cursor ``before``."""

    query: str = ""
    before: str = ""
    limit: int = PAGE
    words: tuple[str, ...] = field(init=False, default=())
    after: tuple[int, str] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Raises ``ValueError`` with a sentence."""
        if not 1 <= self.limit <= LONGEST_PAGE:
            raise ValueError(f"limit is {self.limit}, expected 1 to {LONGEST_PAGE}")
        if len(self.query) > QUERY:
            raise ValueError(f"the query has {len(self.query)} characters, expected at most {QUERY}")
        if self.before:
            opened, dot, session_id = self.before.partition(".")
            if not (opened.isascii() and opened.isdigit() and len(opened) < 19 and dot):
                raise ValueError(f"before is {self.before[:60]!r}, expected what a list gave as next")
            object.__setattr__(self, "after", (int(opened), session_id))
        object.__setattr__(self, "words", tuple(folded(self.query).split()))


def folded(text: str) -> str:
    """As texts are compared: without the difference of upper and lower case, and without what no database takes."""
    return text.replace("\0", "").casefold()


class Store(Protocol):
    """A database of sessions."""

    def write(self, operations: Sequence[Operation]) -> list[StoreFailed | None]:
        """All in one transaction, durable on return; for each, why it alone is not in it. Raises ``StoreFailed`` where none is.

        To be called by one thread, always the same.
        """

    def list(self, wanted: Wanted) -> Sequence[Listed]: ...
    def read(self, session_id: str) -> Stored | None: ...
    def delete(self, session_ids: Sequence[str]) -> Sequence[str]:
        """Those of them that were there, and are no more."""

    def recording(self, session_id: str) -> Path | None:
        """The session's audio as a WAV file, if any was recorded."""

    def expired(self, before_ms: int, limit: int) -> Sequence[str]:
        """Sessions, at most ``limit`` of them, that ended before then; one that was never closed ended with its last final."""

    def close(self) -> None:
        """By the thread that writes."""
