"""Performs a session's effects: asks the judge, submits jobs, decodes containers, and holds the client back when too much is owed.

Used by the server for each socket, and by the command line for files. It owns no socket: messages and the close leave by callbacks.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

from streamer.core.events import (
    SAMPLE_RATE,
    Answer,
    Audio,
    Close,
    Connected,
    Discard,
    Effect,
    Encoding,
    Flush,
    Gone,
    Input,
    Judge,
    Judged,
    Message,
    Promote,
    Rejected,
    Samples,
    Send,
    SessionInfo,
    Settings,
    Start,
    State,
    Stop,
    Submit,
)
from streamer.core.session import Session
from streamer.engine.scheduling import Scheduling
from streamer.errors import InternalError, SessionError
from streamer.judging import Judging, Line
from streamer.vad import Probabilities

logger: Final = logging.getLogger(__name__)

SLICE_BYTES: Final = 32_000  # a second of 16 kHz audio at a time, so that one client's burst does not hold up the others
FLUSH_POLL_S: Final = 0.01
FLUSH_POLLS: Final = 200  # two seconds at the most
BACKLOG_S: Final = 60.0  # audio a session may be owed before its socket is no longer read


class Decoder(Protocol):
    """What ``streamer.media.ContainerDecoder`` does."""

    @property
    def full(self) -> bool: ...
    @property
    def settled(self) -> bool: ...
    def feed(self, data: bytes) -> int: ...
    def end(self) -> None: ...
    def consumed(self, count: int) -> None: ...
    def close(self) -> None: ...


class OpenDecoder(Protocol):
    def __call__(
        self,
        *,
        channels: int,
        on_pcm: Callable[[bytes], None],
        on_end: Callable[[SessionError | None], None],
        on_drain: Callable[[], None],
    ) -> Decoder: ...


class Runner:
    """One session at work on the running event loop."""

    def __init__(
        self,
        info: SessionInfo,
        *,
        judge: Judging,
        scheduler: Scheduling,
        open_decoder: OpenDecoder,
        send: Callable[[Message], None],
        close: Callable[[int, str], None],
        backlog_s: float = BACKLOG_S,
        overhear: Callable[[Samples, Settings], None] | None = None,
    ) -> None:
        self._id = info.session_id
        self._session = Session(info)
        self._judge, self._scheduler, self._open_decoder = judge, scheduler, open_decoder
        self._send, self._close = send, close
        self._overhear = overhear
        self._backlog = int(backlog_s * SAMPLE_RATE)
        self._loop = asyncio.get_running_loop()
        self._line: Line | None = None
        self._unheard: list[bytes] = []  # audio that was taken and waits for the judge's next turn
        self._unheard_bytes = 0
        self._room = asyncio.Event()  # pulsed when an answer came
        self._decoder: Decoder | None = None
        self._decoded: asyncio.Queue[bytes | SessionError | None] = asyncio.Queue()  # bounded by the decoder's own output bound
        self._drained = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._stop = Stop()
        self.receive(Connected())

    @property
    def state(self) -> State:
        return self._session.state

    @property
    def owed_s(self) -> float:
        """Audio that has not been answered."""
        return self._session.backlog_samples / SAMPLE_RATE

    @property
    def totals(self) -> dict[str, int]:
        return self._session.totals

    def receive(self, event: Input) -> None:
        """Give the session an input that needs no waiting, and perform what it asks for."""
        for effect in self._session.receive(event):
            self._perform(effect)
        if self._session.state is State.CLOSED:
            self._release()

    @property
    def prompt(self) -> bool:
        """Whether an input from the client would be dealt with at once, without waiting for anything."""
        if self._unheard:  # it was when this was put aside; what that allows is bounded
            return True
        return self._decoder is None and self._session.state is State.OPEN and self._session.backlog_samples <= self._backlog

    def take(self, event: Input) -> None:
        """Give the session an input from its client, while ``prompt``.

        Audio is put aside until the judge's next turn: small messages that arrive within a turn become one, and all sessions have
        theirs heard one after the other.
        """
        if not isinstance(event, Audio):
            self._hear()
            self.receive(event)
            return
        if not self._unheard:
            self._judge.soon(self._hear)
        self._unheard.append(event.data)
        self._unheard_bytes += len(event.data)
        if self._unheard_bytes >= SLICE_BYTES:
            self._hear()

    def fail(self, error: Exception) -> None:
        """A fault of ours ends the session, and is told and logged."""
        logger.error("session %s failed", self._id, exc_info=error)
        self.receive(Rejected(InternalError(f"a fault of the server ({type(error).__name__}); it was logged as {self._id}")))

    def _hear(self) -> None:
        """What was put aside, as one message."""
        if not self._unheard:
            return
        data = b"".join(self._unheard)
        self._unheard.clear()
        self._unheard_bytes = 0
        try:
            for begin in range(0, len(data), SLICE_BYTES):
                self.receive(Audio(data[begin : begin + SLICE_BYTES]))
        except Exception as error:  # noqa: BLE001 - others share the turn, and nobody awaits this
            self.fail(error)

    async def feed(self, event: Input) -> None:
        """Give the session an input from its client; waits while too much is owed."""
        self._hear()
        if isinstance(event, Start) and self.state is State.NEW and event.format.encoding is Encoding.CONTAINER:
            self._start_container(event.format.channels)
        if isinstance(event, Start) and self.state is State.NEW:
            self._line = self._judge.open(event.format.heard_channels, self._judged, self._judge_failed)
        if self._decoder is None or self.state is not State.OPEN:
            await self._pcm(event) if isinstance(event, Audio) else self.receive(event)
            return
        match event:
            case Audio(data):
                self._decoder.feed(data)
                while self._decoder and self._decoder.full:
                    self._drained.clear()
                    await self._drained.wait()
            case Stop():
                self._stop = event
                self._decoder.end()
            case Flush():
                await self._until_decoded()
                self.receive(event)
            case _:
                self.receive(event)

    def gone(self) -> None:
        """Nobody reads any more: forget what is queued."""
        self._unheard.clear()
        self.receive(Gone())
        self._scheduler.discard(self._id)
        self._release()

    async def wait_released(self) -> None:
        """Until the container's pump, if there was one, has ended."""
        if self._pump:
            await asyncio.wait([self._pump])

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Judge(samples):
                assert self._line
                self._line.ask(samples)
                if self._overhear:
                    self._overhear(samples, self._session.settings)
            case Submit(job):
                self._scheduler.submit(job, self._answered)
            case Promote(segment):
                self._scheduler.promote(self._id, segment)
            case Discard(segment):
                self._scheduler.discard(self._id, segment)
            case Send(message):
                self._send(message)
            case Close(code, reason):
                self._close(code, reason)

    def _answered(self, answer: Answer) -> None:
        self.receive(answer)
        self._room.set()

    def _judged(self, probabilities: Probabilities) -> None:
        self.receive(Judged(probabilities))
        self._room.set()

    def _judge_failed(self, error: BaseException) -> None:
        self.receive(Rejected(InternalError(f"the voice detector failed ({type(error).__name__}); it was logged")))

    async def _pcm(self, audio: Audio) -> None:
        for begin in range(0, len(audio.data), SLICE_BYTES):
            while self._session.backlog_samples > self._backlog and self.state is State.OPEN:
                self._room.clear()
                await self._room.wait()
            self.receive(Audio(audio.data[begin : begin + SLICE_BYTES]))
            if begin:
                await asyncio.sleep(0)

    def _start_container(self, channels: int) -> None:
        put = self._decoded.put_nowait

        def later(value: bytes | SessionError | None) -> None:
            self._loop.call_soon_threadsafe(put, value)

        def drained() -> None:
            self._loop.call_soon_threadsafe(self._drained.set)

        self._decoder = self._open_decoder(channels=channels, on_pcm=later, on_end=later, on_drain=drained)
        self._pump = asyncio.create_task(self._pump_decoded(self._decoder))

    async def _until_decoded(self) -> None:
        """A flush means the bytes before it: give the decoder time to read them. What the codec itself holds back stays with it."""
        for _ in range(FLUSH_POLLS):
            if not self._decoder or self._decoder.settled:
                return
            await asyncio.sleep(FLUSH_POLL_S)

    async def _pump_decoded(self, decoder: Decoder) -> None:
        """Decoded audio to the session, in order; then the stop, with the decoder's error if it had one."""
        while True:
            data = await self._decoded.get()
            if not isinstance(data, bytes):
                break
            await self._pcm(Audio(data))
            decoder.consumed(len(data))
        if self.state is State.OPEN:
            self.receive(Stop(data.code, data) if data else self._stop)

    def _release(self) -> None:
        """Nothing waits any more, nothing runs any more."""
        self._room.set()
        self._drained.set()
        if self._line:
            self._line.close()
        if self._decoder:
            self._decoder.close()
            self._decoder = None
        if self._pump and self._pump is not asyncio.current_task():
            self._pump.cancel()
