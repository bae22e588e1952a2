"""Many clients before one engine on a virtual clock: what they wait for, how evenly they are served, and that the real thread agrees."""

from dataclasses import replace
from functools import partial
from itertools import islice
from random import Random

from streamer.bench.simulated.clients import Simulation, simulate
from streamer.bench.simulated.device import Cost, VirtualDevice
from streamer.bench.simulated.figures import beside_the_thread, sweep
from streamer.bench.simulated.talk import talk
from streamer.core.events import JobKind
from streamer.engine import BatchLimits

GPU = Cost(fixed_s=0.004, audio_s_per_s=18_000.0)
SLOW = Cost(fixed_s=0.05, audio_s_per_s=150.0)
LIMITS = BatchLimits(max_items=128, max_audio_s=480.0, buckets_s=(1.0, 2.0, 4.0, 8.0, 16.0, 32.0))
PLAN = Simulation(clients=1, seconds=6.0, settle_s=3.0)


def rows(cost, *clients, plan=PLAN, **limits):
    return sweep(plan, clients, cost, replace(LIMITS, free_padding_s=cost.free_padding_s, **limits))


def test_people_speak_pause_and_go_on_the_same_way_for_the_same_seed():
    once, again = (list(islice(talk(Random(3)), 3_000)) for _ in range(2))

    assert once == again
    assert 0.6 < sum(once) / len(once) < 0.85
    turns = sum(now and not before for before, now in zip(once, once[1:], strict=False))
    assert 60 < turns < 120


def test_a_single_client_waits_for_its_own_forward_only():
    (row,) = rows(GPU, 1, plan=replace(PLAN, seconds=30.0))

    assert row["partial_rate"] == 1.0
    assert row["partial_lag_ms"]["p99"] < 5.0
    assert row["endpoint_to_final_ms"]["p99"] == 0.0
    assert 300.0 <= row["speech_end_to_final_ms"]["p50"] <= 600.0
    assert row["device"]["items"] == 1.0


def test_below_capacity_every_client_has_all_its_partials():
    for row in rows(GPU, 10, 100, 500):
        assert row["partial_rate"] > 0.99
        assert row["fairness"] > 0.99
        assert row["least_served"] > 0.8
        assert row["endpoint_to_final_ms"]["p95"] == 0.0
        assert row["partial_lag_ms"]["p95"] < 100.0


def test_beyond_capacity_partials_are_fewer_for_all_alike_and_finals_still_come():
    (row,) = rows(SLOW, 30, plan=replace(PLAN, seconds=15.0), max_items=8, max_audio_s=30.0)

    assert 0.2 < row["partial_rate"] < 0.8
    assert row["fairness"] > 0.9
    assert row["least_served"] > 0.3 * row["partial_rate"]
    assert row["finals_passed"] == 0
    assert row["finals"] > 30
    assert row["endpoint_to_final_ms"]["p95"] < row["partial_lag_ms"]["p50"]


def test_five_thousand_clients_are_served_evenly():
    fast = Cost(fixed_s=0.004, audio_s_per_s=60_000.0)
    (row,) = rows(fast, 5_000, plan=Simulation(clients=1, seconds=1.8, settle_s=0.5), max_items=256, max_audio_s=1200.0)

    assert row["fairness"] > 0.93
    assert row["finals_passed"] == 0
    assert row["endpoint_to_final_ms"]["p95"] < 50.0


def test_other_lengths_in_a_batch_shorten_the_wait_where_a_forward_costs_more_than_padding():
    cost = Cost(fixed_s=0.015, audio_s_per_s=6_000.0)
    (apart,) = sweep(PLAN, [200], cost, LIMITS)
    (mixed,) = rows(cost, 200)

    assert mixed["partial_lag_ms"]["p95"] < 0.7 * apart["partial_lag_ms"]["p95"]


def test_every_final_is_answered_and_nothing_else_while_one_waits():
    batches = []

    def cost(jobs):
        batches.append([job.kind for job in jobs])
        return 0.3

    outcome = simulate(replace(PLAN, clients=20), partial(VirtualDevice, cost, replace(LIMITS, max_items=2)))

    assert outcome.spent.finals_passed == 0
    assert outcome.spent.batches > 10
    assert max(map(len, batches)) == 2
    assert all(len(client.ended) <= 4 for client in outcome.clients)
    assert any(JobKind.PARTIAL in kinds for kinds in batches)


def test_the_same_seed_gives_the_same_figures():
    assert rows(SLOW, 20) == rows(SLOW, 20)
    assert rows(SLOW, 20) != rows(SLOW, 20, plan=replace(PLAN, seed=1))


def test_the_real_scheduler_gives_what_the_simulation_says():
    plan = Simulation(clients=10, seconds=2.5, settle_s=1.0)
    simulated, real = beside_the_thread(plan, SLOW, replace(LIMITS, max_items=8, free_padding_s=SLOW.free_padding_s))

    assert 0.6 < real["partial_rate"] / simulated["partial_rate"] < 1.5
    assert 0.5 < real["partial_lag_ms"]["p50"] / simulated["partial_lag_ms"]["p50"] < 2.5
    assert 0.6 < real["device"]["items"] / simulated["device"]["items"] < 1.7
