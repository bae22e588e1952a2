"""What was said to the server and may have to be said again: pure bookkeeping, in bytes of audio and text messages.

Two marks move through it. What was *received* need not be sent again in the same session; what was *answered* need not be sent in any.
Audio is kept until it is answered, so that a new session can begin where the last one was understood; where a session cannot be entered
in its middle (a container's bytes), until it is received.

Positions are bytes since the very first one, over all sessions.
"""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

LIMIT_BYTES: Final = 16 << 20  # nearly nine minutes of 16 kHz audio, far more than any server waits for who may come back
ANSWERED: Final = ("flush", "sync")  # exactly once each


@dataclass(slots=True)
class _Entry:
    """One frame: audio, or the fields of a message. ``begin`` is the audio before it; ``number`` its place among the texts once sent."""

    payload: bytes | dict[str, Any]
    begin: int
    number: int | None = None
    done: bool = False

    @property
    def end(self) -> int:
        return self.begin + (len(self.payload) if isinstance(self.payload, bytes) else 0)


class Journal:
    """Everything after ``start``, in order. ``start`` is what the next session would begin with: changes that are past are in it."""

    def __init__(self, start: Mapping[str, Any], *, limit_bytes: int = LIMIT_BYTES, enterable: bool = True) -> None:
        self.start = dict(start)
        self._limit, self._enterable = limit_bytes, enterable
        self._entries: deque[_Entry] = deque()
        self._sent = 0  # how many of them were handed out
        self._end = self._size = 0
        self._origin = self._received = self._answered = 0
        self._texts = 0  # handed out in this session
        self._texts_received = 0

    @property
    def size(self) -> int:
        """Bytes of audio that are kept."""
        return self._size

    @property
    def full(self) -> bool:
        """No more audio may be added for now."""
        return self._size >= self._limit

    @property
    def end(self) -> int:
        """Where the next byte of audio will be."""
        return self._end

    def add_audio(self, data: bytes) -> None:
        if data:
            self._entries.append(_Entry(data, self._end))
            self._end += len(data)
            self._size += len(data)

    def add(self, kind: str, **fields: Any) -> None:
        """A text message: ``configure``, ``flush``, ``sync``, ``stop``."""
        self._entries.append(_Entry({"type": kind, **fields}, self._end))

    def next(self) -> bytes | str | None:
        """The next frame to send: ``start`` first of all; ``None`` when there is nothing."""
        if not self._texts:
            return self._text({"type": "start", **self.start})
        if self._sent == len(self._entries):
            return None
        entry = self._entries[self._sent]
        self._sent += 1
        if isinstance(entry.payload, bytes):
            return entry.payload
        entry.number = self._texts
        return self._text(entry.payload)

    def keepalive(self) -> str:
        """A frame that is not kept, and counts."""
        return self._text({"type": "keepalive"})

    def received(self, count: int, texts: int) -> None:
        """The server has so many bytes and text messages of this session."""
        self._received = max(self._received, min(self._origin + count, self._end))
        self._texts_received = max(self._texts_received, texts)
        self._trim()

    def let_go(self) -> None:
        """Nobody can come back to this session: what was sent counts as received."""
        self._received, self._texts_received = self._end, self._texts
        self._trim()

    def answered(self, position: int) -> None:
        """Nothing before this byte has to be heard again."""
        self._answered = max(self._answered, min(position, self._end))
        self._received = max(self._received, self._answered)
        self._trim()

    def done(self, kind: str) -> None:
        """The oldest message of this kind that was sent and not answered has its answer."""
        for entry in self._entries:
            if not entry.done and entry.number is not None and isinstance(entry.payload, dict) and entry.payload["type"] == kind:
                entry.done = True
                break
        self._trim()

    def resume(self, count: int, texts: int) -> None:
        """The server has so much of this session; what comes after it is handed out again. ``ValueError`` where that is gone."""
        position = self._origin + count
        if not self._end - self._size <= position <= self._end:
            raise ValueError(f"the server has {count} bytes, expected {self._end - self._size - self._origin} or more")
        self.received(count, texts)
        for index, entry in enumerate(self._entries):
            if isinstance(entry.payload, bytes):
                if entry.begin < position < entry.end:
                    self._split(index, position)
                    self._sent = index + 1
                    break
                got = entry.end <= position
            else:
                got = entry.number is not None and entry.number < texts
            if not got:
                self._sent = index
                break
        else:
            self._sent = len(self._entries)
        for index in range(self._sent, len(self._entries)):
            self._entries[index].number = None
        self._texts = texts

    def restart(self) -> int:
        """A new session takes over; what is not answered is handed out again. The position of its first byte."""
        assert self._enterable, "what is kept is no beginning"
        kept: deque[_Entry] = deque()
        for entry in self._entries:
            if isinstance(entry.payload, bytes):
                entry.payload = entry.payload[max(0, self._answered - entry.begin) :]
                entry.begin = max(entry.begin, self._answered)
                if entry.payload:
                    kept.append(entry)
            elif entry.payload["type"] == "configure" and entry.begin <= self._answered:
                self._fold(entry.payload)
            else:
                kept.append(entry)
        self._entries = kept
        self._size = self._end - self._answered
        self._begin(self._answered)
        return self._origin

    def forget(self) -> None:
        """A new session takes over, and will be given everything anew. Questions that were not answered are asked again."""
        open_questions = [entry.payload for entry in self._entries if isinstance(entry.payload, dict) and not entry.done]
        self._entries.clear()
        self._end = self._size = self._received = self._answered = 0
        self._entries.extend(_Entry(payload, 0) for payload in open_questions if payload["type"] in ANSWERED)
        self._begin(0)

    def _begin(self, origin: int) -> None:
        self._origin = self._received = origin
        self._sent = self._texts = self._texts_received = 0
        self._entries = deque(entry for entry in self._entries if not entry.done)
        for entry in self._entries:
            entry.number = None

    def _text(self, message: Mapping[str, Any]) -> str:
        self._texts += 1
        return json.dumps(message)

    def _split(self, index: int, position: int) -> None:
        entry = self._entries[index]
        assert isinstance(entry.payload, bytes)
        cut = position - entry.begin
        self._entries.insert(index + 1, _Entry(entry.payload[cut:], position))
        entry.payload = entry.payload[:cut]

    def _trim(self) -> None:
        while self._sent and self._past(self._entries[0]):
            self._drop()

    def _past(self, entry: _Entry) -> bool:
        if isinstance(entry.payload, bytes):
            return entry.end <= (self._answered if self._enterable else self._received)
        if entry.number is None or entry.number >= self._texts_received:
            return False
        if entry.payload["type"] in ANSWERED:
            return entry.done
        return entry.payload["type"] == "configure" and (not self._enterable or entry.begin <= self._answered)

    def _drop(self) -> None:
        entry = self._entries.popleft()
        self._sent = max(0, self._sent - 1)
        if isinstance(entry.payload, bytes):
            self._size -= len(entry.payload)
        elif entry.payload["type"] == "configure":
            self._fold(entry.payload)

    def _fold(self, change: Mapping[str, Any]) -> None:
        self.start |= {name: value for name, value in change.items() if name != "type"}
