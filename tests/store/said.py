"""Sessions and finals for the tests of stores."""

from streamer.core.events import Final, Word
from streamer.store import Append, Close, Open, Session

OPENED_MS = 1_790_000_000_000


def session(session_id="s", **changes):
    known = {"wire": "native", "call": None, "model": "scripted", "opened_ms": OPENED_MS, "format": {"channels": 1}, "settings": {}}
    return Session(session_id=session_id, **(known | changes))


def final(segment=0, text="Hello world.", **changes):
    begin_ms = segment * 1_000
    known = {
        "segment": segment,
        "revision": 3,
        "channel": 0,
        "text": text,
        "raw_text": f"<|en|>{text}",
        "words": (Word(text=text, begin_ms=begin_ms, end_ms=begin_ms + 900, confidence=0.5),),
        "begin_ms": begin_ms,
        "end_ms": begin_ms + 900,
        "language": None,
        "emotion": None,
        "events": (),
        "itn": None,
        "confidence": 0.5,
        "end_reason": "endpoint",
        "audio_end_ms": begin_ms + 900,
        "queue_ms": 0.0,
        "decode_ms": 1.0,
    }
    return Final(**(known | changes))


def spoken(session_id, *texts, closed=True, opened_ms=OPENED_MS, **changes):
    """The operations of one session that said these texts, one a second."""
    finals = [Append(session_id, final(n, text), opened_ms + 1_000 * n) for n, text in enumerate(texts)]
    close = [Close(session_id, opened_ms + 1_000 * len(texts), {"audio_ms": 1_000 * len(texts)})] if closed else []
    return [Open(session(session_id, opened_ms=opened_ms, **changes)), *finals, *close]
