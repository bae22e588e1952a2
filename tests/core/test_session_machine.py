"""A session under anything its client, its judge and its engine may do, in any order: what it promises holds at every step.

Two things are compared at the end with a session of the same audio and settings that was fed in one piece: the finals, and how many there
were. Everything else is looked at with every message.
"""

from collections import deque
from dataclasses import replace

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streamer.core.events import (
    Audio,
    AudioFormat,
    Close,
    Closed,
    Configure,
    Connected,
    Discard,
    Dropped,
    Encoding,
    ErrorSent,
    Failed,
    Final,
    Flush,
    Flushed,
    Gone,
    JobKind,
    Judge,
    Judged,
    Keepalive,
    Partial,
    Promote,
    Pulse,
    Rejected,
    Send,
    Settings,
    SpeechEnded,
    SpeechStarted,
    Start,
    State,
    Stop,
    Submit,
    Sync,
    Synced,
)
from streamer.core.session import Session
from streamer.engine.scripted import heard
from streamer.errors import IdleTimeout, InvalidMessage
from tests.carriers import mulaw
from tests.driving import CAPABLE, PLAIN, Driver, info, judgement, speech

KEPT_S = 25.0  # of audio, at the most, once the judge has heard all: a segment of 20 s with what is around it
SPEECHES = [speech(script, seed=n) for n, script in enumerate(("#" * 30, "." * 45, "#" * 8 + "." * 12 + "#" * 8, "." * 5 + "#" * 90, "#."))]


