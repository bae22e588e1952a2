"""Genesys Cloud's AudioHook, version 2: the server's side.

The client opens, pauses, resumes and closes; we answer, and tell ``event`` with ``transcript`` entities. Where we must end, we say
``disconnect``; the client closes then as it does at its own end, and it is the client that closes the socket.
"""

from collections.abc import Iterator
from typing import Any, Final

from streamer.core.events import (
    Audio,
    Closed,
    Configure,
    ErrorSent,
    Flush,
    Input,
    Message,
    Partial,
    Rejected,
    SessionCreated,
    Settings,
    Start,
    Stop,
)
from streamer.core.events import Final as FinalMessage
from streamer.errors import InvalidMessage
from streamer.wires import Handshake, Payload, Route, Said, Wire, first_of
from streamer.wires.audiohook_events import entities
from streamer.wires.audiohook_numbers import Numbers
from streamer.wires.audiohook_open import NOBODY, Media, choose, read_duration, tags
from streamer.wires.audiohook_stream import Stream
from streamer.wires.languages import by_tag
from streamer.wires.plain import read_json
from streamer.wires.telephone import call_id, named, read_query, text_of

PATH: Final = "/audiohook"
CLOSES_S: Final = 5.0  # after ``closed`` or ``disconnect``, for the client
QUIET_MS: Final = 40  # in which the last samples before a pause come out of the resampler
LARGEST_SEQ: Final = 1 << 53
MALFORMED: Final = "the text message is not an AudioHook message of version 2: version, type, id, seq and parameters"
NO_MEDIA: Final = "none of the offered media can be heard, expected audio as PCMU or L16 of external, internal or both"

Decoded = tuple[Input | Said, ...]


class AudioHook(Wire):
    """One session. Raises ``Refused`` for a query that cannot be read."""

    finishes = True
    client_closes_s = CLOSES_S

    def __init__(self, handshake: Handshake) -> None:
        self._asked = read_query(handshake.query)
        self.call = self._asked.call
        self._session = handshake.session_id
        self._numbers = Numbers(handshake.headers.get("audiohook-session-id", ""))
        self._media: Media | None = None
        self._stream: Stream | None = None
        self._language = ""
        self._supported: list[str] = []
        self._shown: set[int] = set()  # segments with a result that was not final
        self._paused = self._closing = self._over = self._disconnected = False
        self._info = ""

    def decode(self, data: Payload) -> Decoded:
        if isinstance(data, bytes):
            return self._hear(data)
        try:
            message = read_json(data)
        except (ValueError, RecursionError):
            message = None
        match message:
            case {"version": "2", "type": str(kind), "id": str(session), "seq": int(seq)} if seq is not True and 0 < seq < LARGEST_SEQ:
                parameters = message.get("parameters")
                return self._take(kind, session, seq, parameters if isinstance(parameters, dict) else {})
            case _:
                return self._fail(MALFORMED)

    def _hear(self, data: bytes) -> Decoded:
        if self._disconnected:
            return ()
        if self._stream:
            self._stream.heard(len(data))
        return (Audio(data),)

    def _take(self, kind: str, session: str, seq: int, parameters: dict[str, Any]) -> Decoded:
        seen = self._numbers.seen
        if seq <= seen:
            return self._fail(f"seq is {seq} after {seen}, expected a greater one")
        if seen and session != self._numbers.id:
            return self._fail(f"id is {session[:40]!r}, but this session is {self._numbers.id[:40]!r}")
        self._numbers.id, self._numbers.seen = session, seq
        if self._closing:
            return ()
        match kind:
            case "open" if not self._media and not self._over:
                return self._open(parameters)
            case "ping":
                return (self._answer("pong"),)
            case "close":
                return self._close()
            case _ if self._stream:
                return self._change(kind, self._stream, parameters)
            case _:
                return ()

    def _change(self, kind: str, stream: Stream, parameters: dict[str, Any]) -> Decoded:
        """Of a session that is open."""
        match kind:
            case "update":
                self._language = text_of(parameters.get("language"))
                return self._answer("updated"), Configure({"language": by_tag(self._language)})
            case "paused" if not self._paused:
                self._paused = True
                return Audio(stream.silence(QUIET_MS)), Flush("paused")  # nothing more of what is being said will come
            case "resumed" | "discarded":
                self._paused = self._paused and kind != "resumed"
                start, lost = read_duration(parameters.get("start")), read_duration(parameters.get("discarded"))
                silence = b"" if start is None or lost is None else stream.fill(start, lost)
                return (Audio(silence),) if silence else ()
            case _:
                return ()  # others' messages, such as dtmf, and those that change nothing here

    def _open(self, parameters: dict[str, Any]) -> Decoded:
        media = choose(parameters.get("media"))
        if not media:
            return self._fail(NO_MEDIA)
        self._media, self._stream = media, Stream(media)
        conversation = call_id(parameters.get("conversationId"))
        self.call = self.call or (conversation if conversation != NOBODY else None)
        self._language = self._asked.language or text_of(parameters.get("language"))
        interim = self._asked.interim or named(parameters.get("customConfig"), "interim") is True
        opened: dict[str, Any] = {"startPaused": False, "media": [media.offered]}
        if parameters.get("supportedLanguages") is True:
            opened["supportedLanguages"] = self._supported
        settings = Settings(language=by_tag(self._language), partials=interim, sounds=False)
        return self._answer("opened", opened), Start(media.format, settings)

    def _close(self) -> Decoded:
        self._closing = True
        if self._over:
            return (self._answer("closed"),)
        self._numbers.owe()
        return (Stop(),)

    def _answer(self, kind: str, parameters: dict[str, Any] | None = None) -> Said:
        self._numbers.owe()
        return Said(lambda: self._numbers.answer(kind, parameters or {}))

    def _fail(self, info: str) -> Decoded:
        if self._disconnected or self._closing:
            return (Rejected(InvalidMessage(info)),)
        self._disconnected = True
        return (Said(lambda: self._numbers.message("disconnect", {"reason": "error", "info": info})),)

    def encode(self, message: Message) -> Iterator[Payload]:
        match message:
            case SessionCreated(capabilities=can):
                self._supported = tags(can.languages)
            case Partial():
                self._shown.add(message.segment)
                yield self._event(message)
            case FinalMessage():
                if message.text.strip() or message.segment in self._shown:
                    yield self._event(message)
                self._shown.discard(message.segment)
            case ErrorSent(fatal=True):
                self._info = message.message
            case Closed():
                yield from self._closed(message)
            case _:
                pass

    def _event(self, message: Partial | FinalMessage) -> Payload:
        assert self._media
        assert self._stream
        channel_id = self._media.channel_ids[message.channel]
        found = entities(message, self._session, channel_id, self._stream.position, self._language)
        return self._numbers.message("event", {"entities": found})

    def _closed(self, message: Closed) -> Iterator[Payload]:
        self._over = True
        if self._closing:
            yield self._numbers.answer("closed", {})
        elif not self._disconnected:
            self._disconnected = True
            reason = "error" if self._info else "completed"
            yield self._numbers.message("disconnect", {"reason": reason, "info": self._info or message.reason})


ROUTE: Final = Route(name="audiohook", paths=(PATH,), subprotocol=first_of(), open=AudioHook)
