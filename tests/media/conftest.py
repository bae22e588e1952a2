"""Media made by PyAV's own encoders, so that no test needs a file or a program."""

import io
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache

import av
import numpy as np
import pytest

Encode = Callable[..., bytes]
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


class Unseekable:
    """A place to write a stream to, as a browser's recorder does."""

    def __init__(self) -> None:
        self.written = io.BytesIO()

    def write(self, data: bytes) -> int:
        return self.written.write(data)


def tones(rate: int, seconds: float, hertz: tuple[float, ...]) -> np.ndarray:
    """One tone per channel at a quarter of full scale, int16 ``[channels, n]``."""
    time = np.arange(round(rate * seconds)) / rate
    return np.stack([np.rint(8192 * np.sin(2 * np.pi * f * time)) for f in hertz]).astype(np.int16)


def encode_media(
    container: str,
    codec: str | None,
    audio: np.ndarray,
    rate: int,
    *,
    options: Mapping[str, str] | None = None,
    seekable: bool = True,
    video: bool = False,
    delay_s: float = 0.0,
) -> bytes:
    seekable_file, stream_file = io.BytesIO(), Unseekable()
    with av.open(seekable_file if seekable else stream_file, "w", format=container, options=dict(options or {})) as output:
        picture = output.add_stream("mpeg4", rate=10, width=64, height=64, pix_fmt="yuv420p") if video else None
        sound = output.add_stream(codec, rate=rate, layout=LAYOUTS[len(audio)]) if codec else None
        if picture:
            for number in range(round(10 * (audio.shape[1] / rate + delay_s))):
                image = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
                image.pts, image.time_base = number, Fraction(1, 10)
                output.mux(picture.encode(image))
            output.mux(picture.encode(None))
        if sound:
            for at in range(0, audio.shape[1], 960):
                block = np.ascontiguousarray(audio[:, at : at + 960].T).reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(block, format="s16", layout=LAYOUTS[len(audio)])
                frame.sample_rate, frame.pts, frame.time_base = rate, at + round(delay_s * rate), Fraction(1, rate)
                output.mux(sound.encode(frame))
            output.mux(sound.encode(None))
    return seekable_file.getvalue() if seekable else stream_file.written.getvalue()


@cache
def _named(name: str, seconds: float, hertz: tuple[float, ...]) -> bytes:
    container, codec, rate, options, seekable = NAMED[name]
    return encode_media(container, codec, tones(rate, seconds, hertz), rate, options=options, seekable=seekable)


NAMED: dict[str, tuple[str, str, int, dict[str, str], bool]] = {
    "wav": ("wav", "pcm_s16le", 16_000, {}, True),
    "wav 24 bit": ("wav", "pcm_s24le", 48_000, {}, True),
    "wav float": ("wav", "pcm_f32le", 44_100, {}, True),
    "wav u8": ("wav", "pcm_u8", 16_000, {}, True),
    "wav mu-law": ("wav", "pcm_mulaw", 8_000, {}, True),
    "wav A-law": ("wav", "pcm_alaw", 8_000, {}, True),
    "wav stream": ("wav", "pcm_s16le", 16_000, {}, False),
    "flac": ("flac", "flac", 44_100, {}, True),
    "mp3": ("mp3", "libmp3lame", 44_100, {}, True),
    "adts aac": ("adts", "aac", 44_100, {}, True),
    "m4a index last": ("ipod", "aac", 44_100, {}, True),
    "mp4 fragmented": ("mp4", "aac", 48_000, {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "500000"}, False),
    "webm opus": ("webm", "libopus", 48_000, {"live": "1", "cluster_time_limit": "1000"}, False),
    "webm file": ("webm", "libopus", 48_000, {}, True),
    "ogg opus": ("ogg", "libopus", 48_000, {"page_duration": "200000"}, True),
    "mkv flac": ("matroska", "flac", 48_000, {}, True),
}


def index_first(mp4: bytes) -> bytes:
    """The same mp4 with ``moov`` before ``mdat``, and its chunk offsets moved accordingly (what ffmpeg's faststart does)."""
    boxes, at = {}, 0
    while at < len(mp4):
        size = int.from_bytes(mp4[at : at + 4], "big")
        boxes[mp4[at + 4 : at + 8]] = (at, mp4[at : at + size])
        at += size
    moov = bytearray(boxes[b"moov"][1])
    assert boxes[b"mdat"][0] < boxes[b"moov"][0]
    table = moov.index(b"stco") + 8
    for entry in range(int.from_bytes(moov[table : table + 4], "big")):
        where = slice(table + 4 + 4 * entry, table + 8 + 4 * entry)
        moov[where] = (int.from_bytes(moov[where], "big") + len(moov)).to_bytes(4, "big")
    rest = b"".join(data for name, (_, data) in boxes.items() if name not in (b"ftyp", b"moov"))
    return boxes[b"ftyp"][1] + bytes(moov) + rest


@pytest.fixture(scope="session")
def media() -> Encode:
    """``media(name, seconds=2.0, hertz=(440.0,))``: the bytes of a container of that kind; ``media.names`` of all kinds."""

    def named(name: str, seconds: float = 2.0, hertz: tuple[float, ...] = (440.0,)) -> bytes:
        if name == "m4a index first":
            return index_first(_named("m4a index last", seconds, hertz))
        return _named(name, seconds, hertz)

    return named


@pytest.fixture(scope="session")
def encode() -> Encode:
    return encode_media


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", [*NAMED, "m4a index first"])
