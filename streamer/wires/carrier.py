"""What telephone carriers' media streams have in common: JSON with ``start``, ``media`` and ``stop``, audio in it base64, on named tracks.

The carrier dials us and has no place for results: whoever wants them follows the session at ``/calls/<id>``. When the carrier hangs up,
with ``stop`` or without a word, what was said is finished for those who follow.
"""

from abc import abstractmethod
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from streamer.core.events import Audio, AudioFormat, Encoding, Input, Message, Rejected, Start, Stop
from streamer.errors import InvalidAudio, InvalidMessage, InvalidSetting, SessionError
from streamer.wires import Handshake, Payload, Refused, Wire, bounds
from streamer.wires.carrier_options import BOTH, INBOUND, Options, of_query, read_options
from streamer.wires.loose import in_text, integer, mapping
from streamer.wires.plain import read_json
from streamer.wires.tracks import WINDOW_MS, Tracks

ENCODINGS: Final[Mapping[str, Encoding]] = {
    **dict.fromkeys(("mulaw", "ulaw", "pcmu"), Encoding.MULAW),
    **dict.fromkeys(("alaw", "pcma"), Encoding.ALAW),
    **dict.fromkeys(("l16", "pcm", "pcm16", "linear16", "raw", "slin", "raw/slin"), Encoding.PCM_S16LE),
}
"""Without ``audio/`` and ``x-`` before them. 16-bit samples are little-endian with all carriers, whatever RFC 3551 says of L16."""
HIGHEST_RATE: Final = 48_000  # bounds what silence a pause can cost
UNREADABLE: Final = "a message is not a JSON object with an event, such as start, media or stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a ``start`` says, as it says it."""

    call: object
    encoding: object
    sample_rate: object
    channels: object = 1
    tracks: Sequence[str] = (INBOUND,)
    parameters: Mapping[str, str] = field(default_factory=dict)


class Carrier(Wire):
    """One stream of a call. Raises ``Refused`` for options in the query that cannot be followed."""

    finishes = True

    def __init__(self, handshake: Handshake) -> None:
        self._query = of_query(handshake.query)
        _, errors = read_options(self._query)
        if errors:
            raise Refused(400, "; ".join(str(error) for error in errors))
        self._tracks: Tracks | None = None
        self._names: Sequence[str] = ()  # of the tracks that are heard
        self._strays = 0
        self._stopped = False
        self._sentence = ""  # why the stream could not be served

    @abstractmethod
    def read_start(self, message: Mapping[str, Any]) -> Opening:
        """This carrier's ``start``. Its values may be of any type."""

    def decode(self, data: Payload) -> tuple[Input, ...]:
        if self._stopped:
            return ()
        message: Any = None
        with suppress(ValueError, RecursionError):
            message = read_json(data) if isinstance(data, str) else None
        match message:
            case {"event": "start"} if not self._tracks:
                return self._start(message)
            case {"event": "media"}:
                return self._media(mapping(message, "media"))
            case {"event": "stop"}:
                return (*self.rest(), Stop())
            case {"event": str()}:  # connected, dtmf, mark, and whatever else may come
                return ()
            case _:
                return (_rejected(UNREADABLE),)

    def encode(self, message: Message) -> tuple[Payload, ...]:
        return ()

    def close(self, code: int, reason: str) -> tuple[int, str]:
        sentence = bounds.close_reason(self._sentence)
        return code, sentence or reason

    def rest(self) -> tuple[Input, ...]:
        if self._stopped or not self._tracks:
            return ()
        self._stopped = True
        audio = self._tracks.finish()
        return (*([Audio(audio)] if audio else []), *self._lost(self._tracks))

    def _start(self, message: Mapping[str, Any]) -> tuple[Input, ...]:
        opening = self.read_start(message)
        options, errors = read_options({**self._query, **opening.parameters})
        self.call = self.call or options.call or in_text(opening.call)
        try:
            names = options.tracks or [name for name in BOTH if any(name in track for track in opening.tracks)] or [INBOUND]
            audio = _format(opening, options, names)
        except SessionError as error:
            refusal = InvalidAudio(str(error))
            self._stopped, self._sentence = True, str(error)
            return (Stop(refusal.code, refusal),)
        self._names, self._tracks = names, Tracks(audio.encoding, audio.sample_rate, audio.channels)
        return (Start(audio, options.settings), *(Rejected(error) for error in errors))

    def _media(self, media: Mapping[str, Any]) -> tuple[Input, ...]:
        if not self._tracks:
            return (_rejected("media came before start, which says how to read it"),)
        payload = media.get("payload")
        try:
            audio = b64decode(payload, validate=True) if isinstance(payload, str) else None
        except ValueError:
            audio = None
        if audio is None:
            return (_rejected(f"media.payload is {str(payload)[:40]!r}, expected audio in base64"),)
        index = self._index(media.get("track"))
        if index is None:
            self._strays += 1
            return ()
        ready = self._tracks.put(index, audio, number=integer(media.get("chunk")), time_ms=integer(media.get("timestamp")))
        return (Audio(ready),) if ready else ()

    def _index(self, track: object) -> int | None:
        """Of what a packet calls its track; one that says nothing is on the first."""
        if not isinstance(track, str):
            return 0
        return next((index for index, name in enumerate(self._names) if name in track), None)

    def _lost(self, tracks: Tracks) -> Iterator[Rejected]:
        told = [f"{tracks.late} packets came more than {WINDOW_MS} ms too late"] if tracks.late else []
        if self._strays:
            told.append(f"{self._strays} packets were on another track than {' and '.join(self._names)}")
        if told:
            yield _rejected(", ".join(told) + "; they were not heard")


def _format(opening: Opening, options: Options, names: Sequence[str]) -> AudioFormat:
    """Raises a ``SessionError`` for audio that cannot be read."""
    said = in_text(opening.encoding) or ""
    name, _, parameters = said.lower().partition(";")
    encoding = ENCODINGS.get(name.strip().removeprefix("audio/").removeprefix("x-"))
    if encoding is None:
        raise InvalidAudio(f"the encoding is {said[:40]!r}, expected PCMU, PCMA or L16 (mulaw, alaw, linear PCM)")
    if integer(opening.channels) != 1:
        raise InvalidAudio(f"channels is {str(opening.channels)[:40]!r}, expected 1, with one track for each speaker")
    rate = integer(parameters.partition("rate=")[2]) or integer(opening.sample_rate)
    if rate is None or rate > HIGHEST_RATE:
        raise InvalidSetting("sample_rate", opening.sample_rate, f"a number of at most {HIGHEST_RATE}")
    roles = tuple(options.role(name) for name in names)
    return AudioFormat(encoding=encoding, sample_rate=rate, channels=len(names), channel_names=roles)


def _rejected(sentence: str) -> Rejected:
    return Rejected(InvalidMessage(sentence))
