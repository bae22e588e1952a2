"""Numbers of AudioHook's messages. Each side counts its own, and says with each which of the other's it has seen."""

from collections import deque
from typing import Any, Final

from streamer.wires.plain import to_json

VERSION: Final = "2"


class Numbers:
    """Of one session. A message gets its number when it is written, so nothing that is made may be left unwritten."""

    def __init__(self, id: str) -> None:
        self.id = id
        """The client's for its session."""
        self.seen = 0
        """The client's last message."""
        self._seq = 0
        self._unanswered: deque[int] = deque()

    def owe(self) -> None:
        """The client's last message is to be answered; in the order in which they came."""
        self._unanswered.append(self.seen)

    def answer(self, kind: str, parameters: dict[str, Any]) -> str:
        """To the first message that is still to be answered."""
        return self._message(kind, self._unanswered.popleft(), parameters)

    def message(self, kind: str, parameters: dict[str, Any]) -> str:
        """One that answers nothing: it has not seen what is still to be answered."""
        return self._message(kind, self._unanswered[0] - 1 if self._unanswered else self.seen, parameters)

    def _message(self, kind: str, seen: int, parameters: dict[str, Any]) -> str:
        self._seq += 1
        return to_json({"version": VERSION, "type": kind, "seq": self._seq, "clientseq": seen, "id": self.id, "parameters": parameters})
