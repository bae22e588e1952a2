"""One channel of a session: its open segment, the partials of it, and the finals that are owed.

- A final depends on its span of audio and the settings alone. A speculative answer is the final for exactly that span or not at all.
- One partial is in flight at a time; a slow engine therefore gives fewer partials, never a queue of them.
- Finals leave in the order of their segments, each exactly once; a segment whose decode failed leaves as an error.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final as Constant

from streamer.core.endpointer import Ended, Endpointer, EndReason, Levels, Opened, Paused, Resumed
from streamer.core.events import (
    SAMPLES_PER_MS,
    Answer,
    Discard,
    Effect,
    ErrorSent,
    Failed,
    Final,
    Hypothesis,
    Job,
    JobKind,
    Partial,
    Promote,
    Quiet,
    Samples,
    Send,
    Settings,
    Sound,
    SpeechEnded,
    SpeechStarted,
    Submit,
    to_ms,
    to_samples,
)
from streamer.core.evidence import SPEECHLIKE, sound_of, why_withheld
from streamer.core.quiet import QuietWatch
from streamer.core.richtext import confidence_of, emotion_of, events_of, language_of, rich_text, words_of
from streamer.core.sounds import SoundWatch
from streamer.core.stabilizer import Stabilizer
from streamer.core.trend import Trend
from streamer.errors import TranscriptionFailed

FIRST_PARTIAL_MS: Constant = 200  # after the segment opened, which is 60 ms or more after the first sound
PARTIAL_MS: Constant = 300
PARTIAL_GROWTH: Constant = 0.12  # of the span it decodes: refreshing a growing segment costs linear work, not quadratic
PARTIAL_REST: Constant = 2  # times what the last partial took: a busy engine gets fewer questions, and answers sooner those it gets
WINDOW_MS: Constant = 8_000  # a partial hears at most about this; what was promised before it is not decoded again
WINDOW_KEEP_MS: Constant = 4_000  # context a window begins with: less, and the words at the seam suffer

SOUND_SHOWN_P: Constant = 0.5  # a sound less probable than this is not told
NO_SEGMENT: Constant = -1  # of a job that belongs to no segment

Read = Callable[[int, int], Samples]
"""Absolute begin and end to this channel's samples, int16 ``[n]``."""


@dataclass(slots=True, kw_only=True, eq=False)
class Segment:
    """An utterance that is still being spoken."""

    id: int
    begin: int
    next_partial: int
    window: int  # where partials begin to listen
    revision: int = 0
    shown: tuple[str, str] = ("", "")
    in_flight: Job | None = None
    pause_due: bool = False  # a pause waits for a partial that covers it
    speculation: Job | None = None
    heard: Hypothesis | None = None  # the answer to the speculation
    stabilizer: Stabilizer = field(default_factory=Stabilizer)


@dataclass(slots=True, kw_only=True, eq=False)
class Owed:
    """A segment that has ended and whose final has not been sent."""

    segment: int
    revision: int
    begin: int
    end: int
    reason: EndReason
    job: Job | None = None
    message: Final | ErrorSent | None = None
    quiet_ms: int = 0  # what lasted after it, and is told after it


