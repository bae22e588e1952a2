"""FreeSWITCH's ``mod_audio_fork``, and jambonz's ``listen`` verb on top of it: one text with metadata, then 16-bit PCM in binary messages.

What the audio is the module does not say: the operator writes it into the metadata or the address. Results go back as ``transcription``,
which FreeSWITCH turns into an event with ``data`` as its body. An empty binary message is the module's graceful shutdown; otherwise it
closes without a word.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from streamer.core.events import Audio, AudioFormat, ErrorSent, Input, Message, Partial, Rejected, Settings, Start, Stop
from streamer.core.events import Final as FinalMessage
from streamer.errors import InvalidAudio, InvalidSetting
from streamer.wires import Handshake, Payload, Route, Wire
from streamer.wires.languages import by_tag
from streamer.wires.plain import read_json, to_json
from streamer.wires.telephone import AGENT, CALL_NAMES, CUSTOMER, MIXED, call_id, heard, named, rate_of, read_query, text_of, transcript

PATH: Final = "/audio-fork"
RATE: Final = 8_000  # where nothing is said
RATES: Final = ("samplerate", "samplingrate", "sampling", "rate")
MIXES: Final = {"mono": (CUSTOMER,), "mixed": (MIXED,), "stereo": (CUSTOMER, AGENT)}
"""Names of what FreeSWITCH sends: what it hears from the forked leg comes first, what it says to it second."""


class AudioFork(Wire):
    """One fork of one leg. Raises ``Refused`` for a query that cannot be read."""

    finishes = True

    def __init__(self, handshake: Handshake) -> None:
        self._asked = read_query(handshake.query)
        self.call = self._asked.call
        self._names: tuple[str, ...] | None = None  # once it has started

    def decode(self, data: Payload) -> tuple[Input, ...]:
        if isinstance(data, bytes):
            if not data:
                return (Stop(),)
            return (*(self._start(None) if self._names is None else ()), Audio(data))
        if self._names is not None:
            return ()  # what the application sends in mid-call is not for us
        try:
            return self._start(read_json(data))
        except (ValueError, RecursionError):  # metadata may be anything
            return self._start(None)

    def _start(self, metadata: object) -> tuple[Input, ...]:
        told = named(metadata, *RATES)
        rate = self._asked.rate or (RATE if told is None else rate_of(told))
        if rate is None:
            return (Rejected(InvalidAudio(f"the rate is {str(told)[:40]!r}, expected samples a second, such as 8000 or 16k")),)
        names = self._channels(metadata)
        try:
            audio = AudioFormat(sample_rate=rate, channels=len(names), channel_names=names)
        except InvalidSetting as error:
            return (Rejected(InvalidAudio(str(error))),)
        self._names = names
        self.call = self.call or call_id(named(metadata, *CALL_NAMES))
        language = by_tag(self._asked.language or text_of(named(metadata, "language")))
        return (Start(audio, Settings(language=language, partials=self._asked.interim, sounds=False)),)

    def _channels(self, metadata: object) -> tuple[str, ...]:
        """Their names. The address has the last word, and ``mixType`` more than a number of channels."""
        if self._asked.names:
            return self._asked.names
        mix = text_of(named(metadata, "mixtype")).lower()
        if self._asked.channels is None and mix in MIXES:
            return MIXES[mix]
        count = self._asked.channels or named(metadata, "channels")
        return MIXES["stereo" if count in (2, "2") else "mixed" if mix == "mixed" else "mono"]

    def encode(self, message: Message) -> Iterator[Payload]:
        match message:
            case Partial() | FinalMessage() if transcript(message):
                yield to_json({"type": "transcription", "data": self._data(message)})
            case ErrorSent(fatal=True):
                yield to_json({"type": "error", "data": {"code": message.code, "message": message.message}})
            case _:
                pass

    def _data(self, message: Partial | FinalMessage) -> dict[str, Any]:
        assert self._names
        found: dict[str, Any] = {
            "is_final": isinstance(message, FinalMessage),
            "transcript": transcript(message),
            "channel": message.channel,
            "channel_name": self._names[message.channel],
            "segment": message.segment,
        }
        return found | heard(message) | ({"words": message.words} if isinstance(message, FinalMessage) else {})


def _subprotocol(offered: Sequence[str]) -> str | None:
    """``audio.drachtio.org``, before that ``audiostream.drachtio.org``, ``audio.jambonz.org``, or the operator's own: one is offered."""
    return offered[0] if offered else None


ROUTE: Final = Route(name="audio-fork", paths=(PATH,), subprotocol=_subprotocol, open=AudioFork)
