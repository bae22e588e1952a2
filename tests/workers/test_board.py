"""What gateways count together."""

import itertools
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.access.board import Memory, NoRoom
from streamer.access.seats import Granted, Seat, Seats
from streamer.access.tokens import LEEWAY_S, Token
from streamer.errors import ConfigurationError
from streamer.workers.board import Bucket, SharedBoard, Table

NOW = 1_000.0


class Gateways:
    """Boards over one file."""

    def __init__(self, path, count=2):
        self.path, self.count, self.now = path, count, NOW
        self.table = Table(path, count)
        self.boards = [self.board(slot) for slot in range(count)]

    def board(self, slot):
        """As a process of its own would have it."""
        return SharedBoard(Table(self.path, self.count), slot, lambda: self.now)

    def seats(self, **bounds):
        return [Seats(board, **{"per_key": 0, "per_address": 0, **bounds}) for board in self.boards]


@pytest.fixture
def gateways(tmp_path):
    return Gateways(tmp_path / "board")


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """Each gateway has room for two names."""
    monkeypatch.setattr("streamer.workers.board.BUCKETS", 1)
    monkeypatch.setattr("streamer.workers.board.ROWS", 2)
    return Gateways(tmp_path / "board")


def token(name="t", **claims):
    return Token(name="desk", key_id="k", id=name, expires=NOW + 60, scopes=frozenset(), **claims)


def take(seats, *, address="192.0.2.1", **granted):
    return seats.take(Granted(**granted), address, lambda: True)


@pytest.mark.parametrize("several", [False, True], ids=["memory", "shared"])
def test_a_board_counts_up_to_a_bound_and_adds_up_audio(gateways, several):
    board = gateways.boards[0] if several else Memory(lambda: NOW)

    assert [board.take("a", 2) for _ in range(3)] == [True, True, False]
    assert [board.take("b", 0) for _ in range(9)] == [True] * 9
    board.leave("a")
    assert [board.take("a", 2) for _ in range(2)] == [True, False]
    assert [board.hear("a", more_ms, NOW + 60) for more_ms in (0, 100, 0, 50)] == [0, 100, 100, 150]


def test_bounds_of_keys_tokens_and_addresses_hold_for_all_gateways(gateways):
    one, other = gateways.seats(per_key=2, per_address=4)
    desk, own = {"name": "desk", "key_id": "d"}, {"name": "own", "key_id": "o", "sessions": 1}
    first, second = take(one, **desk), take(other, **desk)

    assert isinstance(first, Seat) and isinstance(second, Seat)
    for seats in (one, other):
        sentence = "the key desk has 2 sessions, which is all that it may have at a time; end one, or try again later"
        assert take(seats, **desk) == sentence
    assert isinstance(take(other, **own), Seat)
    assert take(one, **own).startswith("the key own has 1 sessions")
    guest = {"name": "guest", "key_id": "g", "token": token(sessions=1)}
    assert isinstance(take(one, **guest), Seat)
    assert take(other, **guest, address="192.0.2.2").startswith("the token has 1 sessions")
    assert take(other, name="guest", key_id="g").startswith("192.0.2.1 has 4 sessions")
    second.leave()
    second.leave()
    assert isinstance(take(one, **desk), Seat)
    assert take(other, **desk).startswith("192.0.2.1 has 4 sessions")


def test_a_quota_is_of_a_tokens_sessions_at_all_gateways(gateways):
    one, other = gateways.seats()
    of_ten_s = token(quota_s=10)
    first, second = (take(seats, token=of_ten_s) for seats in (one, other))

    assert first.fault(4_000) is None
    assert second.fault(5_000) is None
    assert str(first.fault(5_000)) == "the token's 10 s of audio are used up; mint another one"
    assert str(second.fault(5_000)) == "the token's 10 s of audio are used up; mint another one"
    assert one.hear(token("another", quota_s=10), 9_000) is None


def test_of_a_gateway_that_died_the_sessions_are_over_and_the_audio_still_counts(gateways):
    one, other = gateways.boards
    for board in (one, other):
        board.take("a", 2)
    one.hear("a", 4_000, NOW + 60)
    assert not other.take("a", 2)

    gateways.table.clear(0)
    assert other.take("a", 2)
    next_one = gateways.board(0)
    assert not next_one.take("a", 2)
    assert next_one.hear("a", 1_000, NOW + 60) == other.hear("a", 0, NOW + 60) == 5_000


def test_more_names_than_there_is_room_for_are_refused_with_a_sentence_and_count_for_nothing(tiny):
    one, other = tiny.seats(per_key=1, per_address=1)
    held = [take(one, address=address) for address in ("192.0.2.1", "192.0.2.2")]

    sentence = "this server has more clients than it can count; try again later"
    assert take(one, address="192.0.2.3", name="desk", key_id="d") == sentence
    assert isinstance(take(other, address="192.0.2.3"), Seat)
    assert take(other, address="192.0.2.4", name="desk", key_id="d") == sentence  # there is room for one of the two
    assert isinstance(take(other, address="192.0.2.4"), Seat)
    held.pop().leave()
    assert isinstance(take(one, address="192.0.2.5"), Seat)


