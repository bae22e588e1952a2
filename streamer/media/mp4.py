"""Whether an mp4 can be decoded as it arrives. Its index (``moov``) says where the samples lie; where it comes last, all must be there."""

from typing import IO, Final

from streamer.media.pipe import Readable, read_exactly
from streamer.media.track import Undecodable

BOXES: Final = frozenset((b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot", b"sidx", b"uuid"))
"""What an mp4 or QuickTime file may begin with."""

CUT_OFF: Final = "begins like an mp4 but lacks the index at its end: it is cut off; copy or record it again"


def spool_mp4(source: Readable, spool: IO[bytes], limit: int) -> bool:
    """Copy from ``source`` until the index comes (true: ``spool`` and then the rest of ``source`` is a stream) or all is there (false).

    Raises ``Undecodable`` as soon as it is known that more than ``limit`` bytes would have to be kept.
    """
    while True:
        head = read_exactly(source, 8)
        name = head[4:8]
        if name in (b"moov", b"moof"):
            spool.write(head)
            return True
        if len(head) < 8:
            spool.write(head)
            return False
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            head += read_exactly(source, 8)
            size = int.from_bytes(head[8:16], "big")
        spool.write(head)
        if size == 0:  # to the end
            _copy_rest(source, spool, limit)
            return False
        # A size below its own header's is a fault that FFmpeg will report.
        _copy(source, spool, max(0, size - len(head)), limit)
        if name == b"mdat":
            _copy_rest(source, spool, limit)
            return False


def _copy(source: Readable, spool: IO[bytes], count: int, limit: int) -> None:
    if spool.tell() + count > limit:
        raise _too_large(limit)
    while count and (data := source.read(min(count, 1 << 16))):
        spool.write(data)
        count -= len(data)


def _copy_rest(source: Readable, spool: IO[bytes], limit: int) -> None:
    while data := source.read(1 << 16):
        if spool.tell() + len(data) > limit:
            raise _too_large(limit)
        spool.write(data)


def _too_large(limit: int) -> Undecodable:
    return Undecodable(
        f"is an mp4 with its index at the end, which can only be decoded whole, and it is larger than {limit >> 20} MB; "
        "send webm, ogg, mp3, flac or fragmented mp4, or put the index first (ffmpeg -movflags +faststart)"
    )
