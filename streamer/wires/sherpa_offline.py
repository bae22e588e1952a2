"""sherpa-onnx's non-streaming WebSocket: whole utterances, each answered once, in order, over one connection.

Binary messages are one stream of bytes, cut anywhere: a header of two little-endian int32, the sample rate and the number of bytes, then
so many bytes of float32, then the next header. Answers are JSON as of the C++ server, or text alone as of the Python one; their clients
send the same, so the address says which is wanted. The rate may change from one utterance to the next: the session hears 16 kHz.
"""

import struct
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Final

from streamer.core.audio import PcmDecoder
from streamer.core.events import (
    Audio,
    AudioFormat,
    Encoding,
    ErrorSent,
    Flush,
    Flushed,
    Heartbeat,
    Input,
    Message,
    Settings,
    SpeechStarted,
    Start,
    Stop,
    to_ms,
    to_samples,
)
from streamer.core.events import Final as FinalMessage
from streamer.errors import InvalidAudio, InvalidSetting
from streamer.wires import Handshake, Payload, Refused, Route, Wire, bounds, first_of
from streamer.wires.plain import to_json
from streamer.wires.sherpa_online import DONE
from streamer.wires.sherpa_result import Utterance, language_of, result_of, text_of

PATH: Final = "/sherpa-onnx/offline"
TEXT_PATH: Final = "/sherpa-onnx/offline-text"
HEADER: Final = struct.Struct("<ii")
SAMPLE_BYTES: Final = 4
LONGEST_S: Final = 600
"""Twice what sherpa-onnx takes where nothing is configured. The answer, with all its times, is below the MiB that clients read."""
WAITING: Final = 100  # utterances without an answer; clients wait for each before they send the next
LEAD_MS: Final = 400
"""Silence before each utterance, longer than a segment reaches back from its first sound: none hears the end of the one before."""
LEAD: Final = bytes(2 * to_samples(LEAD_MS))
AHEAD: Final = to_samples(40_000)
"""Audio that the session has before it is held back here. A session that is owed more is not read, and then cannot answer the pings of a
client that still sends: Python's give up after 20 s. What is held is bounded by ``LONGEST_S``: 19 MB."""
INVALID, TOO_BIG = 1007, 1009  # close codes


