"""The tracks of a call, each a stream of packets that may come late, twice or not at all, to the channels of one session.

Wires have no clock: time is what packets say of themselves. What is more than ``WINDOW_MS`` older than the newest packet is not waited
for: a packet that is missing there is silence, and so is a track that sends nothing. Packets that all come within the window give the same
bytes in whatever order they come. A packet without a time follows the one that came before it on its track.
"""

from collections.abc import Mapping
from typing import Final

from streamer.core.events import Encoding
from streamer.wires.track import PENDING, Packet, Track

WINDOW_MS: Final = 200
AHEAD_MS: Final = 2_000  # audio that a track may have in store beyond the others, when it came in a burst after a stall
JUMP_MS: Final = 30_000  # a step of the clock that is no pause any more: the track goes on where it was
LATE_RUN: Final = 50  # packets too late in a row: not these are late, the track counts anew
SILENCE: Final[Mapping[Encoding, bytes]] = {Encoding.MULAW: b"\xff", Encoding.ALAW: b"\xd5", Encoding.PCM_S16LE: b"\0\0"}
"""One sample of each encoding that a track may have."""


class Tracks:
    """So many tracks of one encoding and rate; ``put`` and ``finish`` give interleaved bytes as soon as there are some."""

    def __init__(self, encoding: Encoding, sample_rate: int, count: int) -> None:
        self._rate, self._silence = sample_rate, SILENCE[encoding]
        self._window, self._ahead, self._jump = (self._samples(ms) for ms in (WINDOW_MS, AHEAD_MS, JUMP_MS))
        self._tracks = [Track(self._silence, self._window // 2) for _ in range(count)]
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
        packet = Packet(at, number or 0, payload[: size * len(self._silence)], size)
        if not size:
            return b""
        if track.knows(packet):
            self.duplicates += 1
            return b""
        if track.is_late(packet):
            self.late += 1
            track.late_run += 1
            if track.late_run < LATE_RUN:
                return b""
            track.shift += expected - at
            packet = Packet(expected, packet.number, packet.payload, size)
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
