"""One timeline over as many sessions as it takes: what was seen, what is answered, where a new session lies. Pure."""

from collections.abc import Mapping
from typing import Any, Final

PRE_ROLL_MS: Final = 500  # before the point that a heartbeat calls answered: the next word's onset may lie in it
TIMES: Final = frozenset({"begin_ms", "end_ms", "audio_end_ms", "received_ms", "processed_ms"})
OF_SEGMENTS: Final = frozenset({"speech.started", "partial", "speech.ended", "final", "error"})


class Timeline:
    """Messages are the wire's objects. ``single`` says that one channel is heard: its finals answer all audio before their end."""

    def __init__(self, *, single: bool) -> None:
        self._single = single
        self.seen = 0
        """The number of the last message of this session."""
        self.answered_ms = 0
        """Audio before it has been answered, from the beginning of the first session on."""
        self._offset_ms = self._first = 0
        self._next = 0  # the number of the next segment
        self._open: dict[int, int] = {}  # where segments without a final begin
        self._repeats: set[int] = set()  # segments that were told in an earlier session
        self._finished: set[int] = set()

    def take(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """The message on the whole timeline; ``None`` for one that was told before."""
        seq = message.get("seq")
        if isinstance(seq, int):
            if seq <= self.seen:
                return None
            self.seen = seq
        told = self._shifted(message)
        kind, segment = told["type"], told.get("segment")
        if kind in OF_SEGMENTS and segment is not None:
            if segment in self._repeats:
                if kind == "speech.started" or segment in self._finished:
                    return None
            self._note(kind, segment, told)
        elif kind == "heartbeat":
            self._answered(told.get("processed_ms", 0) - PRE_ROLL_MS)
        return told

    def restart(self, offset_ms: int) -> tuple[int, tuple[int, ...]]:
        """A new session begins there. Its first segment's number, and the segments that will get no final."""
        abandoned = tuple(sorted(self._open))
        self._open.clear()
        self.seen, self._offset_ms, self._first = 0, offset_ms, self._next
        return self._first, abandoned

    def repeat(self) -> None:
        """A new session hears everything anew, and finds the same segments: what was told of them is not told again."""
        self.seen = 0
        self._repeats |= self._finished | set(self._open)

    def _note(self, kind: str, segment: int, told: Mapping[str, Any]) -> None:
        self._next = max(self._next, segment + 1)
        if kind == "speech.started":
            self._open[segment] = told.get("begin_ms", 0)
        elif kind in ("final", "error"):
            self._open.pop(segment, None)
            self._finished.add(segment)
            if self._single and kind == "final":
                self._answered(told.get("end_ms", 0))

    def _answered(self, ms: int) -> None:
        self.answered_ms = max(self.answered_ms, min(ms, *self._open.values(), ms))

    def _shifted(self, message: Mapping[str, Any]) -> dict[str, Any]:
        told = dict(message)
        if self._offset_ms:
            for name in TIMES & told.keys():
                told[name] += self._offset_ms
            if isinstance(told.get("words"), list):
                told["words"] = [
                    {name: value + self._offset_ms if name in TIMES else value for name, value in word.items()} for word in told["words"]
                ]
            if isinstance(told.get("totals"), Mapping) and "audio_ms" in told["totals"]:
                told["totals"] = {**told["totals"], "audio_ms": told["totals"]["audio_ms"] + self._offset_ms}
        if self._first and isinstance(told.get("segment"), int):
            told["segment"] += self._first
        return told