def test_audio_is_kept_until_its_token_is_over_at_all_gateways(tiny):
    one, other = tiny.boards
    other.take("long", 0)
    one.hear("long", 100, NOW + 10)
    one.hear("short", 200, NOW + 20)
    with pytest.raises(NoRoom):
        one.take("new", 0)

    tiny.now = NOW + 15
    with pytest.raises(NoRoom):  # a session at the other gateway still uses what was heard here
        one.take("new", 0)
    tiny.now = NOW + 20
    assert one.take("new", 0)
    assert (one.hear("short", 0, 0), one.hear("long", 0, 0)) == (0, 100)
    other.leave("long")
    assert one.take("newer", 0)
    assert one.hear("long", 0, 0) == 0


def test_audio_that_cannot_be_counted_may_not_be_sent(tiny):
    one, _ = tiny.seats()
    for name in ("a", "b"):
        assert one.hear(token(name, quota_s=10), 1_000) is None

    assert one.hear(token("c", quota_s=10), 1_000) == "this server has more clients than it can count; try again later"
    tiny.now = NOW + 60 + LEEWAY_S
    assert one.hear(token("c", quota_s=10), 1_000) is None


def test_a_file_that_cannot_be_had_is_told_in_a_sentence(tmp_path):
    with pytest.raises(ConfigurationError) as told:
        Table(tmp_path / "none" / "board", 2)
    assert str(told.value) == (
        f"sessions cannot be counted in {tmp_path}/none/board (No such file or directory), expected room for 3 MB; make some there, "
        "or name another folder with TMPDIR"
    )


class Paused(SharedBoard):
    """In a thread of its own, which stands still after each write, before and behind each count until it is told to go on."""

    now = threading.local()

    def __init__(self, table, slot):
        super().__init__(table, slot)
        self.may_go, self.stands = threading.Semaphore(0), threading.Semaphore(0)
        self.holds = self.done = False

    def begin(self, name, most, times):
        def work():
            self.now.board = self
            self.pause()
            for _ in range(times):
                self.holds = self.take(name, most)
                self.pause()
                if self.holds:
                    self.holds = False
                    self.leave(name)
            self.done = True
            self.stands.release()

        self.thread = threading.Thread(target=work)
        self.thread.start()
        assert self.stands.acquire(timeout=10)

    def step(self):
        if not self.done:
            self.may_go.release()
            assert self.stands.acquire(timeout=10)

    def finish(self):
        while not self.done:
            self.step()
        self.thread.join()

    def pause(self):
        if getattr(self.now, "board", None) is not self:  # asked from outside its thread
            return
        self.stands.release()
        assert self.may_go.acquire(timeout=10)

    def _fence(self):
        super()._fence()
        self.pause()


@pytest.fixture(scope="module")
def paused(tmp_path_factory):
    """Makes boards of three gateways."""
    count = Bucket.sessions_of

    def sessions_of(bucket, name):
        board = getattr(Paused.now, "board", None)
        if board:
            board.pause()
        found = count(bucket, name)
        if board:
            board.pause()
        return found

    table = Table(tmp_path_factory.mktemp("board") / "board", 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bucket, "sessions_of", sessions_of)
        yield lambda: [Paused(table, slot) for slot in range(3)]


fresh = map(str, itertools.count())


@given(st.data(), st.integers(1, 2))
def test_a_bound_is_never_passed_in_whatever_order_gateways_take_and_leave(paused, data, most):
    boards, name = paused(), next(fresh)
    for board in boards:
        board.begin(name, most, times=2)
    try:
        for turn in data.draw(st.lists(st.integers(0, 2), min_size=40, max_size=80)):
            boards[turn].step()
            assert sum(board.holds for board in boards) <= most
    finally:
        for board in boards:
            board.finish()

    assert [boards[0].take(name, most) for _ in range(most + 1)] == [True] * most + [False]  # nothing is left of all that


def test_of_two_that_see_each_other_at_the_last_place_one_gets_it(paused):
    one, other, _ = boards = paused()
    name = next(fresh)
    for board in (one, other):
        board.begin(name, 1, times=1)
    for _ in range(6):  # before and behind the first count, which finds a place; the row; the write; before and behind the second count
        one.step()
        other.step()
    for board in (one, other):
        while not board.holds and not board.done:
            board.step()

    assert [board.holds for board in boards].count(True) == 1
    for board in (one, other):
        board.finish()


HOLDING = """
import json, sys, time
from pathlib import Path
from streamer.workers.board import SharedBoard, Table
path, slot, most = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
board = SharedBoard(Table(path, 3), slot)
spans = []
print(flush=True)
sys.stdin.readline()
end = time.monotonic() + 0.7
while time.monotonic() < end:
    if board.take("a", most):
        spans.append((time.monotonic_ns(), time.monotonic_ns()))
        board.leave("a")
print(json.dumps(spans))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are compared by one clock")
@pytest.mark.parametrize("most", [1, 2])
def test_processes_that_take_and_leave_as_fast_as_they_can_never_hold_more_than_the_bound(tmp_path, most):
    Table(tmp_path / "board", 3)
    root = Path(__file__).parents[2]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", HOLDING, str(tmp_path / "board"), str(slot), str(most)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
        )
        for slot in range(3)
    ]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    spans = [json.loads(process.communicate(timeout=60)[0]) for process in processes]

    edges = sorted(edge for begin, end in itertools.chain(*spans) for edge in ((begin, 1), (end, -1)))
    assert max(itertools.accumulate(change for _, change in edges)) <= most
    assert all(spans)
