"""The thread that writes: what waits is written together, everybody is answered, and a store that is slow at failing is spared."""

import threading

from streamer.store import StoreFailed
from streamer.store.writer import Writer


class Fake:
    """A store that writes when it is let to. ``batches`` are what it was given."""

    def __init__(self, *, free=True):
        self.batches, self.closed, self.failure = [], False, None
        self.free, self.writing = threading.Event(), threading.Event()
        if free:
            self.free.set()

    def write(self, operations):
        self.writing.set()
        assert self.free.wait(20)
        self.batches.append(list(operations))
        if self.failure:
            raise self.failure
        return [StoreFailed("this one") if operation == "bad" else None for operation in operations]

    def close(self):
        self.closed = True


class Answers:
    """Who was told what, in order."""

    def __init__(self):
        self.got, self.turns = [], 0

    def deliver(self, tell):
        self.turns += 1
        tell()

    def of(self, name):
        return lambda outcome: self.got.append((name, None if outcome is None else str(outcome)))


def writing(store):
    answers = Answers()
    return Writer(lambda: store, answers.deliver), answers


def test_what_comes_during_a_commit_is_the_next_commit_and_all_is_written_before_the_end():
    store = Fake(free=False)
    writer, answers = writing(store)
    writer.submit("a", answers.of("a"))
    assert store.writing.wait(20)
    for name in ("b", "bad", "c"):
        writer.submit(name, answers.of(name))
    store.free.set()
    writer.close()

    assert store.batches == [["a"], ["b", "bad", "c"]]
    assert answers.got == [("a", None), ("b", None), ("bad", "this one"), ("c", None)]
    assert answers.turns == 2
    assert store.closed


def test_a_failure_is_told_to_all_it_concerns_and_the_next_commit_is_tried_again():
    store = Fake()
    store.failure = RuntimeError("out of order")
    writer, answers = writing(store)
    writer.submit("a", answers.of("a"))
    while not answers.got:
        threading.Event().wait(0.01)
    store.failure = None
    threading.Event().wait(0.05)
    writer.submit("b", answers.of("b"))
    writer.close()

    assert answers.got == [("a", "out of order"), ("b", None)]


def test_newcomers_to_a_store_that_hangs_are_told_at_once(monkeypatch):
    monkeypatch.setattr("streamer.store.writer.STALLED_S", 0.1)
    store = Fake(free=False)
    writer, answers = writing(store)
    writer.submit("a", answers.of("a"))
    assert store.writing.wait(20)
    threading.Event().wait(0.2)
    writer.submit("b", answers.of("b"))
    assert answers.got == [("b", "the store has not answered for 0 s")]
    store.free.set()
    writer.close()
    assert answers.got[1:] == [("a", None)]


def test_more_than_may_wait_is_refused(monkeypatch):
    monkeypatch.setattr("streamer.store.writer.WAITING", 2)
    store = Fake(free=False)
    writer, answers = writing(store)
    writer.submit("a", answers.of("a"))
    assert store.writing.wait(20)
    for name in ("b", "c", "d"):
        writer.submit(name, answers.of(name))
    assert answers.got == [("d", "2 others wait to be stored")]
    store.free.set()
    writer.close()
    assert [name for name, _ in answers.got] == ["d", "a", "b", "c"]
