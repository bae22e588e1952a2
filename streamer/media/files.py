"""A file to 16 kHz audio: what it holds, its samples block by block, and what is missing."""

import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import numpy as np

from streamer.core.events import SAMPLE_RATE, Samples
from streamer.errors import MediaError
from streamer.media.mp4 import CUT_OFF
from streamer.media.track import AudioTrack, MediaInfo, Undecodable, Unreadable

BLOCK: Final = SAMPLE_RATE // 2  # samples: large enough for numpy, small enough for a progress bar
MISSING_S: Final = 1.0  # headers round, and encoders pad: a file that is shorter than its header says by less is whole


def probe(path: Path | str) -> MediaInfo:
    """What a file holds, from its headers. Raises ``MediaError``."""
    with FileAudio(Path(path), channels=None) as audio:
        return audio.info


def decode_file(path: Path | str, *, channels: int | None) -> "FileAudio":
    """Open a file for decoding. ``channels``: 1 mixes down, ``None`` keeps what the file has. Raises ``MediaError``."""
    return FileAudio(Path(path), channels=channels)


class FileAudio:
    """A file's audio: iterate once, or ``read``, for int16 blocks ``[channels, n]`` at 16 kHz. Any thread, one at a time.

    After the last block, ``warning`` is a sentence when less could be decoded than the file promised, else ``None``.
    """

    def __init__(self, path: Path, *, channels: int | None) -> None:
        self.path = path
        self.warning: str | None = None
        self._lock = threading.Lock()  # a reader that was given up may still be in FFmpeg, which must not be closed under it
        self._file = _open(path)
        try:
            self._promised = _promises_length(self._file)
            self._cut_bytes = _missing_bytes(self._file)
            self._track = AudioTrack(self._file, channels=channels)
        except Undecodable as problem:
            cut_mp4 = isinstance(problem, Unreadable) and _read_at(self._file, 4, 4) == b"ftyp"
            self._file.close()
            raise MediaError(f"{path} {CUT_OFF if cut_mp4 else problem}") from problem
        self.info = self._track.info
        self._blocks = self._decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[Samples]:
        while (block := self.read()) is not None:
            yield block

    def read(self) -> Samples | None:
        """The next block, of half a second or a little more; ``None`` at the end, and after ``close``."""
        with self._lock:
            return next(self._blocks, None)

    def close(self) -> None:
        with self._lock:
            self._blocks.close()
            self._track.close()
            self._file.close()

    def _decode(self) -> Generator[Samples, None, None]:
        waiting: list[Samples] = []
        count = 0
        try:
            for samples in self._track:
                waiting.append(samples)
                count += samples.shape[1]
                if count >= BLOCK:
                    yield np.concatenate(waiting, axis=1)
                    waiting, count = [], 0
        except Undecodable as problem:
            raise MediaError(f"{self.path} {problem}") from problem
        if count:
            yield np.concatenate(waiting, axis=1)
        self.warning = self._what_is_missing()

    def _what_is_missing(self) -> str | None:
        decoded, promised = self._track.decoded_s, self.info.duration_s
        if promised and self._promised and decoded < promised - MISSING_S:
            return f"{self.path} ends after {decoded:.1f} s although its header says {promised:.1f} s: it is cut off"
        if self._cut_bytes:
            return f"{self.path} lacks {self._cut_bytes} of the bytes its header says: it is cut off"
        if self._track.damaged:
            return f"{self.path} is damaged: {self._track.damaged} of its packets could not be decoded and were left out"
        return None


def _open(path: Path) -> BinaryIO:
    if path.is_dir():
        raise MediaError(f"{path} is a directory, expected an audio or video file; name the files in it, as in {path}/*.wav")
    if path.exists() and not path.is_file():
        raise MediaError(f"{path} is a device or a pipe, expected a file; write the audio to a file first")
    try:
        # Opened here and not by FFmpeg, which would take "http:" or "concat:" in a name for a protocol.
        file = path.open("rb")
    except FileNotFoundError:
        raise MediaError(f"{path} does not exist, expected an audio or video file; check the spelling (seen from {Path.cwd()})") from None
    except OSError as error:
        raise MediaError(f"{path} cannot be opened: {error.strerror}; check that you may read it") from error
    if path.stat().st_size == 0:
        file.close()
        raise MediaError(f"{path} is empty (0 bytes), expected an audio or video file; was it copied to the end?")
    return file


def _promises_length(file: BinaryIO) -> bool:
    """Whether the duration comes from a header, and is not FFmpeg's guess from the size, as for bare mp3 and AAC frames."""
    head = _read_at(file, 0, 10)
    begin = 0
    if head[:3] == b"ID3":
        begin = 10 + sum((byte & 127) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False))
        head = _read_at(file, begin, 10)
    if head[:1] == b"\xff":
        first_frame = _read_at(file, begin, 200)
        return b"Xing" in first_frame or b"Info" in first_frame or b"VBRI" in first_frame
    return True


def _missing_bytes(file: BinaryIO) -> int:
    """How much shorter a wav is than it says. FFmpeg takes the shorter length for the truth and tells nobody."""
    head = _read_at(file, 0, 12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return 0
    said = int.from_bytes(head[4:8], "little") + 8
    streamed = said >= 0x7FFFFFFF  # written by a program that could not know the length
    size = file.seek(0, 2)
    file.seek(0)
    return 0 if streamed else max(0, said - size)


def _read_at(file: BinaryIO, position: int, size: int) -> bytes:
    """Read, and leave the file at its beginning."""
    file.seek(position)
    data = file.read(size)
    file.seek(0)
    return data
