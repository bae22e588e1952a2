"""The journal: whatever is lost wherever, the server gets every byte and every message once, in order."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.client.journal import Journal


class Server:
    """Receives the frames of one session; a network in between may lose the newest."""

    def __init__(self):
        self.frames = []

    @property
    def count(self):
        return sum(len(frame) for frame in self.frames if isinstance(frame, bytes))

    @property
    def texts(self):
        return sum(isinstance(frame, str) for frame in self.frames)

    @property
    def audio(self):
        return b"".join(frame for frame in self.frames if isinstance(frame, bytes))

    @property
    def heard(self):
        """Each byte of audio with the messages before it, and the messages at the end; start and keepalive are apart."""
        before, told = [], []
        for frame in self.frames:
            if isinstance(frame, str):
                if json.loads(frame)["type"] not in ("start", "keepalive"):
                    told.append(json.loads(frame))
            else:
                before.extend((byte, len(told)) for byte in frame)
        return before, told


def drain(journal):
    frames = []
    while (frame := journal.next()) is not None:
        frames.append(frame)
    return frames


def test_start_goes_first_and_everything_after_it_in_order():
    journal = Journal({"language": "en"})
    journal.add_audio(b"ab")
    journal.add("flush", id=1)
    journal.add_audio(b"c")
    assert drain(journal) == ['{"type": "start", "language": "en"}', b"ab", '{"type": "flush", "id": 1}', b"c"]
    assert journal.next() is None


def test_audio_is_kept_until_it_is_answered():
    journal = Journal({})
    for piece in (b"abcd", b"efgh", b"ij"):
        journal.add_audio(piece)
    drain(journal)
    journal.received(10, 1)
    assert journal.size == 10
    journal.answered(5)
    assert journal.size == 6  # whole pieces
    assert journal.restart() == 5
    assert drain(journal) == ['{"type": "start"}', b"fgh", b"ij"]


def test_where_a_session_cannot_be_entered_audio_is_kept_until_it_is_received():
    journal = Journal({}, enterable=False)
    journal.add_audio(b"abcd")
    drain(journal)
    assert journal.size == 4
    journal.received(4, 1)
    assert journal.size == 0


def test_a_full_journal_says_so_until_there_is_room():
    journal = Journal({}, limit_bytes=4)
    journal.add_audio(b"abc")
    assert not journal.full
    journal.add_audio(b"de")
    drain(journal)
    assert journal.full
    journal.answered(3)
    assert not journal.full


def test_after_a_loss_the_rest_is_handed_out_again_from_the_very_byte():
    journal = Journal({})
    journal.add_audio(b"abcd")
    journal.add("configure", itn=False)
    journal.add_audio(b"ef")
    drain(journal)
    journal.resume(3, 1)
    assert drain(journal) == [b"d", '{"type": "configure", "itn": false}', b"ef"]
    journal.resume(4, 2)
    assert drain(journal) == [b"ef"]


def test_a_keepalive_counts_and_is_not_repeated():
    journal = Journal({})
    drain(journal)
    assert journal.keepalive() == '{"type": "keepalive"}'
    journal.add("flush", id=1)
    drain(journal)
    journal.resume(0, 1)  # the keepalive was lost too
    assert drain(journal) == ['{"type": "flush", "id": 1}']
    journal.resume(0, 2)
    assert drain(journal) == []


def test_a_server_that_has_less_than_is_kept_cannot_be_gone_on_with():
    journal = Journal({})
    journal.add_audio(b"abcd")
    drain(journal)
    journal.answered(4)
    with pytest.raises(ValueError, match="the server has 3 bytes, expected 4 or more"):
        journal.resume(3, 1)


def test_a_new_session_starts_with_the_settings_that_held_where_it_begins():
    journal = Journal({"language": "en", "itn": True})
    journal.add_audio(b"ab")
    journal.add("configure", language="ja")
    journal.add_audio(b"cd")
    journal.add("configure", itn=False)
    journal.add_audio(b"ef")
    journal.add("stop")
    drain(journal)
    journal.answered(3)
    journal.restart()
    assert drain(journal) == [
        '{"type": "start", "language": "ja", "itn": true}',
        b"d",
        '{"type": "configure", "itn": false}',
        b"ef",
        '{"type": "stop"}',
    ]


def test_what_was_asked_and_answered_is_not_asked_again():
    journal = Journal({})
    for number in (1, 2):
        journal.add("flush", id=number)
    drain(journal)
    journal.done("flush")
    journal.restart()
    assert drain(journal) == ['{"type": "start"}', '{"type": "flush", "id": 2}']


def test_a_container_that_is_sent_anew_asks_again_what_was_not_answered():
    journal = Journal({}, enterable=False)
    journal.add_audio(b"abcd")
    journal.add("flush", id=1)
    journal.add("stop")
    drain(journal)
    journal.forget()
    assert (journal.end, journal.size) == (0, 0)
    assert drain(journal) == ['{"type": "start"}', '{"type": "flush", "id": 1}']


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("audio"), st.integers(1, 9)),
        st.tuples(st.just("text"), st.sampled_from(["flush", "configure", "sync"])),
        st.tuples(st.just("send"), st.integers(1, 5)),
        st.tuples(st.just("keepalive"), st.just(0)),
        st.tuples(st.just("heartbeat"), st.just(0)),
        st.tuples(st.just("lose"), st.integers(0, 6)),
        st.tuples(st.just("answer"), st.integers(0, 30)),
    ),
    max_size=60,
)


class Wire:
    """A journal, the server it speaks to, and what was said to it altogether."""

    def __init__(self):
        self.journal, self.server = Journal({}), Server()
        self.audio, self.expected, self.texts = b"", [], 0

    def audio_(self, size):
        piece = bytes((len(self.audio) + offset) % 256 for offset in range(size))
        self.journal.add_audio(piece)
        self.expected.extend((byte, self.texts) for byte in piece)
        self.audio += piece

    def text(self, kind):
        self.texts += 1
        self.journal.add(kind, **({"id": self.texts} if kind != "configure" else {"endpoint_silence_ms": self.texts}))

    def send(self, count):
        self.server.frames.extend(frame for _ in range(count) if (frame := self.journal.next()) is not None)

    def keepalive(self, _):
        if self.server.frames:
            self.server.frames.append(self.journal.keepalive())

    def heartbeat(self, _):
        self.journal.received(self.server.count, self.server.texts)

    def lose(self, count):
        """What was acknowledged has arrived, and so has start."""
        known = self.journal._received, self.journal._texts_received
        frames = self.server.frames
        for _ in range(min(count, len(frames) - 1)):
            last = frames.pop()
            if self.server.count < known[0] or self.server.texts < known[1]:
                frames.append(last)
                break
        if frames:
            self.journal.resume(self.server.count, self.server.texts)

    def answer(self, position):
        self.journal.answered(min(position, self.server.count))


@given(STEPS)
def test_whatever_is_lost_everything_arrives_once_and_in_order(steps):
    wire = Wire()
    for kind, value in steps:
        getattr(wire, {"audio": "audio_"}.get(kind, kind))(value)
    wire.server.frames.extend(drain(wire.journal))
    before, told = wire.server.heard
    assert (before, len(told)) == (wire.expected, wire.texts)
    assert wire.server.audio == wire.audio


@given(st.lists(st.integers(1, 9), max_size=12), st.integers(0, 60), st.integers(0, 12))
def test_a_new_session_has_exactly_what_was_not_answered(sizes, answered, sent):
    journal, audio = Journal({}), b""
    for size in sizes:
        piece = bytes((len(audio) + offset) % 256 for offset in range(size))
        journal.add_audio(piece)
        audio += piece
    for _ in range(sent):
        journal.next()
    journal.answered(answered)
    begin = journal.restart()
    assert begin == min(answered, len(audio))
    assert b"".join(drain(journal)[1:]) == audio[begin:]
    assert journal.size == len(audio) - begin
