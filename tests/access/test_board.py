"""What is counted in memory."""

from streamer.access.board import Memory


def test_what_was_heard_of_names_that_are_over_is_forgotten_once_there_are_many(monkeypatch):
    monkeypatch.setattr("streamer.access.board.FORGOTTEN", 3)
    now = [1_000.0]
    board = Memory(lambda: now[0])
    board.take("open", 0)
    for name in ("open", "over", "fresh"):
        board.hear(name, 10, until=2_000.0 if name == "fresh" else 1_050.0)
    now[0] = 1_100.0
    board.hear("more", 10, until=2_000.0)

    assert [board.hear(name, 0, until=0.0) for name in ("open", "over", "fresh", "more")] == [10, 0, 10, 10]
