"""The short soak, and that a soak would say so. The long one: ``python -m tests.soak``."""

import asyncio

from tests.soak.run import Profile, Tally, difference, memory, soak


def test_after_clients_that_come_and_go_the_server_is_as_before_and_every_final_came_once():
    report = asyncio.run(soak(Profile(clients=12, audio_s=600, most_s=10, seed=1, pool=6, look_s=1.0)))
    assert report["faults"] == []
    assert report["sessions"] >= 20
    assert report["compared"] >= 50


def test_what_differs_is_shown_where_it_does():
    assert difference(["a", "b"], ["a"]) == "expected 2 with ['b'] at the end, got 1 with []"
    assert difference([{0: ["a"]}], [{0: ["b"]}]) == "at 0 of 1 and 1: at 0 of 1 and 1: at 0 of 1 and 1: expected 'a', got 'b'"


def test_a_loss_is_a_fault():
    from tests.soak.clients import Outcome

    tally = Tally(lambda line: None)
    tally.add("native", Outcome(["a"], ["a"], 1.0))
    tally.add("native", Outcome(["a"], ["a", "a"], 1.0))
    assert tally.missed == 1
    assert tally.faults == ["native: expected 1 with [] at the end, got 2 with ['a']"]


def test_memory_that_grows_is_seen_and_memory_that_has_grown_is_not():
    looks = [{"at_s": n, "rss_mb": 100.0 + 0.5 * n} for n in range(100)]
    assert memory(looks)["growth_mb"] > memory(looks)["bound_mb"]
    flat = [{"at_s": n, "rss_mb": min(100.0 + 5 * n, 200.0)} for n in range(100)]
    assert memory(flat)["growth_mb"] <= 0.1