class Channel:
    """The segments of one channel, frame by frame. Effects are appended to ``out``."""

    def __init__(
        self,
        index: int,
        *,
        session: str,
        frame_samples: int,
        settings: Settings,
        read: Read,
        levels: Levels,
        new_segment: Callable[[], int],
        windowed: bool,
        hears_sounds: bool,
    ) -> None:
        self._index, self._session = index, session
        self._settings = settings
        self._read = read
        self._new_segment = new_segment
        self._windowed = windowed  # needs word times that can be trusted
        self._endpointer = Endpointer(frame_samples, settings, levels)
        self._watch = SoundWatch(frame_samples, levels) if hears_sounds else None
        self._sound: Job | None = None
        self._trend = Trend()
        self._quiet = QuietWatch()
        self._open: Segment | None = None
        self._owed: deque[Owed] = deque()
        self.speech_samples = 0
        self.partials = self.finals = self.failures = 0

    @property
    def keep_from(self) -> int:
        """Audio before this sample will not be read again."""
        keep = self._endpointer.keep_from
        return min(keep, self._watch.begin) if self._watch else keep

    @property
    def settled(self) -> int:
        """Everything before this sample has been answered, or holds no open question."""
        if self._owed:
            return self._owed[0].begin
        return self._open.begin if self._open else self._endpointer.position

    @property
    def owed_segments(self) -> set[int]:
        return {owed.segment for owed in self._owed}

    @property
    def owed_samples(self) -> int:
        return sum(owed.end - owed.begin for owed in self._owed) if self._owed else 0

    def configure(self, settings: Settings) -> None:
        """New settings hold for segments that end from here on; what was speculated under the old ones is void."""
        self._settings = settings
        self._endpointer.configure(settings)
        if self._open:
            self._open.speculation = self._open.heard = None

    def frame(self, probability: float, out: list[Effect]) -> None:
        """Take the next frame's judgement."""
        for boundary in self._endpointer.push(probability):
            match boundary:
                case Opened(begin):
                    self._begin(begin, out)
                case Paused(end):
                    self._pause(end, out)
                case Resumed():
                    self._resume(out)
                case Ended(end, reason):
                    self._end(end, reason, out)
        if self._open:
            self._refresh(self._open, out)
        elif self._quiet.due is not None:
            self._hush(out)
        self._listen(out)

    def end(self, at: int, reason: EndReason, out: list[Effect]) -> None:
        """End the open segment, if there is one, at ``at``."""
        for boundary in self._endpointer.end(at, reason):
            assert isinstance(boundary, Ended)
            self._end(boundary.end, boundary.reason, out)
            self._hush(out)

    def answer(self, answer: Answer, out: list[Effect]) -> list[int]:
        """Take the engine's answer to a job; give the segments that are answered for good by it, in order."""
        owed = next((owed for owed in self._owed if owed.job is answer.job), None)
        if answer.job is self._sound:
            self._heard_sound(answer, out)
        elif owed:
            self._settle(owed, answer, out)
        elif self._open and self._open.id == answer.job.segment:
            self._show(self._open, answer, out)
            self._refresh(self._open, out)
        return self.leave(out)

    def leave(self, out: list[Effect]) -> list[int]:
        """Send what is ready, in order; give the segments that left."""
        left = []
        while self._owed and self._owed[0].message:
            owed = self._owed.popleft()
            assert owed.message
            if isinstance(owed.message, Final):
                self._leave_final(owed.message, out)
            else:
                self.failures += 1
                out.append(Send(owed.message))
            if owed.quiet_ms:
                self._tell_quiet(owed.quiet_ms, out)
            left.append(owed.segment)
        return left

    def _leave_final(self, final: Final, out: list[Effect]) -> None:
        self.finals += 1
        self._quiet.settled(final)
        if self._settings.emotion_trend and final.emotion:
            trend = self._trend.update(final.emotion.scores, final.end_ms - final.begin_ms)
            final = replace(final, emotion=replace(final.emotion, trend=trend))
        out.append(Send(final))
        sound = final.events[0] if final.events and not final.text else None
        if self._settings.sounds and sound and sound.label not in SPEECHLIKE and sound.p >= SOUND_SHOWN_P:
            out.append(Send(self._sound_message(sound.label, sound.p, final.begin_ms, final.end_ms)))

    def _hush(self, out: list[Effect]) -> None:
        """Tell that the channel has become quiet, once the finals that are owed have been sent."""
        quiet_ms = self._quiet.lasted(self._endpointer.position)
        if quiet_ms and self._owed:
            self._owed[-1].quiet_ms = quiet_ms
        elif quiet_ms:
            self._tell_quiet(quiet_ms, out)

    def _tell_quiet(self, quiet_ms: int, out: list[Effect]) -> None:
        end_ms = self._quiet.take_utterance()
        if end_ms is not None:
            out.append(Send(Quiet(channel=self._index, end_ms=end_ms, quiet_ms=quiet_ms)))

    def _listen(self, out: list[Effect]) -> None:
        """Between segments, ask now and then what the noise is."""
        if not self._watch:
            return
        window = self._watch.push(self._endpointer.position, self._open.begin if self._open else None)
        if window and self._settings.sounds and not self._sound:
            self._sound = self._job(JobKind.SOUND, NO_SEGMENT, *window)
            out.append(Submit(self._sound))

    def _heard_sound(self, answer: Answer, out: list[Effect]) -> None:
        self._sound = None
        assert self._watch
        if not isinstance(answer, Hypothesis):
            return
        sound = sound_of(answer.event)
        shown = sound is not None and sound[1] >= SOUND_SHOWN_P
        self._watch.learn(fruitful=shown)
        if sound and shown:
            out.append(Send(self._sound_message(*sound, to_ms(answer.job.begin), to_ms(answer.job.end))))

    def _sound_message(self, label: str, p: float, begin_ms: int, end_ms: int) -> Sound:
        return Sound(channel=self._index, event=label, p=round(p, 4), begin_ms=begin_ms, end_ms=end_ms)

    def _begin(self, begin: int, out: list[Effect]) -> None:
        self._quiet.opened()
        now = self._endpointer.position
        self._open = Segment(id=self._new_segment(), begin=begin, next_partial=now + to_samples(FIRST_PARTIAL_MS), window=begin)
        out.append(Send(SpeechStarted(segment=self._open.id, channel=self._index, begin_ms=to_ms(begin))))

    def _refresh(self, segment: Segment, out: list[Effect]) -> None:
        now = self._endpointer.position
        if now < segment.next_partial or segment.in_flight or not self._settings.partials:
            return
        if self._endpointer.pausing and not segment.pause_due:
            return
        if self._windowed and now - segment.window > to_samples(WINDOW_MS):
            lock = segment.stabilizer.lock(now - to_samples(WINDOW_KEEP_MS) - segment.begin)
            segment.window = max(segment.window, segment.begin + (lock or 0))
        segment.in_flight = self._job(JobKind.PARTIAL, segment.id, segment.window, now)
        segment.next_partial = now + max(to_samples(PARTIAL_MS), int((now - segment.window) * PARTIAL_GROWTH))
        segment.pause_due = False
        out.append(Submit(segment.in_flight))

    def _resume(self, out: list[Effect]) -> None:
        """Speech goes on: the speculation is void, and not worth decoding if that has not begun."""
        segment = self._open
        assert segment
        if segment.speculation and not segment.heard:
            out.append(Discard(segment.id))
        segment.speculation = segment.heard = None

    def _pause(self, end: int, out: list[Effect]) -> None:
        """Silence that may end the segment is worth its final; where it may not, one partial with all that was said is enough."""
        segment = self._open
        assert segment
        if not self._settings.endpoints:
            segment.pause_due = True
            segment.next_partial = min(segment.next_partial, self._endpointer.position)
            return
        segment.speculation = self._job(JobKind.SPECULATIVE, segment.id, segment.begin, end)
        segment.heard = None
        out.append(Submit(segment.speculation))

    def _end(self, end: int, reason: EndReason, out: list[Effect]) -> None:
        segment = self._open
        assert segment
        self._open = None
        self._quiet.ended(self._endpointer.speech_end, self._settings.quiet_ms)
        self.speech_samples += end - segment.begin
        out.append(Send(SpeechEnded(segment=segment.id, channel=self._index, end_ms=to_ms(end), reason=reason)))
        owed = Owed(segment=segment.id, revision=segment.revision, begin=segment.begin, end=end, reason=reason)
        self._owed.append(owed)
        if segment.speculation and segment.speculation.end == end:
            owed.job = segment.speculation
            if segment.heard:
                self._settle(owed, segment.heard, out)
            else:
                out.append(Promote(segment.id))
        else:
            self._submit_final(owed, out)
        if segment.in_flight or segment.speculation:
            out.append(Discard(segment.id))

    def _submit_final(self, owed: Owed, out: list[Effect]) -> None:
        owed.job = self._job(JobKind.FINAL, owed.segment, owed.begin, owed.end, owed.job)
        out.append(Submit(owed.job))

    def _job(self, kind: JobKind, segment: int, begin: int, end: int, same: Job | None = None) -> Job:
        if same:
            return replace(same, kind=kind)
        return Job(
            session=self._session,
            channel=self._index,
            segment=segment,
            kind=kind,
            begin=begin,
            end=end,
            samples=self._read(begin, end),
            language=self._settings.language,
            itn=self._settings.itn,
            hotwords=self._settings.hotwords,
        )

    def _show(self, segment: Segment, answer: Answer, out: list[Effect]) -> None:
        """An answer for the open segment: a partial, if it says something new."""
        if answer.job is segment.in_flight:
            segment.in_flight = None
            if isinstance(answer, Hypothesis):
                answered_in = int(SAMPLES_PER_MS * (answer.queue_ms + answer.decode_ms))
                segment.next_partial = max(segment.next_partial, answer.job.end + PARTIAL_REST * answered_in)
        if not isinstance(answer, Hypothesis):
            if answer.job is segment.speculation:
                segment.speculation = None
            return
        if answer.job is segment.speculation:
            segment.heard = answer
        if not self._settings.partials or why_withheld(answer):
            return
        origin = answer.job.begin - segment.begin
        shown = segment.stabilizer.update(answer.tokens, answer.job.end - segment.begin, origin)
        if shown == segment.shown:
            return
        segment.shown = shown
        out.append(Send(self._partial(segment, answer, shown)))
        segment.revision += 1
        self.partials += 1

    def _partial(self, segment: Segment, heard: Hypothesis, shown: tuple[str, str]) -> Partial:
        tokens = segment.stabilizer.tokens
        return Partial(
            segment=segment.id,
            revision=segment.revision,
            channel=self._index,
            stable=shown[0],
            unstable=shown[1],
            begin_ms=to_ms(segment.begin),
            end_ms=to_ms(heard.job.end),
            words=words_of(tokens, segment.begin) if self._settings.partial_words else (),
            confidence=confidence_of(tokens),
            language=language_of(heard.language),
            emotion=emotion_of(heard.emotion),
            events=events_of(heard.event, heard.tokens),
            audio_end_ms=to_ms(heard.job.end),
            queue_ms=round(heard.queue_ms, 1),
            decode_ms=round(heard.decode_ms, 1),
        )

    def _settle(self, owed: Owed, answer: Answer, out: list[Effect]) -> None:
        """An answer for a segment that has ended."""
        match answer:
            case Hypothesis():
                owed.message = self._final(owed, answer)
            case Failed(job, reason) if job.kind is JobKind.FINAL:
                seconds = (owed.end - owed.begin) / to_samples(1000)
                owed.message = ErrorSent(
                    code=TranscriptionFailed.code,
                    message=f"segment {owed.segment} ({seconds:.1f} s) could not be transcribed: {reason}; the session goes on",
                    fatal=False,
                    segment=owed.segment,
                    channel=self._index,
                )
            case _:  # a speculation that was lost: ask once more, as the final it has become
                self._submit_final(owed, out)

    def _final(self, owed: Owed, heard: Hypothesis) -> Final:
        rich = rich_text(heard)
        withheld = why_withheld(heard)
        return Final(
            segment=owed.segment,
            revision=owed.revision,
            channel=self._index,
            text="" if withheld else rich.text,
            raw_text=rich.raw_text,
            words=() if withheld else rich.words,
            begin_ms=to_ms(owed.begin),
            end_ms=to_ms(owed.end),
            language=rich.language,
            emotion=rich.emotion,
            events=rich.events,
            itn=rich.itn,
            confidence=rich.confidence,
            withheld=withheld,
            end_reason=owed.reason,
            audio_end_ms=to_ms(owed.end),
            queue_ms=round(heard.queue_ms, 1),
            decode_ms=round(heard.decode_ms, 1),
        )