class AnySession(RuleBasedStateMachine):
    """``self.script`` is what the client did, without when: the reference hears the same."""

    @initialize(
        channels=st.integers(1, 2),
        encoding=st.sampled_from([Encoding.PCM_S16LE, Encoding.PCM_F32LE, Encoding.MULAW]),
        rate=st.sampled_from([16_000, 16_000, 8_000, 44_100]),
        mix=st.booleans(),
        capable=st.booleans(),
        chosen=st.builds(
            Settings,
            partials=st.booleans(),
            endpoints=st.booleans(),
            endpoint_silence_ms=st.sampled_from([100, 600, 1_000]),
            max_segment_ms=st.sampled_from([2_000, 20_000]),
            quiet_ms=st.sampled_from([0, 500]),
        ),
        starts=st.booleans(),
    )
    def connect(self, channels, encoding, rate, mix, capable, chosen, starts):
        self.format = AudioFormat(encoding=encoding, sample_rate=rate, channels=channels, mix=mix)
        self.model = CAPABLE if capable else PLAIN
        self.settings = chosen
        self.session = Session(info(model=self.model))
        self.unjudged, self.jobs, self.script = deque(), deque(), []
        self.asked, self.told, self.ids = [], [], 0
        self.started, self.ended, self.left, self.stable, self.revisions = [], [], [], {}, {}
        self.closed = self.gone = False
        self.failed = self.long = False
        self.receive(Connected())
        if starts:
            self.start()

    # What the client does.

    @precondition(lambda self: self.session.state is State.NEW)
    @rule()
    def start(self):
        self.receive(Start(self.format, self.settings))

    @precondition(lambda self: self.session.state is State.OPEN)
    @rule(n=st.integers(0, len(SPEECHES) - 1), cuts=st.lists(st.integers(0, 40_000), max_size=4))
    def speak(self, n, cuts):
        data = self.encoded(SPEECHES[n])
        self.script.append(data)
        edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
        for begin, end in zip(edges, edges[1:], strict=False):
            self.receive(Audio(data[begin:end]))

    @precondition(lambda self: self.session.state is State.OPEN and not self.long)
    @rule(mark=st.sampled_from("#."))
    def go_on(self, mark):
        """For longer than a session may keep. Once, as it takes its time."""
        self.long = True
        data = self.encoded(speech(mark * 1_400))
        self.script.append(data)
        self.receive(Audio(data))

    def encoded(self, samples):
        columns = np.stack([np.roll(samples, 4_000 * channel) for channel in range(self.format.channels)], axis=1).reshape(-1)
        match self.format.encoding:
            case Encoding.PCM_F32LE:
                return (columns / 32_768).astype("<f4").tobytes()
            case Encoding.MULAW:
                return mulaw(columns)
            case _:
                return columns.astype("<i2").tobytes()

    @precondition(lambda self: self.session.state is State.OPEN)
    @rule(kind=st.sampled_from([Flush, Flush, Sync]))
    def ask(self, kind):
        self.ids += 1
        self.asked.append((kind, self.ids))
        self.script.append(kind(self.ids))
        self.receive(kind(self.ids))

    @precondition(lambda self: self.session.state is State.OPEN)
    @rule(silence=st.sampled_from([100, 400, 2_000]), language=st.sampled_from(["auto", "en", "ja"]))
    def configure(self, silence, language):
        change = Configure({"endpoint_silence_ms": silence, "language": language})
        self.script.append(change)
        self.receive(change)

    @precondition(lambda self: self.session.state in (State.NEW, State.OPEN))
    @rule(stop=st.sampled_from([Stop(), Stop("going_away"), Stop("idle_timeout", IdleTimeout("nothing came"))]))
    def stop(self, stop):
        if self.ids % 3 == 2 or self.session.state is State.NEW:  # not always, or most sessions would be short
            self.stopped_by(stop)

    def stopped_by(self, stop):
        if self.session.state in (State.NEW, State.OPEN):
            self.script.append(stop)
            self.asked.append((Stop, stop.reason))
        self.receive(stop)

    @rule(event=st.sampled_from([Keepalive(), Pulse(5), Pulse(0, 10, 10)]))
    def live(self, event):
        self.receive(event)

    @rule()
    def reject(self):
        self.receive(Rejected(InvalidMessage("that was nothing")))

    @precondition(lambda self: self.session.state in (State.DRAINING, State.CLOSED))
    @rule(event=st.sampled_from([Audio(b"\0" * 640), Flush("late"), Sync("late"), Stop(), Start(AudioFormat(), Settings()), Configure({})]))
    def come_late(self, event):
        self.receive(event)

    # What the judge and the engine do.

    @rule(count=st.integers(1, 4))
    def judge(self, count):
        for _ in range(min(count, len(self.unjudged))):
            self.receive(Judged(judgement(self.unjudged.popleft())))

    @precondition(lambda self: self.jobs)
    @rule(place=st.integers(0, 3))
    def answer(self, place):
        """In any order: several devices may be at work."""
        job = self.jobs[min(place, len(self.jobs) - 1)]
        self.jobs.remove(job)
        self.receive(heard(job))

    @precondition(lambda self: self.jobs)
    @rule()
    def fail(self):
        job = self.jobs.popleft()
        self.failed = self.failed or job.kind in (JobKind.FINAL, JobKind.SPECULATIVE)
        self.receive(Failed(job, "out of luck"))

    @precondition(lambda self: any(job.kind is not JobKind.FINAL for job in self.jobs))
    @rule()
    def drop(self):
        job = next(job for job in self.jobs if job.kind is not JobKind.FINAL)
        self.jobs.remove(job)
        self.receive(Dropped(job))

    # What the session says.

    def receive(self, event):
        for effect in self.session.receive(event):
            assert not self.closed, f"{effect} after the close"
            match effect:
                case Judge(samples):
                    self.unjudged.append(samples)
                case Submit(job):
                    assert job.end - job.begin == len(job.samples) > 0
                    self.jobs.append(job)
                case Discard() | Promote():
                    pass  # the engine need not have been fast enough
                case Send(message):
                    self.check(message)
                case Close(code):
                    assert 1000 <= code < 5000
                    assert isinstance(self.told[-1], Closed)
                    self.closed = True

    def check(self, message):
        self.told.append(message)
        match message:
            case SpeechStarted(segment=segment):
                assert segment == len(self.started)  # one more than the one before, across channels
                self.started.append(segment)
            case SpeechEnded(segment=segment):
                assert segment in self.started
                assert segment not in self.ended
                self.ended.append(segment)
            case Partial():
                self.check_partial(message)
            case Final(segment=segment, revision=revision):
                self.leave(segment, message.channel)
                assert revision == self.revisions.get(segment, -1) + 1
                shown = self.stable.get(segment, "")
                assert self.failed or not self.settings.partials or not shown or message.text.startswith(shown.strip()) or message.withheld
            case ErrorSent(segment=segment) if segment is not None:
                self.leave(segment, message.channel)
            case Flushed() | Synced() | Closed():
                self.check_terminal(message)
            case _:
                pass

    def check_partial(self, partial):
        assert partial.segment in self.started
        assert partial.segment not in self.ended
        assert partial.revision == self.revisions.get(partial.segment, -1) + 1
        assert partial.stable.startswith(self.stable.get(partial.segment, ""))
        self.revisions[partial.segment] = partial.revision
        self.stable[partial.segment] = partial.stable

    def leave(self, segment, channel):
        assert segment in self.ended
        assert segment not in [one for one, _ in self.left], "told twice"
        assert all(one < segment for one, its in self.left if its == channel), "out of order"
        self.left.append((segment, channel))

    def check_terminal(self, message):
        """Answers come in the order in which they were asked for, and a close that nobody asked for ends all waiting."""
        if isinstance(message, Closed):
            fatal = any(isinstance(one, ErrorSent) and one.fatal for one in self.told)
            assert fatal or self.asked == [(Stop, message.reason)]
            self.asked.clear()
            return
        kind, id = self.asked.pop(0)
        assert {Flush: Flushed, Sync: Synced}[kind] is type(message)
        assert message.id == id

    @invariant()
    def memory_is_bounded(self):
        if hasattr(self, "session") and not self.unjudged and not self.closed:  # a closed one is on its way out
            assert len(self.session._timeline) <= KEPT_S * 16_000

    def teardown(self):
        if not hasattr(self, "session"):
            return
        if self.session.state in (State.NEW, State.OPEN):
            self.stopped_by(Stop())
        for _ in range(10_000):
            if not self.unjudged and not self.jobs:
                break
            self.judge(count=10)
            self.memory_is_bounded()
            if self.jobs:
                self.answer(place=0)
        assert self.session.state is State.CLOSED, "a stop is answered"
        assert self.closed and not self.asked
        fatal = [one for one in self.told if isinstance(one, ErrorSent) and one.fatal]
        if not fatal or fatal[0].code == "idle_timeout":
            assert sorted(self.started) == sorted(self.ended) == sorted(segment for segment, _ in self.left)
            if not self.failed:
                assert self.finals(self.told) == self.reference()
        self.receive(Gone())
        self.receive(Audio(b"\0\0"))

    @staticmethod
    def finals(told):
        """By channel: between channels the order is that of the engine."""
        finals = [message for message in told if isinstance(message, Final)]
        return sorted((m.channel, m.segment, m.text, m.begin_ms, m.end_ms, m.end_reason, m.language) for m in finals)

    def reference(self):
        """The same audio in as few pieces as there are messages between, judged and answered at once."""
        driver = Driver(model=self.model)
        driver.receive(Start(self.format, replace(self.settings, partials=False)))
        audio = b""
        for step in [*self.script, b""]:
            if isinstance(step, bytes):
                audio += step
                continue
            if audio:
                driver.receive(Audio(audio))
            audio = b""
            driver.receive(step)
        return self.finals(driver.drain().sent) if self.started else []


TestAnySession = AnySession.TestCase
TestAnySession.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
