"""Deepgram's ``/v1/listen``, as its SDKs and the frameworks on top of them speak it.

The query says everything at the handshake. Binary messages are audio; ``KeepAlive``, ``Finalize``, ``Configure`` and ``CloseStream`` are
text. Back come ``Results``, and where they were asked for ``SpeechStarted`` and ``UtteranceEnd``; ``Metadata`` is the last. What our model
knows beyond Deepgram's rides as ``sensevoice`` in each alternative: their models let other fields through.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from streamer.core.events import (
    Audio,
    Closed,
    Configure,
    ErrorSent,
    Flush,
    Flushed,
    Input,
    Keepalive,
    Language,
    Message,
    Partial,
    Quiet,
    Rejected,
    SessionConfigured,
    SessionCreated,
    SpeechStarted,
    Stop,
    Word,
)
from streamer.core.events import Final as FinalMessage
from streamer.errors import InvalidMessage
from streamer.wires import Handshake, Payload, Route, Wire
from streamer.wires.deepgram_query import read_changes, read_query
from streamer.wires.plain import read_json, to_json
from streamer.wires.sensevoice import heard

PATH: Final = "/v1/listen"
TOKENS: Final = ("token", "bearer")
"""Subprotocols after which browsers put their key."""
IDLE_S: Final = 10.0
UNREADABLE: Final = "a text message is not KeepAlive, Finalize, Configure or CloseStream; audio goes into binary messages"
ENDED: Final = ("endpoint", "flush", "stop")
"""Reasons after which nothing more of an utterance will come; a cut at the greatest length is none."""
CLOSES: Final[Mapping[str, tuple[int, str]]] = {
    "stop": (1000, ""),
    "idle_timeout": (1011, "NET-0001: neither audio nor KeepAlive came within 10 s"),
    "invalid_audio": (1008, "DATA-0000: the audio cannot be decoded; see encoding and sample_rate"),
}
NO_WORDS: Final = ".,!?;:\"'()[]{}。，！？；：、…「」『』（）《》"  # around a word, which Deepgram also gives without


class Deepgram(Wire):
    """One stream. Raises ``Refused`` for a query that cannot be served."""

    idle_timeout_s = IDLE_S

    def __init__(self, handshake: Handshake) -> None:
        self._asked = read_query(handshake.query)
        self._id, self._created = handshake.session_id, handshake.at
        self.headers = {"dg-request-id": self._id}
        self._model = ""
        self._sha256 = hashlib.sha256()
        self._can_prefer = False
        self._finalized: list[bool] = []  # of each Finalize that is not answered yet, whether a result has said so
        self._configured: list[list[str] | None] = []  # keyterms of each Configure that is not answered yet

    def open(self) -> tuple[Input, ...]:
        return (self._asked.start,)

    def close(self, code: int, reason: str) -> tuple[int, str]:
        return CLOSES.get(reason, (code, reason))

    def decode(self, data: Payload) -> tuple[Input, ...]:
        if isinstance(data, bytes):
            self._sha256.update(data)
            return (Audio(data),) if data else (Stop(),)
        try:
            message = read_json(data)
        except (ValueError, RecursionError):
            message = None
        match message:
            case {"type": "KeepAlive"}:
                return (Keepalive(),)
            case {"type": "Finalize"}:
                self._finalized.append(False)
                return (Flush(),)
            case {"type": "CloseStream"}:
                return (Stop(),)
            case {"type": "Configure"} if (changes := read_changes(message)) is not None:
                self._configured.append(message.get("keyterms"))
                return (Configure(changes),)
            case _:
                return (Rejected(InvalidMessage(UNREADABLE)),)

    def encode(self, message: Message) -> Iterator[Payload]:
        if isinstance(message, SessionCreated):
            self._model, self._can_prefer = message.model, message.capabilities.hotwords
        for found in self._said(message):
            yield to_json(found)

    def _said(self, message: Message) -> Iterator[dict[str, Any]]:
        match message:
            case Partial():
                words, text = message.words, message.stable + message.unstable
                yield self._results(message, text, words, is_final=False)
            case FinalMessage():
                flushed = message.end_reason == "flush"
                if flushed and self._finalized:
                    self._finalized[0] = True
                yield self._results(message, message.text, message.words, is_final=True, reason=message.end_reason)
            case ErrorSent(segment=int(), channel=int(channel)):
                yield self._empty(channel, from_finalize=False)  # what was said there is lost, and nobody may wait for it
            case Flushed():
                if not (self._finalized and self._finalized.pop(0)):
                    yield self._empty(0, from_finalize=True)
            case _:
                yield from self._told(message)

    def _told(self, message: Message) -> Iterator[dict[str, Any]]:
        """What is not a result."""
        match message:
            case SessionConfigured() if self._configured:  # nobody waits for an answer to the query
                yield self._configure_answer(self._configured.pop(0), message.settings.hotwords)
            case ErrorSent(code=InvalidMessage.code):
                yield {"type": "Error", "variant": "SchemaError", "description": message.message}
            case SpeechStarted(channel=channel) if self._asked.vad_events:
                yield {"type": "SpeechStarted", "channel": self._of(channel), "timestamp": message.begin_ms / 1000}
            case Quiet(channel=channel):
                yield {"type": "UtteranceEnd", "channel": self._of(channel), "last_word_end": message.end_ms / 1000}
            case Closed():
                yield self._metadata(message.totals)
            case _:
                pass

    def _configure_answer(self, keyterms: list[str] | None, now: Sequence[str]) -> dict[str, Any]:
        if keyterms and not self._can_prefer:
            sentence = f"{self._model} cannot prefer words; keyterms have no effect"
            return {"type": "ConfigureFailure", "request_id": self._id, "code": "CONFIGURE_KEYTERMS_NOT_SUPPORTED", "description": sentence}
        return {"type": "ConfigureSuccess", "request_id": self._id, **({} if keyterms is None else {"keyterms": list(now)})}

    def _results(
        self, message: Partial | FinalMessage, text: str, words: Sequence[Word], *, is_final: bool, reason: str = ""
    ) -> dict[str, Any]:
        language = message.language if message.language and message.language.code != "nospeech" else None
        alternative = {
            "transcript": text.strip(),
            "confidence": message.confidence or 0.0,
            "languages": [language.code] if language else [],
            "words": [_word(word, language) for word in words],
            "sensevoice": heard(message),
        }
        return self._envelope(
            message.channel,
            message.begin_ms / 1000,
            (message.end_ms - message.begin_ms) / 1000,
            alternative,
            is_final=is_final,
            speech_final=reason in ENDED,
            from_finalize=reason == "flush",
        )

    def _empty(self, channel: int, *, from_finalize: bool) -> dict[str, Any]:
        alternative = {"transcript": "", "confidence": 0.0, "languages": [], "words": []}
        return self._envelope(channel, 0.0, 0.0, alternative, is_final=True, speech_final=from_finalize, from_finalize=from_finalize)

    def _envelope(self, channel: int, start: float, duration: float, alternative: dict[str, Any], **flags: bool) -> dict[str, Any]:
        return {
            "type": "Results",
            "channel_index": self._of(channel),
            "duration": round(duration, 3),
            "start": round(start, 3),
            **flags,
            "channel": {"alternatives": [alternative]},
            "metadata": {"request_id": self._id, "model_info": self._model_info, "model_uuid": self._model},
            "entities": [],
        }

    def _metadata(self, totals: Mapping[str, int]) -> dict[str, Any]:
        return {
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self._id,
            "sha256": self._sha256.hexdigest(),
            "created": self._created,
            "duration": totals["audio_ms"] / 1000,
            "channels": self._asked.channels,
            "models": [self._model],
            "model_info": {self._model: self._model_info},
        }

    @property
    def _model_info(self) -> dict[str, str]:
        return {"name": self._model, "version": "", "arch": self._model}

    def _of(self, channel: int) -> list[int]:
        return [channel, self._asked.channels]


def _word(word: Word, language: Language | None) -> dict[str, Any]:
    text = word.text.strip()
    found: dict[str, Any] = {
        "word": text.strip(NO_WORDS).lower() or text,
        "start": word.begin_ms / 1000,
        "end": word.end_ms / 1000,
        "confidence": word.confidence or 0.0,
        "punctuated_word": text,
    }
    return found | ({"language": language.code} if language else {})


def _subprotocol(offered: Sequence[str]) -> str | None:
    return offered[0] if offered and offered[0].lower() in TOKENS else None


ROUTE: Final = Route(name="deepgram", paths=(PATH,), subprotocol=_subprotocol, open=Deepgram)
