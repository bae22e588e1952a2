"""Vonage's WebSockets: Voice API and Audio Connector. One JSON text, then 16-bit PCM in binary messages.

Vonage takes audio to play and two commands for it, but has no place for text: results are for those who follow the call.
"""

from collections.abc import Iterable
from typing import Any, Final

from streamer.core.events import Audio, AudioFormat, Input, Message, Rejected, Settings, Start
from streamer.errors import InvalidAudio, InvalidMessage, InvalidSetting
from streamer.wires import Handshake, Payload, Route, Wire, first_of
from streamer.wires.languages import by_tag
from streamer.wires.plain import read_json
from streamer.wires.telephone import CALL_NAMES, MIXED, call_id, named, rate_of, read_query, text_of

PATH: Final = "/vonage"
UNREADABLE: Final = "a text message is not a JSON object with event; audio goes into binary messages"
RATE: Final = 16_000  # where the content type names none


class Vonage(Wire):
    """One leg. Raises ``Refused`` for a query that cannot be read."""

    finishes = True

    def __init__(self, handshake: Handshake) -> None:
        self._asked = read_query(handshake.query)
        self.call = self._asked.call
        self._started = False

    def decode(self, data: Payload) -> tuple[Input, ...]:
        if isinstance(data, bytes):
            return (Audio(data),) if data else ()
        try:
            message = read_json(data)
        except (ValueError, RecursionError):
            message = None
        match message:
            case {"event": "websocket:connected"} if not self._started:
                return self._start(message)
            case {"event": str()}:
                return ()  # dtmf, notify, cleared, and whatever else happens in a call
            case _:
                return (Rejected(InvalidMessage(UNREADABLE)),)

    def _start(self, message: dict[str, Any]) -> tuple[Input, ...]:
        """The operator's own headers lie beside Vonage's fields."""
        self.call = self.call or call_id(named(message, *CALL_NAMES))
        kind, _, parameters = text_of(message.get("content-type")).lower().replace(" ", "").partition(";")
        given = dict(part.partition("=")[::2] for part in parameters.split(";"))
        rate = self._asked.rate or (rate_of(given["rate"]) if "rate" in given else RATE)
        if kind != "audio/l16" or rate is None:
            shown = str(message.get("content-type"))[:60]
            return (Rejected(InvalidAudio(f"content-type is {shown!r}, expected audio/l16;rate=8000, 16000 or 24000")),)
        names = self._asked.names or (text_of(named(message, "channel")) or MIXED,)
        try:
            audio = AudioFormat(sample_rate=rate, channel_names=names)
        except InvalidSetting as error:
            return (Rejected(InvalidAudio(str(error))),)
        self._started = True
        language = by_tag(self._asked.language or text_of(message.get("language")))
        return (Start(audio, Settings(language=language, sounds=False)),)

    def encode(self, message: Message) -> Iterable[Payload]:
        return ()


ROUTE: Final = Route(name="vonage", paths=(PATH,), subprotocol=first_of(), open=Vonage)
