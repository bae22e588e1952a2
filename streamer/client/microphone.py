"""The microphone of this machine, by the optional extra ``microphone`` (sounddevice, which carries PortAudio or finds the system's)."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Final

from streamer.client.sources import Gap
from streamer.core.events import SAMPLE_RATE, AudioFormat
from streamer.errors import ConfigurationError, MediaError

BLOCK_S: Final = 0.03
BUFFER_S: Final = 10.0  # while the journal is full


class LiveBuffer:
    """Blocks that wait to be taken. A microphone does not wait: beyond the bound the oldest block goes, and its length is told. Pure."""

    def __init__(self, limit_bytes: int, bytes_per_s: int) -> None:
        self._limit, self._rate = limit_bytes, bytes_per_s
        self._blocks: deque[bytes] = deque()
        self._size = self._lost = 0

    def put(self, block: bytes) -> None:
        self._blocks.append(block)
        self._size += len(block)
        while self._size > self._limit and len(self._blocks) > 1:
            dropped = len(self._blocks.popleft())
            self._size -= dropped
            self._lost += dropped

    def take(self) -> bytes | Gap | None:
        """The next block, or first what is missing before it; ``None`` when there is nothing."""
        if self._lost:
            lost, self._lost = self._lost, 0
            return Gap(lost * 1000 // self._rate)
        if not self._blocks:
            return None
        block = self._blocks.popleft()
        self._size -= len(block)
        return block


class Microphone:
    """Iterate once, in a running loop; it listens from then on, until the iteration is given up or ``close``."""

    def __init__(self, *, device: int | str | None, sample_rate: int, channels: int) -> None:
        self.format = AudioFormat(sample_rate=sample_rate, channels=channels)
        self._device = device
        self._closed = False
        self._news: asyncio.Event | None = None

    def close(self) -> None:
        """No more: what was heard so far is still given. From the loop that iterates."""
        self._closed = True
        if self._news:
            self._news.set()

    async def __aiter__(self) -> AsyncIterator[bytes | Gap]:
        sounddevice = _library()
        loop, news = asyncio.get_running_loop(), asyncio.Event()
        self._news = news
        rate = 2 * self.format.channels * self.format.sample_rate
        buffer = LiveBuffer(int(BUFFER_S * rate), rate)

        def heard(block: bytes) -> None:
            buffer.put(block)
            news.set()

        def callback(data: Any, frames: int, time: Any, status: Any) -> None:  # in PortAudio's thread
            loop.call_soon_threadsafe(heard, bytes(data))

        try:
            stream = sounddevice.RawInputStream(
                samplerate=self.format.sample_rate,
                channels=self.format.channels,
                dtype="int16",
                blocksize=int(BLOCK_S * self.format.sample_rate),
                device=self._device,
                callback=callback,
            )
        except (sounddevice.PortAudioError, ValueError) as error:
            raise MediaError(f"the microphone cannot be opened ({error}); `python -m sounddevice` lists what there is") from error
        with stream:
            while True:
                news.clear()
                while (piece := buffer.take()) is not None:
                    yield piece
                if self._closed:
                    return
                await news.wait()


def microphone(*, device: int | str | None = None, sample_rate: int = SAMPLE_RATE, channels: int = 1) -> Microphone:
    """The default microphone, or ``device``, a number or part of a name. Raises ``ConfigurationError`` without the extra."""
    _library()
    return Microphone(device=device, sample_rate=sample_rate, channels=channels)


def _library() -> Any:
    try:
        import sounddevice
    except ImportError:
        raise ConfigurationError("the microphone needs the package sounddevice: pip install 'streamer[microphone]'") from None
    except OSError as error:
        raise ConfigurationError(f"the microphone needs PortAudio ({error}): apt-get install libportaudio2") from error
    return sounddevice