class Offline(Wire):
    """One connection. The utterance that is received is the last of ``_utterances``, the one that is answered is the first."""

    holds = True

    def __init__(self, handshake: Handshake, form: str) -> None:
        """Raises ``Refused`` for a ``format`` that is neither ``json`` nor ``text``."""
        form = handshake.query.get("format", (form,))[-1]
        if form not in ("json", "text"):
            raise Refused(400, f"format is {form[:40]!r}, expected json or text")
        self._as_text = form == "text"
        self._language = language_of(handshake.query)
        self._header = b""
        self._missing = 0  # bytes of the utterance
        self._decoder = PcmDecoder(AudioFormat())
        self._samples = 0  # received, at 16 kHz
        self._held = bytearray()  # the last of them, as int16
        self._settled = 0  # the first of them, of which the session has said what there is to say
        self._utterances: deque[Utterance] = deque()
        self._begins: dict[int, int] = {}  # ms, of each segment that is not answered
        self._over = False
        self._goodbye: tuple[int, str] | None = None

    def open(self) -> tuple[Input, ...]:
        return (Start(AudioFormat(), Settings(language=self._language, partials=False, sounds=False)),)

    def close(self, code: int, reason: str) -> tuple[int, str]:
        return self._goodbye if self._goodbye and reason == InvalidAudio.code else (code, reason)

    def decode(self, data: Payload) -> tuple[Input, ...]:
        if isinstance(data, str):
            return () if self._over else self._end(data)
        inputs: tuple[Input, ...] = ()
        at = 0
        while at < len(data) and not self._over:
            length = self._missing or HEADER.size - len(self._header)
            part = data[at : at + length]
            at += len(part)
            inputs += self._hear(part) if self._missing else self._read_header(part)
        return inputs

    def _end(self, data: str) -> tuple[Input, ...]:
        if data.strip() != DONE:
            return self._refuse(INVALID, f"a text message is {data[:20]!r}, expected Done; audio goes into binary messages")
        if self._missing:
            return self._refuse(INVALID, f"Done came {self._missing} bytes before the end of the utterance")
        self._over = True
        return (Stop(),)

    def _read_header(self, part: bytes) -> tuple[Input, ...]:
        self._header += part
        if len(self._header) < HEADER.size:
            return ()
        rate, size = HEADER.unpack(self._header)
        self._header = b""
        try:
            audio = AudioFormat(encoding=Encoding.PCM_F32LE, sample_rate=rate)
        except InvalidSetting as error:
            return self._refuse(INVALID, f"header: {error}")
        if size < 0 or size % SAMPLE_BYTES:
            return self._refuse(INVALID, f"header: {size} bytes of audio, expected a multiple of {SAMPLE_BYTES}")
        if size > LONGEST_S * rate * SAMPLE_BYTES:
            seconds = size // (rate * SAMPLE_BYTES)
            return self._refuse(TOO_BIG, f"the utterance has {seconds} s, at most {LONGEST_S} are taken; send it in parts")
        if len(self._utterances) >= WAITING:
            return self._refuse(INVALID, f"{WAITING} utterances wait for their answers; send no more before one came")
        self._decoder, self._missing = PcmDecoder(audio), size
        self._hold(LEAD)
        self._utterances.append(Utterance(to_ms(self._samples)))
        return () if size else self._ended()

    def _hear(self, part: bytes) -> tuple[Input, ...]:
        self._missing -= len(part)
        self._hold(self._decoder.decode(part).astype("<i2").tobytes())
        if not self._missing:
            self._hold(self._decoder.finish().astype("<i2").tobytes())
            return self._ended()
        given = self._samples - len(self._held) // 2
        return self._release(self._settled + AHEAD - given)

    def _ended(self) -> tuple[Input, ...]:
        self._utterances[-1].end_ms = to_ms(self._samples)
        return (*self._release(self._samples), Flush())

    def _hold(self, data: bytes) -> None:
        self._samples += len(data) // 2
        self._held += data

    def _release(self, samples: int) -> tuple[Input, ...]:
        """So many of those that are held, if there are."""
        data = bytes(self._held[: 2 * max(0, samples)])
        del self._held[: len(data)]
        return (Audio(data),) if data else ()

    def _refuse(self, code: int, sentence: str) -> tuple[Input, ...]:
        """What came before is answered first."""
        self._over = True
        self._goodbye = (code, bounds.close_reason(sentence))
        return (Stop("refused", InvalidAudio(sentence)),)

    def encode(self, message: Message) -> Iterator[Payload]:
        match message:
            case SpeechStarted():
                self._begins[message.segment] = message.begin_ms
            case FinalMessage() | ErrorSent(segment=int()):
                assert message.segment is not None
                self._add(message, self._begins.pop(message.segment, 0))
            case Heartbeat(processed_ms=processed_ms):
                self._settled = to_samples(processed_ms)
            case Flushed() if self._utterances:
                utterance = self._utterances.popleft()
                yield text_of(utterance) if self._as_text else to_json(result_of(utterance))
            case _:
                pass

    def _add(self, part: FinalMessage | ErrorSent, begin_ms: int) -> None:
        """The next utterance may have been heard before the answer to this one was due."""
        for utterance in self._utterances:
            if begin_ms < utterance.end_ms:
                utterance.parts.append(part)
                return


ROUTE: Final = Route(name="sherpa-offline", paths=(PATH,), subprotocol=first_of(), open=partial(Offline, form="json"))
TEXT_ROUTE: Final = Route(name="sherpa-offline-text", paths=(TEXT_PATH,), subprotocol=first_of(), open=partial(Offline, form="text"))
