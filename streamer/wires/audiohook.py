"""Genesys Cloud's AudioHook, version 2: the server's side.

The client opens, pauses, resumes and closes; we answer, and tell ``event`` with ``transcript`` entities. Each side numbers what it sends,
and says which of the other's it has seen, so a message gets its number when it is written. Where we must end, we say ``disconnect``; the
client closes then as it does at its own end, and it is the client that closes the socket.
"""

from collections import deque
from collections.abc import Iterable, Iterator
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
from streamer.wires.audiohook_open import NOBODY, Media, choose, read_duration, tags
from streamer.wires.languages import by_tag
from streamer.wires.plain import read_json, to_json
from streamer.wires.telephone import call_id, named, read_query, text_of

PATH: Final = "/audiohook"
VERSION: Final = "2"
CLOSES_S: Final = 5.0  # after ``closed`` or ``disconnect``, for the client
FILLED_MS: Final = 30_000  # of audio that never came; longer gaps would keep a ping waiting while the silence is judged
MOST_GAPS: Final = 100  # beyond it the oldest become one
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
        self._header_id = handshake.headers.get("audiohook-session-id", "")
        self._id = ""  # the client's, from its first message on
        self._seq = self._client_seq = 0
        self._unanswered: deque[int] = deque()
        self._media: Media | None = None
        self._language = ""
        self._supported: list[str] = []
        self._bytes = 0  # heard, filled silence among them
        self._gaps: list[tuple[int, int]] = []  # where in what was heard, and how long, something is missing that was not filled
        self._shown: set[int] = set()  # segments with a result that was not final
        self._closing = self._over = self._disconnected = False
        self._info = ""

    def decode(self, data: Payload) -> Decoded:
        if isinstance(data, bytes):
            if self._disconnected:
                return ()
            self._bytes += len(data)
            return (Audio(data),)
        try:
            message = read_json(data)
        except (ValueError, RecursionError):
            message = None
        match message:
            case {"version": "2", "type": str(kind), "id": str(session), "seq": int(seq)} if seq is not True and 0 < seq < LARGEST_SEQ:
                parameters = message.get("parameters")
                return self._read(kind, session, seq, parameters if isinstance(parameters, dict) else {})
            case _:
                return self._fail(MALFORMED)

    def _read(self, kind: str, session: str, seq: int, parameters: dict[str, Any]) -> Decoded:
        if seq <= self._client_seq:
            return self._fail(f"seq is {seq} after {self._client_seq}, expected a greater one")
        if self._id and session != self._id:
            return self._fail(f"id is {session[:40]!r}, but this session is {self._id[:40]!r}")
        self._id, self._client_seq = session, seq
        if self._closing:
            return ()
        match kind:
            case "open" if not self._media and not self._over:
                return self._open(seq, parameters)
            case "ping":
                return (self._answer("pong", seq),)
            case "update" if self._media:
                self._language = text_of(parameters.get("language"))
                return self._answer("updated", seq), Configure({"language": by_tag(self._language)})
            case "paused" if self._media:
                return (Flush("paused"),)  # nothing more of what is being said will come
            case "resumed" | "discarded" if self._media:
                return self._fill(self._media, parameters)
            case "close":
                self._closing = True
                return (self._answer("closed", seq),) if self._over else (self._stop(seq),)
            case _:
                return ()  # others' messages, such as dtmf, and those that change nothing here

    def _open(self, seq: int, parameters: dict[str, Any]) -> Decoded:
        media = choose(parameters.get("media"))
        if not media:
            return self._fail(NO_MEDIA)
        self._media = media
        conversation = call_id(parameters.get("conversationId"))
        self.call = self.call or (conversation if conversation != NOBODY else None)
        self._language = self._asked.language or text_of(parameters.get("language"))
        interim = self._asked.interim or named(parameters.get("customConfig"), "interim") is True
        opened = {"startPaused": False, "media": [media.offered]}
        if parameters.get("supportedLanguages") is True:
            opened["supportedLanguages"] = self._supported
        settings = Settings(language=by_tag(self._language), partials=interim, sounds=False)
        return self._answer("opened", seq, opened), Start(media.format, settings)

    def _fill(self, media: Media, parameters: dict[str, Any]) -> Decoded:
        """Silence for audio that was left out, so that times stay those of the call."""
        start, lost = read_duration(parameters.get("start")), read_duration(parameters.get("discarded"))
        if start is None or lost is None:
            return ()
        missing = min(lost, start + lost - self._position(media.ms(self._bytes)))
        if missing <= 0:
            return ()
        broken = bytes(-self._bytes % media.frame_bytes)
        silence = broken + media.silence(min(missing, FILLED_MS))
        self._bytes += len(silence)
        if missing > FILLED_MS:
            self._gaps.append((media.ms(self._bytes), missing - FILLED_MS))
            if len(self._gaps) > MOST_GAPS:
                (_, first), (at, second) = self._gaps[:2]
                self._gaps[:2] = [(at, first + second)]
        return (Audio(silence),)

    def _position(self, ms: int) -> int:
        return ms + sum(lost for at, lost in self._gaps if at <= ms)

    def _stop(self, seq: int) -> Stop:
        self._unanswered.append(seq)
        return Stop()

    def _fail(self, info: str) -> Decoded:
        if self._disconnected or self._closing:
            return (Rejected(InvalidMessage(info)),)
        self._disconnected = True
        return (Said(lambda: self._message("disconnect", {"reason": "error", "info": info})),)

    def _answer(self, kind: str, seq: int, parameters: dict[str, Any] | None = None) -> Said:
        self._unanswered.append(seq)
        return Said(lambda: self._message(kind, parameters or {}, answers=True))

    def _message(self, kind: str, parameters: dict[str, Any], *, answers: bool = False) -> str:
        """The next message; one that answers says which, and until it does the others have not seen what it answers."""
        self._seq += 1
        if answers:
            seen = self._unanswered.popleft()
        else:
            seen = self._unanswered[0] - 1 if self._unanswered else self._client_seq
        envelope = {"version": VERSION, "type": kind, "seq": self._seq, "clientseq": seen, "id": self._id or self._header_id}
        return to_json(envelope | {"parameters": parameters})

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
                self._over = True
                yield from self._closed(message)
            case _:
                pass

    def _event(self, message: Partial | FinalMessage) -> Payload:
        assert self._media
        channel_id = self._media.channel_ids[message.channel]
        found = entities(message, self._session, channel_id, self._position, self._language)
        return self._message("event", {"entities": found})

    def _closed(self, message: Closed) -> Iterable[Payload]:
        if self._closing:
            yield self._message("closed", {}, answers=True)
        elif not self._disconnected:
            self._disconnected = True
            reason = "error" if self._info else "completed"
            yield self._message("disconnect", {"reason": reason, "info": self._info or message.reason})


ROUTE: Final = Route(name="audiohook", paths=(PATH,), subprotocol=first_of(), open=AudioHook)
