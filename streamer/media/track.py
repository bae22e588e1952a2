"""One audio track of any container as blocks of 16 kHz samples. PyAV lives here; files and live streams are built on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from streamer.core.events import MAX_CHANNELS, Samples
from streamer.media.frames import Floats, Resampler, mix, planar
from streamer.media.pipe import Readable

if TYPE_CHECKING:
    from av import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

FORMATS: Final = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,eac3,flac,flv,matroska,webm,mov,mp4,mp3,mpeg,mpegts,nistsphere,ogg,tta,voc,w64,wav,wv"
)
"""What may be read. FFmpeg knows playlist formats too, which open further files and addresses: none of them is here."""

SIGNATURES: Final = ((0, b"\x1aE\xdf\xa3", "matroska"), (0, b"OggS", "ogg"), (0, b"fLaC", "flac"), (8, b"WAVE", "wav"))
"""Where a format is known by its first bytes, FFmpeg need not wait for 2 KB to guess it: half a second of a quiet opus stream."""

GAP_S: Final = (0.2, 60.0)
"""A hole in the time stamps of this length is filled with silence, so that times stay true; a longer one is a new clock."""


class Undecodable(Exception):
    """Not audio. The message is a clause that follows the name of the thing: ``is not …``."""


class Unreadable(Undecodable):
    """Not even the format is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """What a container says of its audio. ``duration_s`` is ``None`` where it does not say, and may be an estimate."""

    duration_s: float | None
    codec: str
    sample_rate: int
    channels: int


def sniff(head: bytes) -> str | None:
    """FFmpeg's name of the format that begins with these bytes, 12 at least; ``None`` where it takes more to know."""
    return next((name for offset, magic, name in SIGNATURES if head[offset : offset + len(magic)] == magic), None)


class AudioTrack:
    """The first audio stream of a container. Iterate once; blocks are int16 ``[channels, n]`` at 16 kHz.

    ``channels`` is how many come out: ``None`` keeps the container's own, 1 mixes them down, and what the container lacks is silent.
    Raises ``Undecodable`` on opening, or at the end when nothing could be decoded. Calls come one at a time.
    """

    def __init__(self, source: Readable, *, channels: int | None, format_name: str | None = None, live: bool = False) -> None:
        self.damaged = 0
        """Packets that could not be decoded so far."""
        self.decoded_s = 0.0
        """Seconds of audio decoded so far."""
        self._wanted = channels or 0  # until it is known
        self._resampler: Resampler | None = None
        self._centre: int | None = None
        self._container = _open(source, format_name, live)
        try:
            self._stream = self._first_stream()
            self.info = self._describe()
            self._wanted = self._wanted or self.info.channels
            if not channels and self.info.channels > MAX_CHANNELS:
                raise Undecodable(f"has {self.info.channels} channels, of which at most {MAX_CHANNELS} can be kept apart; ask for 1")
            if channels and 1 < channels < self.info.channels:
                raise Undecodable(f"has {self.info.channels} channels: ask for 1 to mix them, or for all of them, instead of {channels}")
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[Samples]:
        expected = self._start_s()
        for frame in self._frames():
            audio = planar(frame)
            if len(audio) > 2:
                self._centre = next((n for n, channel in enumerate(frame.layout.channels) if channel.name == "FC"), None)
            begin = frame.time
            if begin is not None and expected is not None and GAP_S[0] < begin - expected <= GAP_S[1]:
                silence = np.zeros((len(audio), round((begin - expected) * frame.sample_rate)), np.float32)
                audio = np.concatenate((silence, audio), axis=1)
            expected = None if begin is None else begin + frame.samples / frame.sample_rate
            yield from self._convert(audio, frame.sample_rate)
        if self._resampler:
            yield self._resampler.finish()
        elif self.damaged:
            raise Undecodable(f"holds {self.info.codec} audio of which nothing can be decoded; is it damaged, or not a media file at all?")

    def _frames(self) -> "Iterator[AudioFrame]":
        """Frames in order; what is damaged is counted and left out."""
        from av.error import FFmpegError

        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:
                # The demuxer has lost its way and will not find it again.
                self.damaged += 1
                return
            if packet is None:
                return
            try:
                yield from packet.decode()
            except FFmpegError:
                self.damaged += 1

    def _convert(self, audio: Floats, rate: int) -> Iterator[Samples]:
        self._wanted = self._wanted or len(audio)
        audio = mix(audio, self._wanted, self._centre)
        self.decoded_s += audio.shape[1] / rate
        if self._resampler is None or self._resampler.rate != rate:
            # The rate may change within a stream: chained ogg, AAC that turns out to be HE-AAC.
            if self._resampler:
                yield self._resampler.finish()
            self._resampler = Resampler(rate, self._wanted)
        yield self._resampler.push(audio)

    def _first_stream(self) -> "AudioStream":
        streams = self._container.streams.audio
        if not streams:
            held = ", ".join(sorted({stream.type for stream in self._container.streams})) or "nothing"
            raise Undecodable(f"has no audio stream, only {held}; give a file with sound")
        stream = streams[0]
        if stream.codec_context is None:
            raise Undecodable("holds audio in a codec that this build of FFmpeg cannot decode; convert it to wav, mp3, flac, m4a or opus")
        # One thread per stream: the caller decides what runs side by side.
        stream.codec_context.thread_count = 1
        return stream

    def _describe(self) -> MediaInfo:
        stream = self._stream
        duration = None
        if stream.duration and stream.time_base:
            duration = float(stream.duration * stream.time_base)
        elif self._container.duration:
            duration = self._container.duration / 1e6
        codec = stream.codec_context
        return MediaInfo(duration_s=duration, codec=codec.name, sample_rate=codec.sample_rate, channels=codec.layout.nb_channels)

    def _start_s(self) -> float | None:
        """When the container begins, on the clock of its time stamps: sound that begins later than the picture stays in time."""
        start: int | None = self._container.start_time
        return None if start is None else start / 1e6


def _open(source: Readable, format_name: str | None, live: bool) -> "InputContainer":
    import av
    from av.error import FFmpegError

    options = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
    if live:
        # FFmpeg would read up to 5 MB to describe the streams better; a listener would wait for them. Its "nobuffer" flag is
        # no help: it throws away what was read meanwhile.
        options |= {"probesize": "32768", "analyzeduration": "200000", "fpsprobesize": "0"}
    try:
        return av.open(source, "r", format=format_name, options=options, metadata_errors="replace")
    except FFmpegError as error:
        raise Unreadable("is not audio or video in a format that can be read (wav, mp3, flac, m4a, mp4, ogg, webm, mkv …)") from error
