"""One client as a state machine.

Rule 1: every transition lives in TRANSITIONS.
Rule 2: this file never waits, reads a clock, logs, or sees a socket or a model. Its only clock is the count of samples.

Flush, sync, stop and configure take effect at the sample that was the newest when they came, once every whole frame before it has been
judged, so a slow judge changes when the answer comes and never what it is.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final as Constant

from streamer.core.audio import PcmDecoder, Timeline, levels_db
from streamer.core.channel import Channel
from streamer.core.endpointer import EndReason
from streamer.core.events import (
    PROTOCOL_VERSION,
    Audio,
    AudioFormat,
    Close,
    Closed,
    Configure,
    Connected,
    Dropped,
    Effect,
    ErrorSent,
    Failed,
    Flush,
    Flushed,
    Gone,
    Heartbeat,
    Hypothesis,
    Input,
    Judge,
    Judged,
    Keepalive,
    Pulse,
    Rejected,
    Samples,
    Send,
    SessionConfigured,
    SessionCreated,
    SessionInfo,
    Settings,
    Start,
    State,
    Stop,
    Sync,
    Synced,
    Warned,
    to_ms,
)
from streamer.errors import AudioBeforeStart, SessionError, TooManyErrors, UnexpectedMessage

MAX_REJECTED: Constant = 20  # messages that could not be read; a client that sends more is not going to get better
NORMAL_CLOSURE: Constant = 1000
GOING_AWAY: Constant = 1001

TRANSITIONS: Constant[Mapping[State, Mapping[type, State]]] = {
    State.NEW: {
        Connected: State.NEW,
        Start: State.OPEN,
        Keepalive: State.NEW,
        Pulse: State.NEW,
        Rejected: State.NEW,
        Stop: State.DRAINING,
        Gone: State.CLOSED,
    },
    State.OPEN: {
        Audio: State.OPEN,
        Judged: State.OPEN,
        Configure: State.OPEN,
        Flush: State.OPEN,
        Sync: State.OPEN,
        Keepalive: State.OPEN,
        Pulse: State.OPEN,
        Rejected: State.OPEN,
        Hypothesis: State.OPEN,
        Failed: State.OPEN,
        Dropped: State.OPEN,
        Stop: State.DRAINING,
        Gone: State.CLOSED,
    },
    State.DRAINING: {  # left for CLOSED when the last final has been answered
        Judged: State.DRAINING,
        Keepalive: State.DRAINING,
        Pulse: State.DRAINING,
        Rejected: State.DRAINING,
        Hypothesis: State.DRAINING,
        Failed: State.DRAINING,
        Dropped: State.DRAINING,
        Gone: State.CLOSED,
    },
    State.CLOSED: {},  # whatever comes late is ignored
}


@dataclass(slots=True)
class _Mark:
    """A flush, a sync, a stop or a change of settings, at a sample; later also the segments it still waits for."""

    at: int
    input: Flush | Sync | Stop | Settings
    waiting: set[int] | None = None


class Session:
    """One client. ``receive`` takes one input and gives the effects to perform, in order."""

    def __init__(self, info: SessionInfo) -> None:
        self._info = info
        self.state = State.NEW
        self._format = AudioFormat()
        self._settings = Settings()  # as of the newest message; channels change when its mark is due
        self._channels: list[Channel] = []
        self._timeline = Timeline(1)
        self._decoder: PcmDecoder | None = None
        self._asked = 0  # samples given to the judge
        self._judged = 0
        self._marks: deque[_Mark] = deque()  # not yet due
        self._waiting: deque[_Mark] = deque()  # due, with segments that are still owed
        self._segments = self._errors = self._rejected = 0
        self._told: set[type] = set()

    @property
    def backlog_samples(self) -> int:
        """Audio received that has not been judged, and ended segments whose finals are owed. The server's back-pressure."""
        return self._timeline.end - self._judged + sum([channel.owed_samples for channel in self._channels])

    @property
    def settings(self) -> Settings:
        """Of audio that is received from here on."""
        return self._settings

    @property
    def totals(self) -> dict[str, int]:
        """The session's numbers, as in ``closed``."""
        return {
            "audio_ms": to_ms(self._timeline.end),
            "speech_ms": to_ms(sum(channel.speech_samples for channel in self._channels)),
            "segments": self._segments,
            "finals": sum(channel.finals for channel in self._channels),
            "partials": sum(channel.partials for channel in self._channels),
            "errors": self._errors + sum(channel.failures for channel in self._channels),
        }

    def receive(self, event: Input) -> list[Effect]:
        """Take one input. Never raises for anything a client can do."""
        out: list[Effect] = []
        following = TRANSITIONS[self.state].get(type(event))
        if following is None:
            self._refuse(event, out)
            return out
        try:
            self._handle(event, out)
        except SessionError as error:
            self._reject(error, out)
            return out
        if self.state is not State.CLOSED:  # closed by what was handled
            self.state = following
        self._advance(out)
        return out

    def _handle(self, event: Input, out: list[Effect]) -> None:
        match event:
            case Audio(data):
                self._hear(data, out)
            case Judged(probabilities):
                self._judge(probabilities, out)
            case Hypothesis() | Failed() | Dropped():
                self._answered(self._channels[event.job.channel].answer(event, out))
            case Connected():
                out.append(Send(self._created()))
            case Start():
                self._start(event, out)
            case Configure(changes):
                self._settings = replace(self._settings, **changes)
                self._warn(self._settings, changes, out)
                self._marks.append(_Mark(self._timeline.end, self._settings))
            case Flush() | Sync():
                self._marks.append(_Mark(self._timeline.end, event))
            case Stop():
                self._stop(event, out)
            case Pulse():
                out.append(Send(self._heartbeat(event)))
            case Rejected(error):
                raise error
            case _:
                pass

    def _created(self) -> SessionCreated:
        model = self._info.model
        return SessionCreated(
            session_id=self._info.session_id,
            protocol=PROTOCOL_VERSION,
            server=self._info.server,
            model=model.name,
            device=model.device,
            capabilities=model.capabilities,
            notice=model.notice,
            limits=self._info.limits,
            resume_token=self._info.resume_token,
            stored=self._info.stored,
        )

    def _start(self, start: Start, out: list[Effect]) -> None:
        self._settings, self._format = start.settings, start.format
        self._decoder = PcmDecoder(start.format)
        self._timeline = Timeline(start.format.heard_channels)
        self._channels = [self._channel(index) for index in range(start.format.heard_channels)]
        out.append(Send(SessionConfigured(format=start.format, settings=start.settings)))
        asked = {name for name in ("hotwords", "language", "itn", "record") if getattr(start.settings, name) != getattr(Settings(), name)}
        self._warn(start.settings, asked, out)

    def _channel(self, index: int) -> Channel:
        def read(begin: int, end: int) -> Samples:
            samples: Samples = self._timeline.read(begin, end, slice(index, index + 1))[0]
            return samples

        return Channel(
            index,
            session=self._info.session_id,
            frame_samples=self._info.frame_samples,
            settings=self._settings,
            read=read,
            levels=lambda begin, end: levels_db(read(begin, end), self._info.frame_samples),
            new_segment=self._new_segment,
            windowed=self._info.model.capabilities.word_times == "aligned",
            hears_sounds=self._info.model.capabilities.events,
        )

    def _new_segment(self) -> int:
        self._segments += 1
        return self._segments - 1

    def _warn(self, settings: Settings, asked: Mapping[str, object] | set[str], out: list[Effect]) -> None:
        """Say what the model cannot do of what was asked."""
        model, can = self._info.model.name, self._info.model.capabilities
        if "hotwords" in asked and settings.hotwords and not can.hotwords:
            out.append(Send(Warned(code="hotwords_unsupported", message=f"{model} cannot prefer words; hotwords have no effect")))
        if "language" in asked and settings.language not in ("auto", *can.languages):
            known = ", ".join(can.languages)
            text = f"language is '{settings.language}', but {model} knows only {known}; it will hear everything as that"
            out.append(Send(Warned(code="language_unsupported", message=text)))
        if "itn" in asked and not settings.itn and not can.itn:
            text = f"{model} always writes digits and punctuation as it likes; itn has no effect"
            out.append(Send(Warned(code="itn_unsupported", message=text)))
        if "record" in asked and settings.record and not self._info.records:
            text = "record is true, but whoever runs this server has not allowed it (serve --record); no audio is kept"
            out.append(Send(Warned(code="not_recorded", message=text)))

    def _hear(self, data: bytes, out: list[Effect]) -> None:
        assert self._decoder
        self._append(self._decoder.decode(data), out)

    def _append(self, samples: Samples, out: list[Effect]) -> None:
        """New audio: keep it, and ask for the judgement of the frames it completes."""
        self._timeline.append(samples)
        frame = self._info.frame_samples
        whole = self._timeline.end - self._timeline.end % frame
        if whole == self._asked:
            return
        frames = self._timeline.read(self._asked, whole)
        self._asked = whole
        out.append(Judge(frames))

    def _judge(self, probabilities: tuple[tuple[float, ...], ...], out: list[Effect]) -> None:
        for row in probabilities:
            if self._marks:
                self._apply_marks(out)
            self._judged += self._info.frame_samples
            for channel, probability in zip(self._channels, row, strict=True):
                channel.frame(probability, out)
                if left := channel.leave(out):
                    self._answered(left)
        self._timeline.forget(min(channel.keep_from for channel in self._channels))

    def _stop(self, stop: Stop, out: list[Effect]) -> None:
        if self._decoder:
            if self._decoder.incomplete_bytes:
                text = f"the audio ended within a sample; its {self._decoder.incomplete_bytes} last bytes were ignored"
                out.append(Send(Warned(code="incomplete_sample", message=text)))
            self._append(self._decoder.finish(), out)
        self._marks.append(_Mark(self._timeline.end, stop))

    def _advance(self, out: list[Effect]) -> None:
        """Do what is due: marks that were reached, then answers that all waited-for segments now have."""
        self._apply_marks(out)
        while self._waiting and not self._waiting[0].waiting:
            mark = self._waiting.popleft()
            if isinstance(mark.input, Flush):
                out.append(Send(Flushed(id=mark.input.id)))
            elif isinstance(mark.input, Sync):
                out.append(Send(Synced(id=mark.input.id)))
            elif isinstance(mark.input, Stop):
                self._finish(mark.input, out)

    def _apply_marks(self, out: list[Effect]) -> None:
        while self._marks and self._marks[0].at < self._judged + self._info.frame_samples:
            mark = self._marks.popleft()
            if isinstance(mark.input, Settings):
                for channel in self._channels:
                    channel.configure(mark.input)
                out.append(Send(SessionConfigured(format=self._format, settings=mark.input)))
                continue
            if not isinstance(mark.input, Sync):
                reason = EndReason.FLUSH if isinstance(mark.input, Flush) else EndReason.STOP
                for channel in self._channels:
                    channel.end(mark.at, reason, out)
                    self._answered(channel.leave(out))
            mark.waiting = {segment for channel in self._channels for segment in channel.owed_segments}
            self._waiting.append(mark)

    def _answered(self, segments: list[int]) -> None:
        for mark in self._waiting:
            assert mark.waiting is not None
            mark.waiting.difference_update(segments)

    def _finish(self, stop: Stop, out: list[Effect]) -> None:
        if stop.error:
            self._fail(stop.error, out)
            return
        self._close(stop.reason, GOING_AWAY if stop.reason == "going_away" else NORMAL_CLOSURE, out)

    def _refuse(self, event: Input, out: list[Effect]) -> None:
        """An input that is illegal in this state."""
        if self.state is State.CLOSED or type(event) in self._told:
            return
        name = type(event).__name__.lower()
        if self.state is State.NEW:
            self._reject(AudioBeforeStart(f"{name} came before start; send start first, with the format of your audio"), out)
            return
        self._told.add(type(event))
        what = "the session has already started" if self.state is State.OPEN else "the session is stopping"
        self._reject(UnexpectedMessage(f"{name} came, but {what}; it has no effect"), out)

    def _reject(self, error: SessionError, out: list[Effect]) -> None:
        self._errors += 1
        if error.close_code is not None:
            self._fail(error, out)
            return
        out.append(Send(ErrorSent(code=error.code, message=str(error), fatal=False)))
        self._rejected += 1
        if self._rejected > MAX_REJECTED:
            self._fail(
                TooManyErrors(f"{self._rejected} messages could not be read, at most {MAX_REJECTED} are borne; see docs/protocol.md"), out
            )

    def _fail(self, error: SessionError, out: list[Effect]) -> None:
        assert error.close_code is not None
        out.append(Send(ErrorSent(code=error.code, message=str(error), fatal=True)))
        self._close(error.code, error.close_code, out)

    def _close(self, reason: str, code: int, out: list[Effect]) -> None:
        self.state = State.CLOSED
        out += [Send(Closed(reason=reason, totals=self.totals)), Close(code, reason)]

    def _heartbeat(self, pulse: Pulse) -> Heartbeat:
        processed = min((channel.settled for channel in self._channels), default=0)
        return Heartbeat(
            received_ms=to_ms(self._timeline.end),
            processed_ms=to_ms(processed),
            queue_ms=pulse.queue_ms,
            received_bytes=pulse.received_bytes,
            received_messages=pulse.received_messages,
        )
