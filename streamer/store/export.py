"""Stored sessions as people and programs read them: a row of a list, and one whole session as txt, srt, vtt or json. Pure."""

import json
from datetime import UTC, datetime
from typing import Any, Final

from streamer.store import Listed, Stored
from streamer.transcript import FORMATS, Transcript, as_object

MEDIA_TYPES: Final = {
    "txt": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "json": "application/json",
}


def row(listed: Listed) -> dict[str, Any]:
    """As ``/api/transcripts`` tells it."""
    session = listed.session
    return {
        "session_id": session.session_id,
        "opened": iso(session.opened_ms),
        "closed": None if listed.closed_ms is None else iso(listed.closed_ms),
        "duration_ms": duration_ms(listed),
        "wire": session.wire,
        "call": session.call,
        "model": session.model,
        "finals": listed.finals,
        "recorded": listed.recorded,
        "found": listed.found,
        "excerpt": listed.excerpt,
        "excerpt_ms": listed.excerpt_ms,
    }


def page(rows: list[Listed], limit: int) -> dict[str, Any]:
    """``next`` is what to give as ``before`` for the sessions after these, or null where there are none. ``limit + 1`` were asked for."""
    return {"transcripts": [row(one) for one in rows[:limit]], "next": rows[limit - 1].cursor if len(rows) > limit else None}


def duration_ms(listed: Listed) -> int:
    """Audio that was heard; of a session that was not closed, up to its last final."""
    return max(listed.totals.get("audio_ms", 0), listed.end_ms)


def write(stored: Stored, name: str) -> str:
    """``name`` is one of MEDIA_TYPES."""
    session = stored.listed.session
    transcript = Transcript.of(
        stored.finals,
        source=session.session_id,
        model=session.model,
        duration_ms=duration_ms(stored.listed),
        names=session.format.get("channel_names", ()),
    )
    if name != "json":
        return FORMATS[name](transcript)
    known = as_object(transcript)
    about = {name: value for name, value in row(stored.listed).items() if name not in ("found", "excerpt", "excerpt_ms")}
    more = {"format": session.format, "settings": session.settings, "totals": stored.listed.totals}
    told = {**about, **more, "text": known["text"], "segments": known["segments"]}
    return json.dumps(told, ensure_ascii=False, indent=2) + "\n"


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
