"""What gateways know of each other."""

from streamer.workers.slots import Slots


def test_sessions_of_all_are_seen_by_all(tmp_path):
    one, other = (Slots(tmp_path / "slots", 3) for _ in range(2))
    one.set(0, 5)
    other.set(2, 7)
    one.set(0, 4)
    assert one.total == other.total == 11


def test_all_are_ready_when_nobody_is_waited_for(tmp_path):
    one, other = (Slots(tmp_path / "slots", 2) for _ in range(2))
    one.wait_for(0, True)
    one.wait_for(1, True)
    other.wait_for(1, False)
    assert not one.ready
    one.wait_for(0, False)
    assert one.ready and other.ready
