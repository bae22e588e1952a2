"""One track of a call: its packets in their order, and silence where there were none. See ``tracks`` for the clock that all share."""

from bisect import insort
from collections import deque
from dataclasses import dataclass, field
from typing import Final

PENDING: Final = 200  # packets that wait for one before them
SEEN: Final = 100  # packets by which a second copy is known

Rank = tuple[int, int]
"""A packet's place among those of its track: its time, and its number for those of one time."""


@dataclass(frozen=True, slots=True, order=True)
class Packet:
    at: int  # samples, on the clock of the call
    number: int
    payload: bytes = field(compare=False)
    size: int = field(compare=False)  # samples

    @property
    def rank(self) -> Rank:
        return self.at, self.number


class Track:
    """Packets that wait for their turn, and the audio of those that had it and was not given out yet."""

    def __init__(self, silence: bytes, patience: int) -> None:
        self._silence, self._patience = silence, patience
        self.pending: list[Packet] = []
        self.heard: int | None = None
        """Where the newest packet ends."""
        self.shift = 0
        """From the times that packets say to the clock of the call."""
        self.late_run = 0
        self.last: Packet | None = None
        self._counted = False  # its packets have numbers of their own, which some carriers share among all tracks
        self._seen: deque[Rank] = deque(maxlen=SEEN)
        self._audio = bytearray()
        self._spoken = 0  # where the last packet ends; silence may have been given out since
        self.end = 0
        """Where the audio ends."""

    def is_late(self, packet: Packet) -> bool:
        """Whether its turn is over."""
        return self.last is not None and packet.rank <= self.last.rank

    def knows(self, packet: Packet) -> bool:
        """Whether it has come before."""
        return packet.rank in (self._seen if self.is_late(packet) else [one.rank for one in self.pending])

    def add(self, packet: Packet) -> None:
        insort(self.pending, packet)
        end = packet.at + packet.size
        self.heard = end if self.heard is None else max(self.heard, end)

    def place(self, due: float) -> None:
        """Turn packets to audio: those that can have none before them, and those from before ``due``."""
        while self.pending:
            packet = self.pending[0]
            if packet.at >= due and len(self.pending) <= PENDING and not self._follows(packet):
                return
            del self.pending[0]
            self.pad(self.end + self._gap(packet))
            self._audio += packet.payload
            self.end += packet.size
            self._spoken = self.end
            self._counted = self._counted or self._numbered(packet)
            self.last = packet
            self._seen.append(packet.rank)

    def _numbered(self, packet: Packet) -> bool:
        return self.last is not None and packet.number == self.last.number + 1

    def _follows(self, packet: Packet) -> bool:
        return self._numbered(packet) or (self.last is not None and not self._counted and not self._gap(packet))

    def _gap(self, packet: Packet) -> int:
        """Samples missing before a packet. Times waver: what is less than a packet, or between two numbers in a row, is none."""
        missing = max(0, packet.at - self.end)
        if self.last is None:
            return missing
        borne = self._patience if self._numbered(packet) else packet.size * 3 // 4
        return missing if packet.at - self._spoken > borne else 0

    def pad(self, end: int) -> None:
        """Silence up to there."""
        if end > self.end:
            self._audio += self._silence * (end - self.end)
            self.end = end

    def take(self, size: int) -> bytes:
        count = size * len(self._silence)
        taken = bytes(self._audio[:count])
        del self._audio[:count]
        return taken
