"""OpenAI's Realtime transcription, ``/v1/realtime?intent=transcription``, as its SDKs and the frameworks on top of them speak it.

All messages are JSON, audio in them base64. The session starts with the first ``session.update``, or with the first audio. Clients fall
over any ``error``, so none is sent that does not end the session.
"""

from base64 import b64decode
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from streamer.core.events import (
    Audio,
    AudioFormat,
    Configure,
    Encoding,
    ErrorSent,
    Flush,
    Input,
    Message,
    Rejected,
    SessionConfigured,
    SessionCreated,
    Settings,
    Start,
    Stop,
)
from streamer.errors import InvalidAudio, InvalidMessage
from streamer.wires import Handshake, Payload, Route, Wire, first_of
from streamer.wires.openai_items import Event, Items
from streamer.wires.openai_session import DEFAULT_FORMAT, DEFAULTS, LOGPROBS, read_update, told_session
from streamer.wires.plain import read_json, to_json

PATH: Final = "/v1/realtime"
SUBPROTOCOL: Final = "realtime"
"""Browsers offer it before ``openai-insecure-api-key.`` and their key."""
UNREADABLE: Final = "a message is not session.update, nor input_audio_buffer.append with base64 audio, .commit or .clear"


class OpenAIRealtime(Wire):
    """One session."""

    def __init__(self, handshake: Handshake) -> None:
        self._id = handshake.session_id
        self._items = Items(handshake.session_id)
        self._format: AudioFormat | None = None  # until the session has started
        self._bytes = self._events = 0
        self._unanswered: deque[bool] = deque()  # settings that are still to come into force, and whether the client waits for that
        self._created: SessionCreated | None = None

    def decode(self, data: Payload) -> tuple[Input, ...]:
        try:
            match read_json(data):
                case {"type": "input_audio_buffer.append", "audio": str(audio)}:
                    return self._hear(b64decode(audio, validate=True))
                case {"type": "input_audio_buffer.commit"}:
                    return self._flush(clear=False)
                case {"type": "input_audio_buffer.clear"}:
                    return self._flush(clear=True)
                case {"type": "session.update" | "transcription_session.update" as kind, "session": dict(session)}:
                    return self._update(session, legacy=kind == "transcription_session.update")
        except InvalidAudio as error:
            return (Stop(error.code, error),)
        except (ValueError, RecursionError):
            pass
        return (Rejected(InvalidMessage(UNREADABLE)),)

    def _hear(self, audio: bytes) -> tuple[Input, ...]:
        start = self._started()
        self._bytes += len(audio)
        return (*start, Audio(audio))

    def _flush(self, *, clear: bool) -> tuple[Input, ...]:
        start = self._started()
        self._items.ask(self._received_ms, clear=clear)
        return (*start, Flush())

    def _started(self) -> tuple[Input, ...]:
        """A client that has asked for nothing gets the defaults, and no answer."""
        return () if self._format else self._start(DEFAULT_FORMAT, {}, asked=False)

    def _update(self, session: Mapping[str, Any], *, legacy: bool) -> tuple[Input, ...]:
        update = read_update(session)
        self._items.legacy = legacy
        if update.logprobs is not None:
            self._items.logprobs = update.logprobs
        if not self._format:
            return self._start(update.format or DEFAULT_FORMAT, update.changes, asked=True)
        self._unanswered.append(True)
        return (Configure(update.changes),)  # audio that began in one format goes on in it

    def _start(self, format: AudioFormat, changes: Mapping[str, Any], *, asked: bool) -> tuple[Input, ...]:
        self._format = format
        self._unanswered.append(asked)
        return (Start(format, replace(DEFAULTS, **changes)),)

    @property
    def _received_ms(self) -> int:
        assert self._format
        width = 2 if self._format.encoding is Encoding.PCM_S16LE else 1
        return self._bytes * 1000 // (width * self._format.sample_rate)

    def encode(self, message: Message) -> list[Payload]:
        """At once, not as they are written: what one message changes holds for the next, which may come while the socket is slow."""
        return [to_json({"type": kind, "event_id": self._event_id(), **fields}) for kind, fields in self._told(message)]

    def _event_id(self) -> str:
        self._events += 1
        return f"event_{self._id}_{self._events}"

    def _told(self, message: Message) -> Iterator[Event]:
        match message:
            case SessionCreated():
                self._created = message
                yield "session.created", self._session(DEFAULT_FORMAT, DEFAULTS)
            case ErrorSent(fatal=True):
                error = {"type": "invalid_request_error", "code": message.code, "message": message.message, "param": None, "event_id": None}
                yield "error", {"error": error}
            case SessionConfigured():
                if self._unanswered.popleft():
                    kind = "transcription_session.updated" if self._items.legacy else "session.updated"
                    yield kind, self._session(message.format, message.settings)
            case _:
                pass
        yield from self._items.told(message)

    def _session(self, format: AudioFormat, settings: Settings) -> dict[str, Any]:
        include = [LOGPROBS] if self._items.logprobs else []
        assert self._created
        session = told_session(format, settings, model=self._created.model, include=include, legacy=self._items.legacy)
        about = {name: getattr(self._created, name) for name in ("server", "model", "device", "capabilities", "notice")}
        return {"session": {"id": f"sess_{self._id}", **session, "sensevoice": about}}


ROUTE: Final = Route(name="openai_realtime", paths=(PATH,), subprotocol=first_of(SUBPROTOCOL), open=OpenAIRealtime)
