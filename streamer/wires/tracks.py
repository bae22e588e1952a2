"""The tracks of a call, each a stream of packets that may come late, twice or not at all, to the channels of one session.

Wires have no clock: time is what packets say of themselves. What is more than ``WINDOW_MS`` older than the newest packet is not waited
for: a packet that is missing there is silence, and so is a track that sends nothing. Packets that all come within the window give the same
bytes in whatever order they come. A packet without a time follows the one that came before it on its track.
"""

from bisect import insort
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from streamer.core.events import Encoding

WINDOW_MS: Final = 200
AHEAD_MS: Final = 2_000  # audio that a track may have in store beyond the others, when it came in a burst after a stall
JUMP_MS: Final = 30_000  # a step of the clock that is no pause any more: the track goes on where it was
PENDING: Final = 200  # packets of one track that wait for one before them
LATE_RUN: Final = 50  # packets too late in a row: not these are late, the track counts anew
SEEN: Final = 100  # packets of a track by which a second copy is known
SILENCE: Final[Mapping[Encoding, bytes]] = {Encoding.MULAW: b"\xff", Encoding.ALAW: b"\xd5", Encoding.PCM_S16LE: b"\0\0"}
"""One sample of each encoding that a track may have."""

Rank = tuple[int, int]
"""A packet's place among those of its track: its time, and its number for those of one time."""


@dataclass(frozen=True, slots=True, order=True)
class _Packet:
    at: int  # samples, on the clock of the call
    number: int
    payload: bytes = field(compare=False)
    size: int = field(compare=False)  # samples

    @property
    def rank(self) -> Rank:
        return self.at, self.number


class _Track:
    """Packets that wait for their turn, and the audio of those that had it and was not given out yet."""

    def __init__(self, silence: bytes, patience: int) -> None:
        self._silence, self._patience = silence, patience
        self.pending: list[_Packet] = []
        self.heard: int | None = None
        """Where the newest packet ends."""
        self.shift = 0
        """From the times that packets say to the clock of the call."""
        self.late_run = 0
        self.last: _Packet | None = None
        self._counted = False  # its packets have numbers of their own, which some carriers share among all tracks
        self._seen: deque[Rank] = deque(maxlen=SEEN)
        self._audio = bytearray()
        self._spoken = 0  # where the last packet ends; silence may have been given out since
        self.end = 0
        """Where the audio ends."""

    def knows(self, packet: _Packet) -> bool:
        return packet in self.pending or packet.rank in self._seen

    def add(self, packet: _Packet) -> None:
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

    def _numbered(self, packet: _Packet) -> bool:
        return self.last is not None and packet.number == self.last.number + 1

    def _follows(self, packet: _Packet) -> bool:
        return self._numbered(packet) or (self.last is not None and not self._counted and not self._gap(packet))

    def _gap(self, packet: _Packet) -> int:
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


class Tracks:
    """So many tracks of one encoding and rate; ``put`` and ``finish`` give interleaved bytes as soon as there are some."""

    def __init__(self, encoding: Encoding, sample_rate: int, count: int) -> None:
        self._rate, self._silence = sample_rate, SILENCE[encoding]
        self._window, self._ahead, self._jump = (self._samples(ms) for ms in (WINDOW_MS, AHEAD_MS, JUMP_MS))
        self._tracks = [_Track(self._silence, self._window // 2) for _ in range(count)]
        self._newest: int | None = None  # where the newest packet begins
        self._out: int | None = None  # up to where audio was given out; unknown until the first packet is sure to be the first
        self.late = self.duplicates = 0

    def put(self, index: int, payload: bytes, *, number: int | None = None, time_ms: int | None = None) -> bytes:
        """A packet of one track; bytes behind the last whole sample are left out."""
        track, size = self._tracks[index], len(payload) // len(self._silence)
        expected = track.heard if track.heard is not None else self._newest or 0
        at = expected if time_ms is None else self._samples(time_ms) + track.shift
        if self._newest is not None and abs(at - self._newest) > self._jump:
            track.shift += expected - at
            at = expected
        packet = _Packet(at, number or 0, payload[: size * len(self._silence)], size)
        if not size or self._is_twice(track, packet):
            return b""
        if track.last is not None and packet.rank <= track.last.rank:
            self.late += 1
            track.late_run += 1
            if track.late_run < LATE_RUN:
                return b""
            track.shift += expected - at
            packet = _Packet(expected, packet.number, packet.payload, size)
        track.late_run = 0
        track.add(packet)
        self._newest = packet.at if self._newest is None else max(self._newest, packet.at)
        return self._ready()

    def finish(self) -> bytes:
        """What is left; tracks that end earlier end in silence."""
        self._begin()
        if self._out is None:
            return b""
        for track in self._tracks:
            track.place(float("inf"))
        return self._take(max(track.end for track in self._tracks))

    def _samples(self, ms: int) -> int:
        return ms * self._rate // 1000

    def _is_twice(self, track: _Track, packet: _Packet) -> bool:
        if track.knows(packet):
            self.duplicates += 1
            return True
        return False

    def _ready(self) -> bytes:
        assert self._newest is not None
        due = self._newest - self._window
        if self._out is None:
            if all(packet.at >= due for track in self._tracks for packet in track.pending[:1]) and not self._full:
                return b""
            self._begin()
        for track in self._tracks:
            track.place(due)
        ends = [track.end for track in self._tracks]
        return self._take(max(min(ends), due, max(ends) - self._ahead))

    @property
    def _full(self) -> bool:
        return any(len(track.pending) > PENDING for track in self._tracks)

    def _begin(self) -> None:
        """The clock begins with the oldest packet."""
        first = [track.pending[0].at for track in self._tracks if track.pending]
        if self._out is None and first:
            self._out = min(first)
            for track in self._tracks:
                track.end = self._out

    def _take(self, end: int) -> bytes:
        """Audio of all tracks up to there, sample by sample."""
        assert self._out is not None
        size = max(0, end - self._out)
        self._out += size
        width, count = len(self._silence), len(self._tracks)
        taken = bytearray(size * width * count)
        for n, track in enumerate(self._tracks):
            track.pad(self._out)
            one = track.take(size)
            for byte in range(width):
                taken[n * width + byte :: width * count] = one[byte::width]
        return bytes(taken)
