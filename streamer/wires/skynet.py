"""Jitsi's transcription, as jigasi's ``WhisperTranscriptionService`` speaks it to Skynet: one socket for a meeting, many speakers on it.

Every binary message is a header of 60 bytes, ``participant|language`` and NULs or spaces, and 16 kHz PCM16 after it. A single zero byte
is the end. Back come ``interim`` and ``final`` as JSON. What our model knows beyond that rides as ``sensevoice``: jigasi takes its own
fields out of the object and looks at no other. It chokes on a ``variance`` without a decimal point, and where ``type`` or
``participant_id`` is missing.
"""

import uuid
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote

from streamer.core.events import (
    SAMPLE_RATE,
    Audio,
    AudioFormat,
    Configure,
    ErrorSent,
    Input,
    Message,
    Partial,
    Rejected,
    Settings,
    Start,
    Stop,
)
from streamer.core.events import Final as FinalMessage
from streamer.errors import InvalidMessage
from streamer.wires import Handshake, Payload, Route, SharedWire, Spoken, Wire, first_of
from streamer.wires.calls import LONGEST_ID
from streamer.wires.jigasi_buffer import Buffers
from streamer.wires.languages import by_tag
from streamer.wires.plain import to_json
from streamer.wires.sensevoice import heard

PATH: Final = "/streaming-whisper/ws/*"
HEADER: Final = 60  # bytes
ENDS: Final = (b"\0", b"")
"""jigasi keeps one buffer with the zero byte for all its meetings; a second meeting may find it empty."""
IDLE_S: Final = 300.0
PAUSE_S: Final = 3.0  # two of jigasi's messages, which hold a second and a half each
BYTES_PER_MS: Final = 2 * SAMPLE_RATE // 1000
IDS: Final = uuid.UUID("6d2f3b52-3c0f-5e58-9a6b-7a1f4f0c9d11")  # any will do, as long as it stays


class Skynet(SharedWire):
    """One meeting, which others may follow by its id."""

    idle_timeout_s = IDLE_S
    pause_s = PAUSE_S

    def __init__(self, meeting: str = "") -> None:
        self.call = meeting if 0 < len(meeting) <= LONGEST_ID else None
        self._buffers = Buffers()

    def split(self, data: Payload) -> Spoken | Stop | Rejected | None:
        if data in ENDS:
            return Stop()
        header = read_header(data)
        if isinstance(header, Rejected):
            return header
        assert isinstance(data, bytes)
        name = header[0]
        audio = self._buffers.fresh(name, data[HEADER:])
        return Spoken(name, data[:HEADER] + audio) if audio else None

    def voice(self, name: str, handshake: Handshake) -> Wire:
        return Participant(name, handshake)


class Participant(Wire):
    """One speaker, from when somebody hears them to their next pause."""

    def __init__(self, name: str, handshake: Handshake) -> None:
        self._name = name
        self._session, self._at_ms = handshake.session_id, handshake.unix_ms
        self._language: str | None = None
        self._shown: dict[int, int] = {}  # segments of which something was told that is not final, and their ``ts``

    def decode(self, data: Payload) -> tuple[Input, ...]:
        """A message with its header; an empty one ends the session."""
        if not data:
            return (Stop(),)
        header = read_header(data)
        if isinstance(header, Rejected):
            return (header,)
        assert isinstance(data, bytes)
        audio = data[HEADER : len(data) & ~1]  # half a sample would turn all that follows into noise
        before, self._language = self._language, by_tag(header[1])
        if before is None:
            self._at_ms -= len(audio) // BYTES_PER_MS  # it came when it had been said
            settings = Settings(language=self._language, sounds=False)
            return (Start(AudioFormat(channel_names=(self._name,)), settings), Audio(audio))
        if before != self._language:
            return (Configure({"language": self._language}), Audio(audio))
        return (Audio(audio),)

    def encode(self, message: Message) -> Iterator[Payload]:
        match message:
            case Partial() if text := (message.stable + message.unstable).strip():
                self._shown[message.segment] = self._at_ms + message.begin_ms
                yield self._result(message, text)
            case FinalMessage() if message.text.strip() or message.segment in self._shown:
                self._shown.pop(message.segment, None)
                yield self._result(message, message.text.strip())
            case ErrorSent(segment=int(segment)) if segment in self._shown:
                yield to_json(self._told(segment, self._shown.pop(segment), ""))
            case _:
                pass

    def _result(self, message: Partial | FinalMessage, text: str) -> str:
        kind = "final" if isinstance(message, FinalMessage) else "interim"
        told = self._told(message.segment, self._at_ms + message.begin_ms, text, kind, message.confidence)
        return to_json(told | {"sensevoice": heard(message)})

    def _told(self, segment: int, ts: int, text: str, kind: str = "final", confidence: float | None = None) -> dict[str, Any]:
        return {
            "id": str(uuid.uuid5(IDS, f"{self._session}/{segment}")),
            "participant_id": self._name,
            "ts": ts,
            "text": text,
            "audio": "",
            "type": kind,
            "variance": float(round(confidence or 0.0, 4)),
        }


def read_header(data: Payload) -> tuple[str, str] | Rejected:
    """The participant and the language of a message."""
    if isinstance(data, str):
        return _rejected("a text message came", "binary ones")
    if len(data) < HEADER:
        return _rejected(f"the message has {len(data)} bytes", f"a header of {HEADER} and audio")
    try:
        name, bar, language = data[:HEADER].decode().strip("\0").partition("|")
    except UnicodeDecodeError:
        return _rejected(f"the header is {data[:HEADER]!r}", "UTF-8")
    if not name or not bar:
        return _rejected(f"the header is {data[:HEADER]!r}", "participant|language, and NULs")
    return name, language.partition("|")[0].strip()


def _rejected(what: str, expected: str) -> Rejected:
    return Rejected(InvalidMessage(f"{what}, expected {expected}; see docs/wires.md"))


def _open(handshake: Handshake) -> Skynet:
    return Skynet(meeting=unquote(handshake.path.rpartition("/")[2]))


ROUTE: Final = Route(name="skynet", paths=(PATH,), subprotocol=first_of(), open=_open)
