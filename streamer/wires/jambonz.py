"""jambonz's custom speech recogniser: ``start``, 16-bit PCM in binary messages, ``stop``; the server closes.

Back come ``transcription`` messages. jambonz hands them on to the application as they are, so what our model knows beyond them rides along
as ``sensevoice``.
"""

from collections.abc import Iterator
from typing import Any, Final

from streamer.core.events import Audio, AudioFormat, ErrorSent, Input, Message, Partial, Rejected, Settings, Start, Stop
from streamer.core.events import Final as FinalMessage
from streamer.errors import InvalidAudio, InvalidMessage, InvalidSetting
from streamer.wires import Handshake, Payload, Route, Wire, bounds, first_of
from streamer.wires.languages import by_tag
from streamer.wires.plain import read_json, to_json
from streamer.wires.telephone import CALL_NAMES, CUSTOMER, call_id, heard, named, rate_of, read_query, text_of, transcript

PATH: Final = "/jambonz"
RATE: Final = 8_000  # what jambonz sent before it said so
UNREADABLE: Final = "a text message is not start or stop; audio goes into binary messages"


class Jambonz(Wire):
    """One recogniser of one leg. Raises ``Refused`` for a query that cannot be read."""

    finishes = True

    def __init__(self, handshake: Handshake) -> None:
        self._asked = read_query(handshake.query)
        self.call = self._asked.call
        self._started = False
        self._language = self._asked.language or ""

    def decode(self, data: Payload) -> tuple[Input, ...]:
        if isinstance(data, bytes):
            return (Audio(data),) if data else ()
        try:
            message = read_json(data)
        except (ValueError, RecursionError):
            message = None
        match message:
            case {"type": "start"} if not self._started:
                return self._start(message)
            case {"type": "start"}:
                return ()
            case {"type": "stop"}:
                return (Stop(),)
            case _:
                return (Rejected(InvalidMessage(UNREADABLE)),)

    def _start(self, message: dict[str, Any]) -> tuple[Input, ...]:
        options = message.get("options")
        encoding, told = message.get("encoding", "LINEAR16"), message.get("sampleRateHz", RATE)
        rate = self._asked.rate or rate_of(told)
        if encoding != "LINEAR16" or rate is None:
            shown = f"encoding is {str(encoding)[:40]!r} and sampleRateHz {str(told)[:40]!r}"
            return (Rejected(InvalidAudio(f"{shown}, expected 'LINEAR16' and a rate such as 8000")),)
        count = self._asked.channels or 1
        name = text_of(named(options, "channel")) or CUSTOMER
        names = self._asked.names or ((name,) if count == 1 else ())
        try:
            audio = AudioFormat(sample_rate=rate, channels=count, channel_names=names)
        except InvalidSetting as error:
            return (Rejected(InvalidAudio(str(error))),)
        self._started = True
        self.call = self.call or call_id(named(options, *CALL_NAMES))
        self._language = self._language or text_of(message.get("language"))
        settings = Settings(
            language=by_tag(self._language),
            partials=message.get("interimResults") is True,
            sounds=False,
            hotwords=_hints(named(options, "hints")),
        )
        return (Start(audio, settings),)

    def encode(self, message: Message) -> Iterator[Payload]:
        match message:
            case Partial() | FinalMessage() if transcript(message):
                yield to_json(self._transcription(message))
            case ErrorSent(fatal=True):  # an application takes an error for the end of recognition
                yield to_json({"type": "error", "error": message.message})
            case _:
                pass

    def _transcription(self, message: Partial | FinalMessage) -> dict[str, Any]:
        return {
            "type": "transcription",
            "is_final": isinstance(message, FinalMessage),
            "alternatives": [{"transcript": transcript(message), "confidence": message.confidence or 0.0}],
            "channel": message.channel + 1,
            "language": self._language or (message.language.code if message.language else ""),
            "sensevoice": heard(message),
        }


def _hints(value: object) -> tuple[str, ...]:
    """A list of words, or of objects with a ``phrase``, which jambonz writes as JSON in a string."""
    if isinstance(value, str):
        try:
            value = read_json(value)
        except (ValueError, RecursionError):
            return ()
    words = [text_of(named(word, "phrase")) or text_of(word) for word in value] if isinstance(value, list) else []
    return bounds.hotwords(words)


ROUTE: Final = Route(name="jambonz", paths=(PATH,), subprotocol=first_of(), open=Jambonz)
