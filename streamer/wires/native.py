"""The native wire, as written down in docs/protocol.md: binary audio in, JSON or MessagePack out."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgpack

from streamer.core.events import (
    Audio,
    AudioFormat,
    Closed,
    Configure,
    Encoding,
    ErrorSent,
    Flush,
    Flushed,
    GoingAway,
    Heartbeat,
    Input,
    Keepalive,
    Message,
    Partial,
    Quiet,
    Rejected,
    SessionConfigured,
    SessionCreated,
    SessionResumed,
    Settings,
    Sound,
    SpeechEnded,
    SpeechStarted,
    Start,
    Stop,
    Sync,
    Synced,
    Warned,
)
from streamer.core.events import Final as FinalMessage
from streamer.errors import InvalidMessage, InvalidSetting, SessionError
from streamer.wires import Back, Handshake, Payload, Refused, Route, Wire, first_of
from streamer.wires.plain import plain, read_json, to_json

MESSAGE_TYPES: Final[Mapping[type[Message], str]] = {
    SessionCreated: "session.created",
    SessionResumed: "session.resumed",
    SessionConfigured: "session.configured",
    SpeechStarted: "speech.started",
    Partial: "partial",
    SpeechEnded: "speech.ended",
    FinalMessage: "final",
    Quiet: "quiet",
    Sound: "sound",
    Flushed: "flushed",
    Synced: "synced",
    Heartbeat: "heartbeat",
    Warned: "warning",
    ErrorSent: "error",
    GoingAway: "going_away",
    Closed: "closed",
}
AGREED: Final = first_of("msgpack", "json")
"""Neither is not an error, it means JSON."""

LONGEST_NUMBER: Final = 15  # digits

_Check = Callable[[Any], bool]


def _integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_STRING: Final = ("a string", lambda value: isinstance(value, str))
_INTEGER: Final = ("an integer", _integer)
_ID: Final = ("a string, an integer or null", lambda value: value is None or isinstance(value, str) or _integer(value))
_BOOLEAN: Final = ("true or false", lambda value: isinstance(value, bool))
_STRINGS: Final = ("a list of strings", lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value))

FORMAT_FIELDS: Final[Mapping[str, tuple[str, _Check]]] = {
    "format": _STRING,
    "sample_rate": _INTEGER,
    "channels": _INTEGER,
    "mix": _BOOLEAN,
    "channel_names": _STRINGS,
}
SETTING_FIELDS: Final[Mapping[str, tuple[str, _Check]]] = {
    "language": _STRING,
    "itn": _BOOLEAN,
    "partials": _BOOLEAN,
    "partial_words": _BOOLEAN,
    "sounds": _BOOLEAN,
    "emotion_trend": _BOOLEAN,
    "hotwords": _STRINGS,
    "endpoints": _BOOLEAN,
    "endpoint_silence_ms": _INTEGER,
    "max_segment_ms": _INTEGER,
    "quiet_ms": _INTEGER,
    "resume": _BOOLEAN,
    "store": _BOOLEAN,
    "record": _BOOLEAN,
}
CLIENT_MESSAGES: Final[Mapping[str, Mapping[str, tuple[str, _Check]]]] = {
    "start": {**FORMAT_FIELDS, **SETTING_FIELDS},
    "configure": SETTING_FIELDS,
    "flush": {"id": _ID},
    "sync": {"id": _ID},
    "keepalive": {},
    "stop": {},
}


class Native(Wire):
    """``subprotocol`` is the one agreed on in the handshake, or ``None``. Messages are numbered: who comes back says what it has seen."""

    resumable = True

    def __init__(self, subprotocol: str | None = None, back: Back | None = None) -> None:
        self.subprotocol, self.back = subprotocol, back
        self._packed = subprotocol == "msgpack"
        self.number = 0

    def decode(self, data: str | bytes) -> tuple[Input, ...]:
        if isinstance(data, bytes):
            return (Audio(data),)
        try:
            return (_read(data),)
        except SessionError as error:
            return (Rejected(error),)

    def encode(self, message: Message) -> tuple[Payload]:
        if isinstance(message, SessionResumed):  # goes before what was missed, and counts for nothing
            seq = message.after
        else:
            seq = self.number = self.number + 1
        return (self._encoded({"type": MESSAGE_TYPES[type(message)], "seq": seq, **plain(message)}),)

    def _encoded(self, told: dict[str, Any]) -> Payload:
        if self._packed:
            packed: bytes = msgpack.packb(told, default=plain)
            return packed
        return to_json(told)


ROUTE: Final = Route(
    name="native",
    paths=("/ws", "/"),  # "/" is the page for a browser, and the native wire for whoever asks to upgrade
    subprotocol=AGREED,
    open=lambda handshake: Native(AGREED(handshake.offered), _back(handshake)),
)


def _back(handshake: Handshake) -> Back | None:
    """Raises ``Refused`` for a number that is none."""
    if not (tokens := handshake.query.get("resume")):
        return None
    after = handshake.query.get("after", ["0"])[-1]
    if not after.isascii() or not after.isdecimal() or len(after) > LONGEST_NUMBER:
        raise Refused(400, f"after is {after[:40]!r}, expected the seq of the last message that came, or 0")
    return Back(token=tokens[-1], after=int(after), subprotocol=AGREED(handshake.offered))


def _read(data: str) -> Input:
    try:
        message = read_json(data)
    except (ValueError, RecursionError) as error:
        raise InvalidMessage(f"a text message is not JSON ({error}); audio goes into binary messages") from None
    if not isinstance(message, dict):
        raise InvalidMessage(f"a text message is {_shown(message)}, expected an object with a type")
    kind = message.get("type")
    known = CLIENT_MESSAGES.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise InvalidMessage(f"type is {_shown(kind)}, expected one of {', '.join(CLIENT_MESSAGES)}")
    given = {name: message[name] for name in known if name in message}
    for name, value in given.items():
        expected, check = known[name]
        if not check(value):
            raise InvalidMessage(f"{kind}.{name} is {_shown(value)}, expected {expected}")
    match kind:
        case "start":
            return _start(given)
        case "configure":
            return Configure(_settings(given))
        case "flush":
            return Flush(given.get("id"))
        case "sync":
            return Sync(given.get("id"))
        case "keepalive":
            return Keepalive()
        case _:
            return Stop()


def _start(given: dict[str, Any]) -> Start:
    encoding = given.pop("format", Encoding.PCM_S16LE)
    if encoding not in list(Encoding):
        raise InvalidSetting("format", encoding, "one of " + ", ".join(Encoding))
    shape = _settings({name: given.pop(name) for name in FORMAT_FIELDS if name in given})
    return Start(AudioFormat(encoding=Encoding(encoding), **shape), Settings(**_settings(given)))


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


def _shown(value: object) -> str:
    """A value as it stood in the message, shortened."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
