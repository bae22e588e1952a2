"""Where audio comes from: a file, bytes, an iterator, a microphone. All become pieces of bytes in a format that is known."""

import asyncio
import io
import os
import wave
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, runtime_checkable

from streamer.core.events import HIGHEST_RATE, LOWEST_RATE, MAX_CHANNELS, RATE_STEP, SAMPLE_RATE, AudioFormat, Encoding
from streamer.errors import ConfigurationError, MediaError

PIECE_BYTES: Final = 32_768
PACE_S: Final = 0.1  # what a microphone sends at a time
SAMPLE_BYTES: Final = {Encoding.PCM_S16LE: 2, Encoding.PCM_F32LE: 4, Encoding.MULAW: 1, Encoding.ALAW: 1}


@dataclass(frozen=True, slots=True)
class Gap:
    """Among the pieces of a live source: audio of this length is missing here."""

    lost_ms: int


Pieces = AsyncGenerator[bytes | Gap, None]
Given = str | os.PathLike[str] | bytes | bytearray | memoryview | AsyncIterable[bytes | Gap] | Iterable[bytes]


@runtime_checkable
class Shaped(Protocol):
    """A source that knows its own format."""

    @property
    def format(self) -> AudioFormat: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """``open`` begins it; ``again`` says that it may be begun anew, and gives the same bytes."""

    format: AudioFormat
    open: Callable[[], Pieces]
    again: bool = False

    @property
    def container(self) -> bool:
        return self.format.encoding is Encoding.CONTAINER

    @property
    def frame_bytes(self) -> int:
        """One sample of all channels; 0 for a container."""
        return SAMPLE_BYTES.get(self.format.encoding, 0) * self.format.channels

    def position(self, ms: int) -> int:
        """Bytes up to this time."""
        return self.frame_bytes * (ms * self.format.sample_rate // 1000)

    def ms(self, position: int) -> int:
        """The time of a byte; 0 for a container, whose bytes tell no time."""
        return position // self.frame_bytes * 1000 // self.format.sample_rate if self.frame_bytes else 0


def make_source(given: Given, asked: Mapping[str, Any], *, realtime: bool) -> Source:
    """``asked`` holds the format fields of ``start`` that were given. Raises ``ConfigurationError``, ``InvalidSetting``, ``MediaError``."""
    shape = _shape(asked)
    if isinstance(given, str | os.PathLike):
        source = _file(Path(given), shape, named="encoding" in shape, realtime=realtime)
    elif isinstance(given, bytes | bytearray | memoryview):
        data = bytes(given)
        source = _readable(lambda: io.BytesIO(data), shape, named="encoding" in shape)
    elif isinstance(given, AsyncIterable | Iterable):
        known = given.format if isinstance(given, Shaped) else AudioFormat(**shape)
        source = Source(format=known, open=partial(_pieces, given))
    else:
        raise ConfigurationError(f"the source is {given!r:.60}, expected a path, bytes, or an iterator of bytes such as microphone()")
    if not realtime:
        return source
    if source.container:
        raise ConfigurationError("realtime needs audio whose length is known: PCM, or the path of a file, which is then decoded here")
    return replace(source, open=lambda: _paced(source))


def _shape(asked: Mapping[str, Any]) -> dict[str, Any]:
    shape = dict(asked)
    if "format" in shape:
        name = shape.pop("format")
        if name not in list(Encoding):
            raise ConfigurationError(f"format is {name!r}, expected one of {', '.join(Encoding)}")
        shape["encoding"] = Encoding(name)
    if "channel_names" in shape:
        shape["channel_names"] = tuple(shape["channel_names"])
    return shape


def _file(path: Path, shape: Mapping[str, Any], *, named: bool, realtime: bool) -> Source:
    if not path.is_file():
        raise MediaError(f"{path} does not exist or is no file, expected audio or video (seen from {Path.cwd()})")
    source = _readable(lambda: path.open("rb"), shape, named=named)
    if not (realtime and source.container):
        return source
    decoded = AudioFormat(**{**shape, "encoding": Encoding.PCM_S16LE, "sample_rate": SAMPLE_RATE, "mix": False})
    return Source(format=decoded, open=lambda: _decoded(path, decoded.channels), again=True)


def _readable(begin: Callable[[], BinaryIO], shape: Mapping[str, Any], *, named: bool) -> Source:
    """Named formats are taken at their word. A wav of 16 bit is sent as it is; anything else as a container."""
    if named:
        return Source(format=AudioFormat(**shape), open=lambda: _read(begin), again=True)
    with begin() as file:
        found = _wav(file)
    wanted = shape.get("channels", 1)
    if found and wanted in (1, found.channels) and "mix" not in shape:
        mix = wanted == 1 and found.channels > 1
        known = replace(found, mix=mix, channel_names=shape.get("channel_names", ()))
        return Source(format=known, open=lambda: _read_wav(begin), again=True)
    return Source(format=AudioFormat(**{**shape, "encoding": Encoding.CONTAINER}), open=lambda: _read(begin), again=True)


def _wav(file: BinaryIO) -> AudioFormat | None:
    try:
        with closing(wave.open(file, "rb")) as found:
            width, rate, channels = found.getsampwidth(), found.getframerate(), found.getnchannels()
    except (wave.Error, EOFError):
        return None
    known = width == 2 and LOWEST_RATE <= rate <= HIGHEST_RATE and not rate % RATE_STEP and 1 <= channels <= MAX_CHANNELS
    return AudioFormat(sample_rate=rate, channels=channels) if known else None


async def _read(begin: Callable[[], BinaryIO]) -> Pieces:
    with await asyncio.to_thread(begin) as file:
        while data := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield data


async def _read_wav(begin: Callable[[], BinaryIO]) -> Pieces:
    with await asyncio.to_thread(begin) as file, closing(wave.open(file, "rb")) as found:
        frames = PIECE_BYTES // (2 * found.getnchannels())
        while data := await asyncio.to_thread(found.readframes, frames):
            yield data


async def _decoded(path: Path, channels: int) -> Pieces:
    from streamer.media import decode_file

    with await asyncio.to_thread(decode_file, path, channels=channels) as audio:
        while (block := await asyncio.to_thread(audio.read)) is not None:
            yield block.T.astype("<i2").tobytes()


def _pieces(given: AsyncIterable[bytes | Gap] | Iterable[Any]) -> Pieces:
    return _from_async(given) if isinstance(given, AsyncIterable) else _from_sync(given)


async def _from_async(given: AsyncIterable[bytes | Gap]) -> Pieces:
    pieces = aiter(given)
    try:
        async for piece in pieces:
            yield piece
    finally:
        if isinstance(pieces, AsyncGenerator):  # a microphone is let go of at once
            await pieces.aclose()


async def _from_sync(given: Iterable[Any]) -> Pieces:
    """Each piece is asked for in a thread: it may be waited for."""
    pieces: Iterator[bytes] = iter(given)
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


async def _paced(source: Source) -> Pieces:
    """As a microphone would send: a sound when it is over, on an absolute schedule."""
    clock = asyncio.get_running_loop().time
    size = max(1, source.position(int(PACE_S * 1000)))
    rate = source.frame_bytes * source.format.sample_rate
    begin, sent = clock(), 0
    async with aclosing(source.open()) as pieces:
        async for piece in pieces:
            if isinstance(piece, Gap):
                yield piece
                continue
            for at in range(0, len(piece), size):
                part = piece[at : at + size]
                sent += len(part)
                await asyncio.sleep(begin + sent / rate - clock())
                yield part
