"""What a runner does with audio that is taken between two turns of the judge."""

import asyncio

import pytest

from streamer.core.events import Audio, AudioFormat, Closed, Flush, Flushed, Gone, Heartbeat, Pulse, Settings, SpeechStarted, Start, Stop
from streamer.judging import Inline
from streamer.runner import SLICE_BYTES, Runner
from tests.driving import info, judgement, speech


class Turns(Inline):
    """Judges at once, but only when its turn has come."""

    def __init__(self):
        super().__init__(Loud())
        self.works = []

    def soon(self, work):
        self.works.append(work)

    def turn(self):
        works, self.works = self.works, []
        for work in works:
            work()


class Loud:
    frame_samples = 320
    brief = True

    def __init__(self):
        self.heard = []  # samples in each call

    def open(self, channels):
        self.channels = channels
        return self

    def judge(self, samples):
        self.heard.append(samples.shape[1])
        return judgement(samples)


class Idle:
    """A scheduler that never answers."""

    def submit(self, job, answered):
        pass

    def promote(self, session, segment):
        pass

    def discard(self, session, segment=None):
        pass


class Client:
    def __init__(self):
        self.turns, self.sent, self.closed = Turns(), [], None
        self.runner = Runner(
            info(),
            judge=self.turns,
            scheduler=Idle(),
            open_decoder=None,
            send=self.sent.append,
            close=lambda *why: setattr(self, "closed", why),
        )

    @property
    def heard(self):
        return self.turns._judge.heard

    def received_ms(self):
        self.runner.receive(Pulse(0))
        return next(message.received_ms for message in reversed(self.sent) if isinstance(message, Heartbeat))


@pytest.fixture
def client():
    """A session that was started. The loop is there only to be named: nothing waits for it."""

    async def start():
        client = Client()
        await client.runner.feed(Start(AudioFormat(), Settings(partials=False)))
        return client

    return asyncio.run(start())


SILENCE = bytes(640)  # 20 ms
LOUD = speech("#").tobytes()


def test_of_mixed_channels_the_judge_hears_the_one_that_the_session_has():
    async def opened():
        client = Client()
        await client.runner.feed(Start(AudioFormat(channels=2, mix=True), Settings()))
        return client.turns._judge.channels

    assert asyncio.run(opened()) == 1


def test_small_messages_within_a_turn_are_heard_as_one(client):
    for _ in range(5):
        client.runner.take(Audio(SILENCE))
    assert client.received_ms() == 0
    client.turns.turn()

    assert client.received_ms() == 100
    assert client.heard == [1600]


def test_what_comes_after_audio_finds_it_heard(client):
    for _ in range(5):
        client.runner.take(Audio(LOUD))
    client.runner.take(Flush("f"))
    assert [message.segment for message in client.sent if isinstance(message, SpeechStarted)] == [0]
    client.runner.take(Audio(SILENCE))
    asyncio.run(client.runner.feed(Stop()))

    assert client.received_ms() == 120
    client.turns.turn()
    assert client.received_ms() == 120


def test_a_second_of_audio_waits_for_no_turn(client):
    for _ in range(SLICE_BYTES // len(SILENCE)):
        client.runner.take(Audio(SILENCE))

    assert client.received_ms() == 1000


def test_a_flush_without_speech_is_answered_at_once(client):
    client.runner.take(Audio(SILENCE))
    client.runner.take(Flush("f"))

    assert client.sent[-1] == Flushed(id="f")


def test_whoever_is_gone_is_not_heard(client):
    client.runner.take(Audio(SILENCE))
    client.runner.gone()
    client.turns.turn()

    assert client.heard == []
    assert not client.runner.prompt


def test_a_fault_of_ours_ends_the_session_with_a_sentence(client, caplog):
    client.turns._judge.judge = lambda samples: 1 / 0
    client.runner.take(Audio(SILENCE))
    client.turns.turn()

    assert client.closed == (1011, "internal")
    assert isinstance(client.sent[-1], Closed)
    assert client.sent[-2].message == "a fault of the server (ZeroDivisionError); it was logged as s"
    assert "session s failed" in caplog.text


def test_before_start_and_after_the_end_nothing_is_taken():
    async def fresh():
        return Client()

    client = asyncio.run(fresh())
    assert not client.runner.prompt
    client.runner.receive(Gone())
    assert not client.runner.prompt
