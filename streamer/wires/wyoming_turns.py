"""The turns of a Wyoming connection: what a client is told of each, from ``transcript-start`` to ``transcript-stop``.

A turn is what came between ``audio-start`` and ``audio-stop``, however many segments it has; it is answered by one transcript. Chunks are
what is promised of it so far: they are only ever appended to, and ``transcript`` has the last word. Turns are answered in their order.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from streamer.core.events import Final as FinalMessage
from streamer.core.events import Partial
from streamer.wires.funasr_text import after, joined, unsaid
from streamer.wires.wyoming_events import written

SLACK_MS: Final = 20  # between received and resampled audio, at most; no segment is as short
HEARD: Final = ("begin_ms", "end_ms", "language", "emotion", "events", "itn", "confidence", "raw_text", "withheld")


@dataclass(slots=True, eq=False)
class Turn:
    """One utterance."""

    end_ms: int | None = None  # once it has ended, on the clock of the connection's audio
    heard: list[dict[str, Any]] = field(default_factory=list)  # of each segment, in order
    texts: list[str] = field(default_factory=list)
    told: int = 0  # of those texts
    begun: bool = False  # as the client was told
    said: str = ""  # all chunks
    piece: str = ""  # and what they said of the segment that is not final yet


class Turns:
    """Those that are not answered yet. The methods give what the client is told."""

    def __init__(self) -> None:
        self._turns: deque[Turn] = deque()
        self._settled = 0  # segments; they are settled in order

    @property
    def open(self) -> bool:
        """Whether audio that comes now belongs to a turn."""
        return bool(self._turns) and self._turns[-1].end_ms is None

    def begin(self) -> None:
        self._turns.append(Turn())

    def end(self, at_ms: int) -> None:
        self._turns[-1].end_ms = at_ms

    def partial(self, partial: Partial) -> Iterator[bytes]:
        """Only of the segment that is settled next: what comes later cannot be put before it."""
        if self._turns and partial.segment == self._settled and self._of(partial.end_ms) is self._turns[0]:
            yield from self._say(self._turns[0], partial.stable)
            self._turns[0].piece = partial.stable

    def final(self, final: FinalMessage) -> Iterator[bytes]:
        self._settled += 1
        if self._turns:
            turn = self._of(final.end_ms)
            turn.texts.append(final.text.strip())
            turn.heard.append({name: getattr(final, name) for name in HEARD})
            yield from self._catch_up()

    def failed(self) -> None:
        """The segment that was to be settled next is lost."""
        self._settled += 1
        if self._turns:
            self._turns[0].piece = ""

    def answer(self) -> Iterator[bytes]:
        """All of the first turn has been heard."""
        if not self._turns:
            return
        turn = self._turns[0]
        if not turn.begun:
            yield written("transcript-start")
        data: dict[str, Any] = {"text": joined(turn.texts)}
        if language := _language(turn):
            data["language"] = language
        yield written("transcript", data | {"sensevoice": turn.heard})
        yield written("transcript-stop")
        self._turns.popleft()
        if self._turns:
            yield from self._catch_up()

    def answer_all(self) -> Iterator[bytes]:
        while self._turns:
            yield from self.answer()

    def _of(self, end_ms: int) -> Turn:
        """The turn of a segment that ends there, or of so much of it."""
        return next((turn for turn in self._turns if turn.end_ms is None or end_ms <= turn.end_ms + SLACK_MS), self._turns[-1])

    def _catch_up(self) -> Iterator[bytes]:
        """Finals of the first turn, some of which may have come before it was the first."""
        turn = self._turns[0]
        while turn.told < len(turn.texts):
            yield from self._say(turn, turn.texts[turn.told])
            turn.told, turn.piece = turn.told + 1, ""

    def _say(self, turn: Turn, text: str) -> Iterator[bytes]:
        """What is new of a segment that begins with this."""
        new = unsaid(turn.piece, text) if turn.piece else after(turn.said, text)
        if not new:
            return
        if not turn.begun:
            turn.begun = True
            yield written("transcript-start")
        turn.said += new
        yield written("transcript-chunk", {"text": new})


def _language(turn: Turn) -> str | None:
    """The language that was spoken the longest."""
    spoken: dict[str, int] = {}
    for part in turn.heard:
        if (language := part["language"]) and language.code != "nospeech":
            spoken[language.code] = spoken.get(language.code, 0) + part["end_ms"] - part["begin_ms"]
    return max(spoken, key=lambda code: spoken[code], default=None)
