"""``streamer transcripts``: what was kept by ``streamer serve --store``, for whoever may read the store itself."""

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, TextIO

from streamer.cli.bench_output import count
from streamer.errors import ConfigurationError, StoreUnavailable
from streamer.settings import Settings
from streamer.store import LONGEST_PAGE, PAGE, Listed, Store, StoreFailed, Wanted
from streamer.store.address import EXPECTED, open_store, read_address
from streamer.store.expiry import DAY_MS, expire
from streamer.store.export import MEDIA_TYPES, duration_ms, write
from streamer.transcript import Line

FORMS: Final = (*MEDIA_TYPES, "wav")
SHOWN: Final = 60  # characters of an excerpt


def add_arguments(parser: argparse.ArgumentParser) -> None:
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--store", type=store_address, metavar="URL", help=f"{EXPECTED} (default: STREAMER_STORE)")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", parents=[where], help="the newest sessions")
    search = actions.add_parser("search", parents=[where], help="sessions in which somebody said all of these words at once")
    search.add_argument("words", nargs="+", metavar="WORD")
    for several in (listing, search):
        several.add_argument("--limit", type=count, default=PAGE, metavar="N", help=f"at most so many (default: {PAGE})")
    show = actions.add_parser("show", parents=[where], help="one session, line by line with times")
    show.add_argument("session", metavar="ID")
    export = actions.add_parser("export", parents=[where], help="one session as a file")
    export.add_argument("session", metavar="ID")
    export.add_argument("--format", choices=FORMS, help="default: what the name of the output ends in, else txt")
    export.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    delete = actions.add_parser("delete", parents=[where], help="delete sessions for good")
    delete.add_argument("sessions", nargs="+", metavar="ID")
    expiry = actions.add_parser("expire", parents=[where], help="delete the sessions that ended too long ago")
    expiry.add_argument("--days", type=count, metavar="N", help="how long ago (default: STREAMER_STORE_DAYS)")


def store_address(text: str) -> str | None:
    try:
        return read_address(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not {EXPECTED}") from None


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Exit code 1 where a session is not there."""
    where = arguments.store or settings.store
    if not where:
        raise ConfigurationError(f"no store was named; say --store {EXPECTED}, or set STREAMER_STORE")
    store = open_store(where, create=False)
    try:
        return _act(arguments, settings, store, sys.stdout)
    except StoreFailed as failure:
        raise StoreUnavailable(str(failure)) from None
    except BrokenPipeError:
        return 0


def _act(arguments: argparse.Namespace, settings: Settings, store: Store, out: TextIO) -> int:
    match arguments.action:
        case "list":
            show_list(store, "", arguments.limit, out)
            return 0
        case "search":
            show_list(store, " ".join(arguments.words), arguments.limit, out)
            return 0
        case "show":
            return show(store, arguments.session, out)
        case "export":
            return export(store, arguments.session, arguments.format, arguments.output, out)
        case "delete":
            return delete(store, arguments.sessions, out)
        case _:
            return forget(store, arguments.days or settings.store_days, out)


def show_list(store: Store, query: str, limit: int, out: TextIO) -> None:
    """One line for each session, newest first."""
    rows: list[Listed] = []
    try:
        while len(rows) < limit:
            before = rows[-1].cursor if rows else ""
            more = store.list(Wanted(query=query, before=before, limit=min(limit - len(rows), LONGEST_PAGE)))
            rows += more
            if not more:
                break
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    if not rows:
        out.write("Nothing was found.\n" if query else "No session has been kept yet.\n")
        return
    head = ("SESSION", "OPENED", "LENGTH", "FINALS", "FOUND" if query else "", "WIRE", "")
    table = [head, *(_row(one, bool(query)) for one in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(head) - 1)]
    for line in table:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False) if width]
        out.write("  ".join([*cells, line[-1]]).rstrip() + "\n")


def _row(one: Listed, found: bool) -> tuple[str, ...]:
    session = one.session
    opened = datetime.fromtimestamp(session.opened_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M")
    words = " ".join(one.excerpt.split())
    words = words if len(words) <= SHOWN else words[: SHOWN - 1] + "…"
    return session.session_id, opened, _clock(duration_ms(one)), str(one.finals), str(one.found) if found else "", session.wire, words


def show(store: Store, session_id: str, out: TextIO) -> int:
    """Every final that has words, with its time, and its speaker where there are several."""
    stored = store.read(session_id)
    if not stored:
        return _missing(session_id)
    names = stored.listed.session.format.get("channel_names", ())
    lines = sorted((Line.of(final, names) for final in stored.finals), key=lambda line: (line.begin_ms, line.channel))
    several = len({line.channel for line in lines if line.text}) > 1
    for line in lines:
        if line.text:
            speaker = f"{line.speaker}: " if several else ""
            out.write(f"{_clock(line.begin_ms):>7}  {speaker}{line.text}\n")
    return 0


def export(store: Store, session_id: str, kind: str | None, output: Path | None, out: TextIO) -> int:
    stored = store.read(session_id)
    if not stored:
        return _missing(session_id)
    suffix = output.suffix[1:].lower() if output else ""
    kind = kind or (suffix if suffix in FORMS else "txt")
    if kind == "wav":
        return _export_audio(store.recording(session_id), session_id, output)
    text = write(stored, kind)
    if not output:
        out.write(text)
        return 0
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{output} cannot be written: {error.strerror}") from None
    return 0


def _export_audio(recording: Path | None, session_id: str, output: Path | None) -> int:
    if not recording:
        print(f"of {session_id!r} no audio is kept; a client has to ask for it, and streamer serve --record to allow it", file=sys.stderr)
        return 1
    try:
        with recording.open("rb") as source:
            if output:
                with output.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
            else:
                shutil.copyfileobj(source, sys.stdout.buffer)
    except OSError as error:
        raise ConfigurationError(f"{recording} cannot be copied: {error.strerror}") from None
    return 0


def delete(store: Store, sessions: Sequence[str], out: TextIO) -> int:
    deleted = store.delete(sessions)
    out.writelines(f"{session_id} is deleted.\n" for session_id in deleted)
    return max([0, *(_missing(session_id) for session_id in sessions if session_id not in deleted)])


def forget(store: Store, days: int, out: TextIO) -> int:
    if not days:
        raise ConfigurationError("nothing says after how many days; say --days N, or set STREAMER_STORE_DAYS")
    gone = expire(store, time.time_ns() // 1_000_000 - days * DAY_MS)
    out.write(
        f"{gone} {'session' if gone == 1 else 'sessions'} that ended more than {days} days ago {'is' if gone == 1 else 'are'} deleted.\n"
    )
    return 0


def _missing(session_id: str) -> int:
    print(f"no transcript {session_id!r} is kept; streamer transcripts list shows those that are", file=sys.stderr)
    return 1


def _clock(ms: int) -> str:
    minutes, seconds = divmod(ms // 1_000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
