"""Wyoming, as Home Assistant speaks it to speech-to-text servers: events over plain TCP, at a port of its own.

``describe`` is answered by ``info`` and ``ping`` by ``pong``, at any time. ``transcribe`` says language and words to prefer; a turn is
``audio-start``, ``audio-chunk`` and ``audio-stop``, and is answered by one ``transcript``. A connection may have many turns, in the audio
format of the first. Other events are ignored, as upstream's servers do; what cannot be read is told with ``error``, and ends it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from streamer.core.events import (
    Audio,
    AudioFormat,
    Closed,
    Configure,
    ErrorSent,
    Flush,
    Flushed,
    Input,
    Message,
    Partial,
    SessionCreated,
    Settings,
    Start,
    Stop,
)
from streamer.core.events import Final as FinalMessage
from streamer.wires import Handshake, Payload, Route, Said, Wire, first_of
from streamer.wires.wyoming_asked import WIDTH, check_chunk, program, read_format, read_hotwords, read_language, told
from streamer.wires.wyoming_events import Event, Reader, Unreadable, written
from streamer.wires.wyoming_turns import Turns


class Wyoming(Wire):
    """One connection."""

    def __init__(self) -> None:
        self._reader = Reader()
        self._info: bytes | None = None
        self._described = 0  # times that could not be answered yet
        self._settings = Settings(sounds=False)
        self._format: AudioFormat | None = None
        self._frames = 0  # heard, of the client's audio
        self._rest = b""  # of a frame
        self._audible = False  # the payload that comes now
        self._turns = Turns()
        self._over = self._failed = False

    def decode(self, data: Payload) -> Iterator[Input | Said]:
        if self._over:
            return
        try:
            for found in self._reader.read(data.encode() if isinstance(data, str) else data):
                yield from self._hear(found) if isinstance(found, bytes) else self._read(found)
        except Unreadable as error:
            self._over = True
            yield Stop(error.code, error)

    def _read(self, event: Event) -> Iterator[Input | Said]:
        self._audible = False
        match event.type:
            case "describe" if self._info:
                yield Said(self._info)
            case "describe":
                self._described += 1
            case "ping":
                text = event.data.get("text")
                yield Said(written("pong", {"text": text if isinstance(text, str) else None}))
            case "transcribe":
                yield from self._configure(event.data)
            case "audio-start":
                yield from self._begin(event.data)
            case "audio-chunk":
                yield from self._chunk(event.data)
            case "audio-stop":
                yield from self._end()
            case _:
                pass

    def _configure(self, asked: Mapping[str, Any]) -> Iterator[Input]:
        """Each ``transcribe`` says all anew."""
        language, hotwords = read_language(asked), read_hotwords(asked)
        before, self._settings = self._settings, replace(self._settings, language=language, hotwords=hotwords)
        if self._format and before != self._settings:
            yield Configure({"language": language, "hotwords": hotwords})

    def _begin(self, said: Mapping[str, Any]) -> Iterator[Input]:
        """A second ``audio-start`` within a turn changes nothing."""
        asked = read_format(said)
        if self._format and asked != self._format:
            sentence = f"audio-start says {told(asked)}, but this connection began with {told(self._format)}"
            raise Unreadable(f"{sentence}; open another connection for another format")
        if not self._format:
            self._format = asked
            yield Start(asked, self._settings)
        if not self._turns.open:
            self._turns.begin()

    def _chunk(self, said: Mapping[str, Any]) -> Iterator[Input]:
        """Whoever sends no ``audio-start`` has said the format here. What comes after ``audio-stop`` is not heard."""
        if not self._format:
            yield from self._begin(said)
        assert self._format
        check_chunk(said, self._format)
        self._audible = self._turns.open

    def _hear(self, payload: bytes) -> Iterator[Input]:
        if not self._audible:
            return
        assert self._format
        data = self._rest + payload
        size = WIDTH * self._format.channels
        whole = len(data) - len(data) % size
        self._rest = data[whole:]
        self._frames += whole // size
        if whole:
            yield Audio(data[:whole])

    def _end(self) -> Iterator[Input | Said]:
        self._rest = b""  # the next turn begins with a whole frame
        if not self._turns.open:
            self._turns.begin()
        self._turns.end(self._at_ms)
        if self._format:
            yield Flush()
        else:  # nothing was said yet, and no session has begun
            yield from (Said(payload) for payload in self._turns.answer())

    @property
    def _at_ms(self) -> int:
        return self._frames * 1000 // self._format.sample_rate if self._format else 0

    def encode(self, message: Message) -> Iterator[Payload]:
        match message:
            case SessionCreated():
                self._info = written("info", {"asr": [program(message)]})
                yield from [self._info] * self._described
            case Partial():
                yield from self._turns.partial(message)
            case FinalMessage():
                yield from self._turns.final(message)
            case ErrorSent(segment=int()):
                self._turns.failed()
                yield _error(message.code, message.message)
            case ErrorSent(fatal=True):
                self._failed = True
                yield _error(message.code, message.message)
            case Flushed():
                yield from self._turns.answer()
            case Closed():
                yield from self._closed(message.reason)
            case _:
                pass

    def _closed(self, reason: str) -> Iterator[Payload]:
        """The end of the stream ends a turn too, but nobody takes what was heard before a failure for the whole of it."""
        if reason == "going_away":
            yield _error(reason, "the server is stopping; what was heard of an open turn follows, then connect again")
        if not self._failed:
            yield from self._turns.answer_all()


def _error(code: str, sentence: str) -> bytes:
    return written("error", {"text": sentence, "code": code})


def _open(handshake: Handshake) -> Wyoming:
    return Wyoming()


ROUTE: Final = Route(name="wyoming", paths=(), subprotocol=first_of(), open=_open, tcp=True, refusal=_error)
