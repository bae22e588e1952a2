"""The commands of FunASR's newer realtime server: ``START``, ``STOP``, ``COMMIT``, ``HOTWORDS:`` and ``LANGUAGE:``, as plain text.

Audio is 16 kHz PCM16 in binary messages; outside of ``START`` and ``STOP`` it is ignored. Results are JSON with the newest sentences,
``SENTENCES`` of them, and what is being said. Times count from ``START``.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from streamer.core.events import (
    SAMPLE_RATE,
    Audio,
    AudioFormat,
    Configure,
    ErrorSent,
    Flush,
    Flushed,
    Input,
    Message,
    Partial,
    Rejected,
    SessionConfigured,
    Settings,
    Start,
)
from streamer.core.events import Final as FinalMessage
from streamer.errors import InvalidMessage
from streamer.wires import Handshake, Payload, Route, Wire, first_of
from streamer.wires.funasr_config import read_hotwords
from streamer.wires.funasr_text import joined
from streamer.wires.plain import to_json

PATH: Final = "/funasr/realtime"
SENTENCES: Final = 30  # in one message; ``first_sentence`` is the number of the first of them
COMMANDS: Final = "START, STOP, COMMIT, HOTWORDS:a,b or LANGUAGE:zh"
LANGUAGES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("", "auto", "自动"), "auto"),
    **dict.fromkeys(("zh", "中文", "普通话", "chinese", "mandarin"), "zh"),
    **dict.fromkeys(("en", "英文", "英语", "english"), "en"),
    **dict.fromkeys(("yue", "粤语", "cantonese"), "yue"),
    **dict.fromkeys(("ja", "日文", "日语", "japanese"), "ja"),
    **dict.fromkeys(("ko", "韩文", "韩语", "korean"), "ko"),
}
BYTES_PER_MS: Final = 2 * SAMPLE_RATE // 1000


class Commands(Wire):
    """One connection, which may start and stop as often as it likes."""

    def __init__(self) -> None:
        self._active = False
        self._bytes = 0
        self._configured: deque[dict[str, Any]] = deque()  # answers to changes of settings that were not made yet
        self._starts: deque[int] = deque()  # where each START came that is not answered yet
        self._begin_ms = 0  # where the one came that was
        self._early: list[FinalMessage] = []  # of the next one, while it is not answered
        self._spoken: dict[int, tuple[int, str]] = {}  # begin and text of each segment without a final, in order
        self._sentences: deque[dict[str, Any]] = deque(maxlen=SENTENCES)
        self._count = 0

    def open(self) -> tuple[Input, ...]:
        """Settings may come before ``START``."""
        return (Start(AudioFormat(), Settings(sounds=False)),)

    def decode(self, data: Payload) -> tuple[Input, ...]:
        if isinstance(data, bytes):
            if not self._active:
                return ()
            self._bytes += len(data)
            return (Audio(data),)
        command, colon, value = data.strip().partition(":")
        match command.upper(), colon:
            case "START", "":
                self._active = True
                self._starts.append(self._bytes // BYTES_PER_MS)
                return (Flush("started"),)  # what was said before it is answered first
            case "STOP", "":
                self._active = False
                return (Flush("stopped"),)
            case "COMMIT", "" if self._active:
                return (Flush("committed"),)
            case "COMMIT", "":
                return (_rejected("Session is not active; send START first"),)
            case "HOTWORDS", ":":
                hotwords = read_hotwords(value.split(","))
                return self._change("hotwords", hotwords, {"event": "hotwords_set", "hotwords": hotwords})
            case "LANGUAGE", ":" if (name := value.strip()).lower() in LANGUAGES:
                return self._change("language", LANGUAGES[name.lower()], {"event": "language_set", "language": name})
            case "LANGUAGE", ":":
                return (_rejected(f"language is {value.strip()[:40]!r}, expected one of {', '.join(filter(None, LANGUAGES))}"),)
            case _:
                return (_rejected(f"the command is {data[:40]!r}, expected {COMMANDS}; audio goes into binary messages"),)

    def _change(self, setting: str, value: object, answer: dict[str, Any]) -> tuple[Input, ...]:
        self._configured.append(answer)
        return (Configure({setting: value}),)

    def encode(self, message: Message) -> Iterator[Payload]:
        for told in self._answers(message):
            yield to_json(told)

    def _answers(self, message: Message) -> Iterator[dict[str, Any]]:
        match message:
            case SessionConfigured() if self._configured:  # nobody waits for an answer to what the handshake began with
                yield self._configured.popleft()
            case Partial() if not self._starts:
                self._spoken[message.segment] = (message.begin_ms, message.stable + message.unstable)
                yield self._result()
            case FinalMessage() if self._starts and message.begin_ms + message.end_ms > 2 * self._starts[0]:
                self._early.append(message)
            case FinalMessage():
                shown = self._spoken.pop(message.segment, None)
                if message.text:
                    self._add(message)
                if message.text or shown:
                    yield self._result()
            case ErrorSent():
                if message.segment is not None:
                    self._spoken.pop(message.segment, None)
                yield {"event": "error", "message": message.message, "error": message.message}
            case Flushed():
                yield from self._flushed(str(message.id))
            case _:
                pass

    def _flushed(self, why: str) -> Iterator[dict[str, Any]]:
        if why != "started":
            yield self._result(is_final=True)
        if why != "committed":
            yield {"event": why}
        if why == "started":
            self._begin_ms, self._count = self._starts.popleft(), 0
            self._sentences.clear()
            early, self._early = self._early, []
            for final in early:
                yield from self._answers(final)

    def _add(self, final: FinalMessage) -> None:
        self._sentences.append({"text": final.text, "start": final.begin_ms - self._begin_ms, "end": final.end_ms - self._begin_ms})
        self._count += 1

    def _result(self, *, is_final: bool = False) -> dict[str, Any]:
        spoken = list(self._spoken.values())
        return {
            "sentences": list(self._sentences),
            "first_sentence": self._count - len(self._sentences),
            "partial": joined(text for _, text in spoken),
            "partial_start_ms": spoken[0][0] - self._begin_ms if spoken else 0,
            "duration_ms": self._bytes // BYTES_PER_MS - self._begin_ms,
            "is_final": is_final,
        }


def _rejected(sentence: str) -> Rejected:
    return Rejected(InvalidMessage(sentence))


def _open(handshake: Handshake) -> Commands:
    return Commands()


ROUTE: Final = Route(name="funasr-realtime", paths=(PATH,), subprotocol=first_of("binary"), open=_open)
