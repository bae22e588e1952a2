"""sherpa-onnx's streaming WebSocket, as its Python and its C++ servers speak it.

Binary messages are float32 samples at 16 kHz; the text ``Done`` ends. Results are JSON with the fields of both servers: the text of a
``segment`` is replaced by each message of it, and the number grows when it is final. Clients keep a list of texts by that number, so the
numbers leave none out, and nothing is told of a segment before the one before it is final.
"""

from collections.abc import Iterator
from typing import Any, Final

from streamer.core.events import (
    Audio,
    AudioFormat,
    Closed,
    Encoding,
    ErrorSent,
    Input,
    Message,
    Partial,
    Rejected,
    Settings,
    SpeechStarted,
    Start,
    Stop,
)
from streamer.core.events import Final as FinalMessage
from streamer.errors import InvalidMessage
from streamer.wires import Handshake, Payload, Route, Wire, first_of
from streamer.wires.plain import to_json
from streamer.wires.sensevoice import heard
from streamer.wires.sherpa_result import language_of, log_probabilities, tokens_of

PATH: Final = "/sherpa-onnx/online"
DONE: Final = "Done"  # the client's last word
ALL_DONE: Final = "Done!"  # ours: the C++ client hangs up at it, and Python ones stop to read
EXPECTED: Final = "expected Done; audio goes into binary messages, as float32 at 16 kHz"


class Online(Wire):
    """One stream."""

    def __init__(self, handshake: Handshake) -> None:
        self._language = language_of(handshake.query)
        self._done = self._eof = False
        self._told: dict[int, str] = {}  # of each segment without a final, in order; only of the first is anything told
        self._number = 0  # of that one, to the client

    def open(self) -> tuple[Input, ...]:
        settings = Settings(language=self._language, sounds=False, partial_words=True)
        return (Start(AudioFormat(encoding=Encoding.PCM_F32LE), settings),)

    def decode(self, data: Payload) -> tuple[Input, ...]:
        if self._done:
            return ()
        if isinstance(data, bytes):
            return (Audio(data),)
        if data.strip() == DONE:
            self._done = True
            return (Stop(),)
        return (Rejected(InvalidMessage(f"a text message is {data[:40]!r}, {EXPECTED}")),)

    def encode(self, message: Message) -> Iterator[Payload]:
        match message:
            case SpeechStarted(segment=segment):
                self._told[segment] = ""
            case Partial(segment=segment) if segment == next(iter(self._told), None):
                self._told[segment] = message.stable + message.unstable
                yield self._result(message, self._told[segment])
            case FinalMessage():
                yield from self._final(message)
            case ErrorSent():
                yield self._error(message)
            case Closed(reason="stop"):
                if not self._eof:  # a Python client fails without any result, and C++ ones wait for this one
                    yield self._plain("", is_final=True, is_eof=True)
                yield ALL_DONE
            case _:
                pass

    def _final(self, final: FinalMessage) -> Iterator[str]:
        told = self._told.pop(final.segment, "")
        if final.text or told:  # of what was never told, nothing has to be taken back
            self._eof = final.end_reason == "stop"
            yield self._result(final, final.text, is_final=True, is_eof=self._eof)
            self._number += 1

    def _error(self, error: ErrorSent) -> str:
        """In the shape of a result: clients look for its fields in whatever comes."""
        if error.segment is None:
            return self._plain(next(iter(self._told.values()), ""), error=error.message)
        self._told.pop(error.segment, None)
        lost = self._plain("", is_final=True, error=error.message)
        self._number += 1
        return lost

    def _result(self, message: Partial | FinalMessage, text: str, **more: Any) -> str:
        more["timestamps"] = [(word.begin_ms - message.begin_ms) / 1000 for word in message.words]
        more |= {"tokens": tokens_of(text, message.words), "ys_probs": log_probabilities(message.words)}
        return self._plain(text, start_time=message.begin_ms / 1000, **more, sensevoice=heard(message))

    def _plain(self, text: str, **more: Any) -> str:
        """In the order of the C++ server, whose hypotheses, language model and word ids we do not have."""
        fields: dict[str, Any] = {"text": text, "tokens": [], "timestamps": [], "ys_probs": [], "lm_probs": [], "context_scores": []}
        fields |= {"segment": self._number, "words": [], "start_time": 0.0, "is_final": False, "is_eof": False}
        return to_json(fields | more)


ROUTE: Final = Route(name="sherpa-online", paths=(PATH,), subprotocol=first_of(), open=Online)
