"""The items of an OpenAI Realtime session: what a client is told of each turn, from ``speech_started`` to ``completed``.

With server VAD each segment is an item. Without, an item is what was said between two commits; it has several segments where speech was
cut because it was too long. Deltas of an item only ever add to one another, and ``completed`` has the last word.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import log
from typing import Any, Final

from streamer.core.events import (
    Closed,
    ErrorSent,
    Flushed,
    Message,
    Partial,
    SessionConfigured,
    SpeechEnded,
    SpeechStarted,
    Word,
)
from streamer.core.events import Final as FinalMessage
from streamer.core.richtext import written_without_spaces

Event = tuple[str, dict[str, Any]]
"""Its type, and its fields without ``event_id``."""

TRANSCRIPTION: Final = "conversation.item.input_audio_transcription."
ENDS_TURN: Final = ("flush", "stop")  # reasons after which a turn is over, whoever detects turns
SLACK_MS: Final = 20  # between received and resampled audio, at most; no segment is as short
FLOOR_P: Final = 1e-6  # keeps the logarithm of a probability finite


@dataclass(slots=True, kw_only=True, eq=False)
class Item:
    """One turn. ``said`` is the sum of its deltas; those of the segment whose final comes next follow ``base``."""

    id: str
    segments: list[int] = field(default_factory=list)  # whose finals are still to come, in order
    parts: list[FinalMessage] = field(default_factory=list)
    base: str = ""
    said: str = ""
    text: str = ""
    failure: str = ""
    started: bool = False  # as the client was told
    committed: bool = False
    dropped: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Asked:
    """A commit or a clear that is not answered yet, where in the audio it came, and the item that it ended."""

    at_ms: int
    clear: bool
    item: Item | None = None


class Items:
    """Of one session, which has one channel."""

    def __init__(self, session_id: str) -> None:
        self.logprobs = self.legacy = False
        self._id = session_id
        self._made = 0
        self._detects = True  # turns, by silence
        self._asked: deque[Asked] = deque()
        self._turn: Item | None = None  # the item that is not committed yet
        self._by_segment: dict[int, Item] = {}
        self._previous: str | None = None  # item that was committed

    def ask(self, at_ms: int, *, clear: bool) -> None:
        """A commit or a clear has come, and a flush is on its way."""
        self._asked.append(Asked(at_ms=at_ms, clear=clear))

    def told(self, message: Message) -> Iterator[Event]:
        """What a message of the session means for its items."""
        match message:
            case SessionConfigured():
                self._detects = message.settings.endpoints
            case SpeechStarted():
                yield from self._begin(message)
            case SpeechEnded():
                yield from self._end(message)
            case Partial(segment=segment):
                item = self._by_segment[segment]
                if item.segments[0] == segment:  # a later one waits, as deltas cannot be put before others
                    yield from self._grow(item, message.stable)
            case FinalMessage(segment=segment):
                yield from self._settle(segment, message)
            case ErrorSent(segment=int(segment)):
                yield from self._settle(segment, message)
            case Flushed():
                yield from self._answer(self._asked.popleft())
            case Closed():
                if rest := self._rest():
                    yield from self._commit(rest)
                    yield from self._complete(rest)
            case _:
                pass

    def _new(self) -> Item:
        self._made += 1
        return Item(id=f"item_{self._id}_{self._made}")

    def _begin(self, message: SpeechStarted) -> Iterator[Event]:
        self._turn = item = self._turn or self._new()
        self._by_segment[message.segment] = item
        item.segments.append(message.segment)
        if self._detects and not item.started:
            item.started = True
            yield "input_audio_buffer.speech_started", {"item_id": item.id, "audio_start_ms": message.begin_ms}

    def _end(self, message: SpeechEnded) -> Iterator[Event]:
        item = self._by_segment[message.segment]
        asked = self._asked_at(message.end_ms) if message.reason == "flush" else None
        if not self._detects and message.reason not in ENDS_TURN:
            return
        self._turn = None
        if item.started:
            yield "input_audio_buffer.speech_stopped", {"item_id": item.id, "audio_end_ms": message.end_ms}
        if asked:
            asked.item, item.dropped = item, asked.clear
        if not item.dropped:
            yield from self._commit(item)

    def _asked_at(self, end_ms: int) -> Asked | None:
        """What ended a segment there. One that came before, and found nothing open, may still wait for earlier finals."""
        return next((asked for asked in self._asked if not asked.item and asked.at_ms >= end_ms - SLACK_MS), None)

    def _commit(self, item: Item) -> Iterator[Event]:
        item.committed = True
        before, self._previous = self._previous, item.id
        yield "input_audio_buffer.committed", {"item_id": item.id, "previous_item_id": before}
        content = [{"type": "input_audio", "transcript": None}]
        shape = {"id": item.id, "object": "realtime.item", "type": "message", "status": "completed", "role": "user", "content": content}
        yield f"conversation.item.{'created' if self.legacy else 'added'}", {"previous_item_id": before, "item": shape}

    def _grow(self, item: Item, text: str) -> Iterator[Event]:
        """The text of the segment that comes next is at least this: say what is new of it, unless it contradicts what was said."""
        whole = _joined(item.base, text)
        if item.dropped or len(whole) <= len(item.said) or not whole.startswith(item.said):
            return
        delta, item.said = whole[len(item.said) :], whole
        yield f"{TRANSCRIPTION}delta", {"item_id": item.id, "content_index": 0, "delta": delta}

    def _settle(self, segment: int, message: FinalMessage | ErrorSent) -> Iterator[Event]:
        item = self._by_segment.pop(segment)
        item.segments.remove(segment)
        if isinstance(message, FinalMessage):
            text = message.text.strip()
            yield from self._grow(item, text)
            item.text = _joined(item.text, text)
            item.parts.append(message)
        else:
            item.failure = message.message
        item.base = item.said
        if item.committed and not item.segments:
            yield from self._complete(item)

    def _answer(self, asked: Asked) -> Iterator[Event]:
        """All that was said before a commit or a clear has been told."""
        rest = None if asked.item else self._rest()
        if asked.clear:
            yield "input_audio_buffer.cleared", {}
        elif not asked.item:
            rest = rest or self._new()
            yield from self._commit(rest)
            yield from self._complete(rest)

    def _rest(self) -> Item | None:
        """Takes the turn that goes on, though nobody speaks: its last segment was cut."""
        if not self._turn or self._turn.segments:
            return None
        rest, self._turn = self._turn, None
        return rest

    def _complete(self, item: Item) -> Iterator[Event]:
        fields: dict[str, Any] = {"item_id": item.id, "content_index": 0}
        if item.failure and not item.parts:
            error = {"type": "server_error", "code": "transcription_failed", "message": item.failure, "param": None}
            yield f"{TRANSCRIPTION}failed", fields | {"error": error}
            return
        seconds = sum(part.end_ms - part.begin_ms for part in item.parts) / 1000
        fields |= {"transcript": item.text, "usage": {"type": "duration", "seconds": seconds}}
        codes = dict.fromkeys(part.language.code for part in item.parts if part.language and part.language.code != "nospeech")
        if codes:
            fields["languages"] = [{"code": code} for code in codes]
        if self.logprobs:
            fields["logprobs"] = [_logprob(word) for part in item.parts for word in part.words if word.confidence is not None]
        yield f"{TRANSCRIPTION}completed", fields | {"sensevoice": [_heard(part) for part in item.parts]}


def _joined(before: str, after: str) -> str:
    if not before or not after or written_without_spaces(before[-1]) or written_without_spaces(after[0]):
        return before + after
    return f"{before} {after}"


def _logprob(word: Word) -> dict[str, Any]:
    assert word.confidence is not None
    return {"token": word.text, "logprob": round(log(max(word.confidence, FLOOR_P)), 4), "bytes": list(word.text.encode())}


def _heard(part: FinalMessage) -> dict[str, Any]:
    names = ("begin_ms", "end_ms", "language", "emotion", "events", "itn", "confidence", "raw_text", "withheld")
    return {name: getattr(part, name) for name in names}
