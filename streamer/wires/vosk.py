"""Vosk's server, as telephone exchanges, meetings and its own programs speak to it: PCM16 in binary messages, one reply for each.

Many clients wait for the reply before they send on, and others read as many as they sent: a message with audio has exactly one, once that
audio has been heard and the segments that ended in it are answered. ``config`` has none; ``reset`` and ``eof`` have a final one. There are
no errors in this protocol; what ends a connection before its time is told in the reason of the close.

A reply is a final if somebody's words were answered since the last one, several segments joined to one. Otherwise it is partial, with what
is being said. Nothing said is a single space: without the key jigasi and vosk-transcriber fail and FreeSWITCH ends its recognition, at
``null`` jigasi fails, and ``""``, which Vosk itself says, has FreeSWITCH drop the reply with all that is in it. To FreeSWITCH a space is
an event, and in a caption it is a blank; whoever minds adds ``?empty=true`` to the address, and gets Vosk's ``""``.
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
    Rejected,
    Settings,
    Start,
    Stop,
    Sync,
    Synced,
)
from streamer.core.events import Final as FinalMessage
from streamer.errors import InvalidAudio, InvalidMessage, InvalidSetting
from streamer.wires import Handshake, Payload, Route, Said, Wire, bounds, first_of
from streamer.wires.languages import by_tag
from streamer.wires.vosk_config import Config, read_command, read_config
from streamer.wires.vosk_replies import final, partial, said, written

PATH: Final = "/vosk"
UNREADABLE: Final = "a text message is not config, eof or reset in JSON; audio goes into binary messages"

Told = Iterator[Input | Said]


class Vosk(Wire):
    """One connection. Its session starts with the first audio, since until then a client may still tell the rate."""

    def __init__(self, handshake: Handshake) -> None:
        asked = {name: values[-1].lower() for name, values in handshake.query.items() if values}
        self._language = by_tag(asked.get("language", ""))
        self._itn = asked.get("itn") not in ("false", "0")
        self._blank = asked.get("empty") not in ("true", "1")
        self._config = Config()
        self._started = self._over = False
        self._spoken: dict[int, Partial] = {}  # the newest of each segment without a final, in order
        self._finals: list[FinalMessage] = []  # since the last reply
        self._failure = ""

    def decode(self, data: Payload) -> Told:
        if self._over:
            return
        match read_command(data):
            case {"config": dict(values)}:
                yield from self._configure(values)
            case {"config": value}:
                yield Rejected(InvalidMessage(f"config is {str(value)[:40]!r}, expected an object such as {{'sample_rate': 16000}}"))
            case {"eof": value} if value:
                self._over = True
                yield Stop()
            case dict():
                yield Flush() if self._started else Said(self._final())
            case _ if isinstance(data, bytes):
                yield from self._hear(data)
            case _:  # who sent it may wait for a reply
                yield Rejected(InvalidMessage(UNREADABLE))
                yield from self._hear(b"")

    def _configure(self, values: Mapping[str, Any]) -> Told:
        before = self._config
        try:
            after = read_config(values, before)
        except InvalidAudio as error:
            yield Rejected(InvalidSetting("sample_rate", values["sample_rate"], self._rate) if self._started else error)
            return
        if self._started and after.sample_rate != before.sample_rate:  # Vosk's server goes on as well
            yield Rejected(InvalidSetting("sample_rate", after.sample_rate, self._rate))
            after = replace(after, sample_rate=before.sample_rate)
        self._config = after
        if self._started and after.hotwords != before.hotwords:
            yield Configure({"hotwords": after.hotwords})

    @property
    def _rate(self) -> str:
        return f"{self._config.sample_rate}, with which the audio began; connect again for another"

    def _hear(self, data: bytes) -> Told:
        if not self._started and not data:
            yield Said(self._partial())
            return
        if not self._started:
            self._started = True
            settings = Settings(language=self._language, itn=self._itn, hotwords=self._config.hotwords, sounds=False)
            yield Start(AudioFormat(sample_rate=self._config.sample_rate), settings)
        if data:
            yield Audio(data)
        yield Sync()

    def encode(self, message: Message) -> Iterator[Payload]:
        match message:
            case Partial():
                self._spoken[message.segment] = message
            case FinalMessage():
                self._spoken.pop(message.segment, None)
                self._finals.append(message)
            case ErrorSent(fatal=True):
                self._failure = message.message
            case ErrorSent(segment=int(segment)):
                self._spoken.pop(segment, None)
            case Synced():
                yield self._final() if said(self._finals) else self._partial()
            case Flushed():
                yield self._final()
            case Closed() if self._over or said(self._finals):  # the server may stop with words that nobody has asked for yet
                yield self._final()
            case _:
                pass

    def close(self, code: int, reason: str) -> tuple[int, str]:
        text = self._failure or ("" if reason == "stop" else reason)
        return code, bounds.close_reason(text)

    def _partial(self) -> str:
        return written(partial(self._answered(), list(self._spoken.values())), blank=self._blank)

    def _final(self) -> str:
        return written(final(self._answered(), self._config), blank=self._blank)

    def _answered(self) -> list[FinalMessage]:
        """Since the last reply, for this one."""
        finals, self._finals = self._finals, []
        return finals


ROUTE: Final = Route(name="vosk", paths=(PATH,), subprotocol=first_of(), open=Vosk)
