"""FunASR's JSON wire, in both its dialects: ``2pass``, ``online`` and ``offline``.

Text messages are configuration, binary ones are audio. ``is_speaking: false`` ends a turn, which is answered once, and the socket stays
open for the next. A client is served as FunASR's Python server would once it has sent what only that server reads (``PYTHON``), and as its
C++ server otherwise. They differ in ``is_final``: Python says it of every whole sentence, C++ of the last message of a turn and no other.
``2pass-online`` and ``online`` texts are increments that are never taken back; a sentence's text begins with SenseVoice's tags.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

from streamer.core.events import (
    Audio,
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
    SpeechStarted,
    Start,
    Stop,
    Word,
)
from streamer.core.events import Final as FinalMessage
from streamer.errors import InvalidAudio, InvalidMessage, InvalidSetting
from streamer.wires import Handshake, Payload, Route, Wire, first_of
from streamer.wires.funasr_config import Asked, read_config
from streamer.wires.funasr_text import after, joined, padded, stamp_sents, stamps, tags_of, unsaid
from streamer.wires.plain import read_json, to_json

PATH: Final = "/funasr"
SUBPROTOCOL: Final = "binary"
PYTHON: Final = ("is_end", "encoder_chunk_look_back", "decoder_chunk_look_back")
"""Not ``chunk_interval``: the html5 page sends it, and hangs up at the first ``is_final``."""
ENDING: Final = ("flush", "stop")  # reasons of a final after which none of its turn will come
SENTENCES: Final = 200
"""Of an offline answer: with its times it is below the MiB that clients read. A longer turn is answered in pieces; the last is final."""
UNREADABLE: Final = "a text message is not a JSON object, such as {'mode': '2pass', 'is_speaking': true}; audio goes into binary messages"


@dataclass(slots=True, eq=False)
class Turn:
    """From one ``is_speaking: false`` to the next, and what is owed for it."""

    asked: Asked
    begin_ms: int = 0
    acknowledged: bool = False  # by an answer of its own, after everything else
    ended: bool = False
    answered: bool = False  # its last final has been sent
    index: int = 0  # of the sentence
    finals: list[FinalMessage] = field(default_factory=list)  # of an offline answer
    errors: list[str] = field(default_factory=list)


class FunASR(Wire):
    """One connection. The turn that is spoken is the last of ``_turns``, the one that is answered is the first."""

    def __init__(self, handshake: Handshake) -> None:
        self._tags = handshake.query.get("tags", ("",))[-1].lower() not in ("0", "false")
        self._python = self._started = False
        self._deaf = False  # audio that nobody could say how to read
        self._bytes = 0
        self._turns = deque([Turn(Asked())])
        self._stable: dict[int, str] = {}  # of each segment without a final, in order
        self._said = ""  # of the first of them
        self._told = ""  # the text before it
        self._early: list[FinalMessage] = []  # of the next turn, while this one is not answered

    def decode(self, data: Payload) -> tuple[Input, ...]:
        if isinstance(data, bytes):
            if self._deaf:
                return ()
            self._bytes += len(data)
            return (*self._begin(), Audio(data))
        try:
            message = read_json(data)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            return (Rejected(InvalidMessage(UNREADABLE)),)
        self._python = self._python or any(name in message for name in PYTHON)
        inputs = self._configure(message)
        if message.get("is_speaking") is False or message.get("is_finished") is True:
            inputs += self._end(acknowledged=message.get("is_end") is True)
        return inputs

    def _begin(self) -> tuple[Input, ...]:
        if self._started:
            return ()
        self._started = True
        asked = self._turns[-1].asked
        return (Start(asked.format, asked.settings),)

    def _configure(self, message: Mapping[str, Any]) -> tuple[Input, ...]:
        turn = self._turns[-1]
        before = turn.asked
        try:
            asked = read_config(message, before)
            if self._started and asked.format != before.format:
                shown = f"{message.get('wav_format', '')} {message.get('audio_fs', '')}".strip()
                raise InvalidSetting("wav_format or audio_fs", shown, "what it was at first; open another connection for other audio")
        except InvalidSetting as error:
            self._deaf = True
            turn.errors.append(str(error))
            return (Rejected(error),)
        self._deaf = False
        turn.asked = asked
        names = [setting.name for setting in fields(Settings)]
        new = {name: value for name in names if (value := getattr(asked.settings, name)) != getattr(before.settings, name)}
        return (Configure(new),) if new and self._started else ()

    def _end(self, *, acknowledged: bool) -> tuple[Input, ...]:
        turn = self._turns[-1]
        turn.acknowledged, turn.ended = acknowledged, True
        begin = self._begin()
        if turn.asked.contained:  # only its end tells a decoder to give all it has
            return (*begin, Stop())
        spoken_ms = self._bytes * 1000 // (2 * turn.asked.format.sample_rate)
        self._turns.append(Turn(turn.asked, begin_ms=spoken_ms))
        return (*begin, Flush())

    def encode(self, message: Message) -> Iterator[Payload]:
        for told in self._answers(message):
            yield to_json(told)

    def _answers(self, message: Message) -> Iterator[dict[str, Any]]:
        turn = self._turns[0]
        match message:
            case SpeechStarted():
                self._stable[message.segment] = ""
            case Partial() if message.segment in self._stable:
                self._stable[message.segment] = message.stable
                if turn.asked.mode != "offline" and next(iter(self._stable)) == message.segment:
                    yield from self._grown(turn, message.stable)
            case FinalMessage() if len(self._turns) > 1 and message.begin_ms + message.end_ms > 2 * self._turns[1].begin_ms:
                self._early.append(message)
            case FinalMessage():
                yield from self._final(turn, message, self._leave(message.segment))
            case ErrorSent():
                yield self._error(turn, message)
            case Flushed():
                yield from self._ended(self._turns.popleft())
                early, self._early = self._early, []
                for final in early:
                    yield from self._answers(final)
            case Closed() if turn.ended or turn.finals:
                yield from self._ended(turn)
            case _:
                pass

    def _grown(self, turn: Turn, stable: str) -> Iterator[dict[str, Any]]:
        grown = stable[len(self._said) :]
        if not grown:
            return
        slice_type = 1 if self._said else 0
        text = grown if self._said else after(self._told, grown)
        self._said = stable
        more = {} if self._python else {"slice_type": slice_type, "index": turn.index}
        yield self._result(turn, "online", text, is_final=False, **more)

    def _leave(self, segment: int) -> str:
        """What was said of a segment that is answered now; that of later ones has waited for it."""
        said, self._said = self._said, ""
        self._stable.pop(segment, None)
        return said

    def _final(self, turn: Turn, final: FinalMessage, said: str) -> Iterator[dict[str, Any]]:
        if turn.asked.mode == "offline":
            turn.finals.append(final)
            if len(turn.finals) >= SENTENCES:
                yield self._whole(turn, is_final=False)
            return
        turn.answered = final.end_reason in ENDING
        is_final = turn.answered or self._python
        if final.text or said or turn.answered:
            yield self._rest(turn, final, said, is_final) if turn.asked.mode == "online" else self._sentence(turn, final, is_final)
            turn.index += 1
        self._told = final.text or self._told

    def _rest(self, turn: Turn, final: FinalMessage, said: str, is_final: bool) -> dict[str, Any]:
        text = unsaid(said, final.text)
        return self._result(turn, "online", text if said else after(self._told, text), is_final=is_final)

    def _sentence(self, turn: Turn, final: FinalMessage, is_final: bool) -> dict[str, Any]:
        text = self._tagged(final.raw_text, final.text) or after(self._told, final.text)
        more = self._times(turn, text, final.words)
        if not self._python:
            begin_ms, end_ms = (max(0, ms - turn.begin_ms) for ms in (final.begin_ms, final.end_ms))
            more |= {"slice_type": 2, "index": turn.index, "start_time": begin_ms, "end_time": end_ms}
        return self._result(turn, "offline", text, is_final=is_final, **more)

    def _whole(self, turn: Turn, *, is_final: bool) -> dict[str, Any]:
        """All sentences as one, with the tags of the first that says something."""
        finals = [final for final in turn.finals if final.text]
        turn.finals.clear()
        text = joined(final.text for final in finals)
        text = self._tagged(finals[0].raw_text, text) or after(self._told, text) if finals else ""
        self._told = text or self._told
        words = [word for final in finals for word in final.words]
        return self._result(turn, "offline", text, is_final=is_final, **self._times(turn, text, words))

    def _tagged(self, raw_text: str, text: str) -> str:
        """Empty where there are no tags, or none are wanted."""
        tags = tags_of(raw_text) if self._tags and text else ""
        return tags + text if tags else ""

    def _times(self, turn: Turn, text: str, words: Sequence[Word]) -> dict[str, Any]:
        if not (text and words):
            return {}
        times = stamps(words, turn.begin_ms)
        return {
            "timestamp": to_json(times if self._python else padded(times, text)),
            "stamp_sents": stamp_sents(words, turn.begin_ms),
        }

    def _error(self, turn: Turn, error: ErrorSent) -> dict[str, Any]:
        half = "online"  # which changes nothing of what is shown
        if error.segment is not None:
            self._leave(error.segment)
            turn.errors.append(error.message)
            half = "offline"
        if error.fatal:  # which is the last answer
            self._turns[0] = Turn(turn.asked)
        text = f"ERROR. {error.message}" if error.code == InvalidAudio.code else ""
        return self._result(turn, half, text, is_final=error.fatal, error=error.message)

    def _ended(self, turn: Turn) -> Iterator[dict[str, Any]]:
        if turn.asked.mode == "offline":
            yield self._whole(turn, is_final=True)
        elif not turn.answered:
            yield self._result(turn, "offline", "", is_final=True)
        if turn.acknowledged:
            failed = {"error": "; ".join(turn.errors)} if turn.errors else {}
            yield {"mode": turn.asked.mode, "wav_name": turn.asked.wav_name, "is_final": not failed, "is_end": True, **failed}
        self._told = ""

    def _result(self, turn: Turn, half: str, text: str, *, is_final: bool, **more: Any) -> dict[str, Any]:
        """``half`` is that of two passes; the other modes have one each."""
        mode = f"2pass-{half}" if turn.asked.mode == "2pass" else turn.asked.mode
        return {"mode": mode, "wav_name": turn.asked.wav_name, "text": text, "is_final": is_final, **more}


ROUTE: Final = Route(name="funasr", paths=(PATH,), subprotocol=first_of(SUBPROTOCOL), open=FunASR, claims={"/": SUBPROTOCOL})
