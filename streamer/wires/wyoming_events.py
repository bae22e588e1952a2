"""Wyoming's events as bytes: a line of JSON, then so many bytes of more JSON, then so many of a payload.

A reader keeps no more than one header and one event's data. A payload is handed on as it comes, so its length bounds nothing but nonsense.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from streamer.errors import InvalidMessage
from streamer.wires.plain import read_json, to_json

HEADER_BYTES: Final = 65_536  # where Python's own readers of lines give up too
DATA_BYTES: Final = 65_536  # some thousand names to prefer; what does not fit into a header goes there
PAYLOAD_BYTES: Final = 1 << 30  # nine hours of 16 kHz audio in one event
SHOWN: Final = 60  # characters of a value, in a sentence about it


@dataclass(frozen=True, slots=True)
class Event:
    """What an event says, without its payload, which follows as ``bytes``, in pieces."""

    type: str
    data: Mapping[str, Any]


class Unreadable(InvalidMessage):
    """Where an event ends is not known any more, so nothing that follows can be read."""

    close_code = 1002


class Reader:
    """One client's stream of events."""

    def __init__(self) -> None:
        self._unread = bytearray()
        self._searched = 0  # of a header that has no end yet
        self._header: dict[str, Any] | None = None  # of an event whose data is not whole yet
        self._data = self._payload = 0  # bytes that are still to come

    def read(self, data: bytes) -> Iterator[Event | bytes]:
        """The next bytes, cut anywhere, to events and pieces of payloads. Raises ``Unreadable``, and may not be called after that."""
        self._unread += data
        while self._unread or self._header is not None:
            if self._payload:
                piece = self._take(min(self._payload, len(self._unread)))
                self._payload -= len(piece)
                yield piece
            elif self._header is None:
                line = self._line()
                if line is None:
                    return
                self._begin(line)
            elif len(self._unread) < self._data:
                return
            else:
                yield self._event(self._header, self._take(self._data))

    def _take(self, count: int) -> bytes:
        taken = bytes(self._unread[:count])
        del self._unread[:count]
        return taken

    def _line(self) -> bytes | None:
        end = self._unread.find(b"\n", self._searched)
        self._searched = 0 if end >= 0 else len(self._unread)
        if max(end, self._searched) > HEADER_BYTES:
            raise Unreadable(f"a header has more than {HEADER_BYTES} bytes; an event begins with a line of JSON that ends in a newline")
        return self._take(end + 1) if end >= 0 else None

    def _begin(self, line: bytes) -> None:
        header = _object(line, "an event's header")
        if not isinstance(header.get("type"), str):
            raise Unreadable(f"an event's type is {shown(header.get('type'))}, expected a string such as 'describe' or 'audio-start'")
        self._data = _length(header, "data_length", DATA_BYTES)
        payload = _length(header, "payload_length", PAYLOAD_BYTES)
        self._header = header | {"payload_length": payload}

    def _event(self, header: dict[str, Any], more: bytes) -> Event:
        own = header.get("data")
        if own is not None and not isinstance(own, dict):
            raise Unreadable(f"the data of {shown(header['type'])} is {shown(own)}, expected an object")
        data = (own or {}) | (_object(more, f"the data of {shown(header['type'])}") if more else {})
        self._header, self._data, self._payload = None, 0, header["payload_length"]
        return Event(header["type"], data)


def written(kind: str, data: Mapping[str, Any] | None = None) -> bytes:
    """An event as upstream's own programs write it: what it says goes after the header."""
    if not data:
        return to_json({"type": kind}).encode() + b"\n"
    body = to_json(data).encode()
    return to_json({"type": kind, "data_length": len(body)}).encode() + b"\n" + body


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = read_json(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Unreadable(f"{what} is {shown(data)}, expected a JSON object; this is a port for the Wyoming protocol")
    return value


def _length(header: Mapping[str, Any], name: str, most: int) -> int:
    value = header.get(name)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or value > most:
        raise Unreadable(f"{name} is {shown(value)}, expected at most {most}")
    return max(0, value)


def shown(value: object) -> str:
    """A value for people, and not all of it."""
    match value:
        case dict():
            return "an object"
        case list():
            return "a list"
        case str() | bytes():
            text = repr(value[:SHOWN]).removeprefix("b")
            return text if len(value) <= SHOWN else f"{text} and more"
        case _:
            return str(value)[:SHOWN]
