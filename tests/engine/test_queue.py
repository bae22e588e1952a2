"""What goes first, what goes together, and what has to leave."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.events import Job, JobKind
from streamer.engine import BatchLimits
from streamer.engine.queue import JobQueue

LIMITS = BatchLimits(max_items=4, max_audio_s=20.0, buckets_s=(1.0, 2.0, 4.0, 8.0))
F, S, P, N = JobKind.FINAL, JobKind.SPECULATIVE, JobKind.PARTIAL, JobKind.SOUND


def job(kind, session="a", segment=0, seconds=1.0):
    end = int(seconds * 16_000)
    return Job(session=session, channel=0, segment=segment, kind=kind, begin=0, end=end, samples=np.zeros(1, np.int16))


def queue(*jobs, limits=LIMITS, max_jobs=100):
    waiting = JobQueue(limits, max_jobs)
    for item in jobs:
        waiting.put(item, 0.0)
    return waiting


def taken(waiting):
    return [entry.job for entry in waiting.take()]


def test_finals_go_before_speculation_before_partials_before_sounds():
    sound, partial, speculative, final = job(N, "a"), job(P, "b"), job(S, "c"), job(F, "d")
    waiting = queue(sound, partial, speculative, final)

    assert taken(waiting) == [final, speculative, partial, sound]


def test_one_clients_backlog_waits_behind_another_clients_first_sentence():
    mine = [job(F, "a", n) for n in range(3)]
    yours = job(F, "b")

    assert taken(queue(*mine, yours)) == [mine[0], yours, mine[1], mine[2]]


def test_sessions_take_turns_over_many_batches():
    one_by_one = BatchLimits(max_items=1, max_audio_s=20.0, buckets_s=(1.0,))
    waiting = queue(*(job(F, "a", n) for n in range(3)), limits=one_by_one)
    order = [taken(waiting)[0].session]
    waiting.put(job(F, "b", 0), 0.0)
    waiting.put(job(F, "b", 1), 0.0)
    order += [taken(waiting)[0].session for _ in range(4)]

    assert order == ["a", "b", "a", "b", "a"]


def test_a_newcomer_neither_waits_for_a_backlog_nor_overtakes_those_who_wait():
    waiting = queue(*(job(P, session, 0) for session in "abcde"))
    assert [item.session for item in taken(waiting)] == ["a", "b", "c", "d"]
    for session in "abcdf":
        waiting.put(job(P, session, 1), 0.0)

    assert [item.session for item in taken(waiting)] == ["e", "f", "a", "b"]


def test_a_withdrawn_job_costs_its_session_no_turn():
    waiting = queue(job(P, "a", 0), job(P, "b", 0))
    waiting.discard("a", 0)
    waiting.put(job(P, "a", 1), 0.0)
    waiting.put(job(P, "b", 1), 0.0)

    assert [(item.session, item.segment) for item in taken(waiting)] == [("b", 0), ("a", 1), ("b", 1)]


def test_nothing_rides_along_while_a_final_of_another_length_waits():
    short, long, partial = job(F, "a"), job(F, "b", seconds=3.0), job(P, "c")
    waiting = queue(short, long, partial)

    assert taken(waiting) == [short]
    assert taken(waiting) == [long]
    assert taken(waiting) == [partial]


def test_other_lengths_join_as_far_as_their_padding_is_free():
    free = BatchLimits(max_items=4, max_audio_s=20.0, buckets_s=(1.0, 2.0, 4.0, 8.0), free_padding_s=3.0)
    long, short, shorter, longer = job(F, "a", seconds=3.0), job(F, "b", seconds=1.0), job(F, "c", seconds=0.5), job(F, "d", seconds=3.5)
    waiting = queue(long, short, shorter, longer, limits=free)

    assert taken(waiting) == [long, longer, short]
    assert taken(waiting) == [shorter]


def test_finals_of_any_length_join_before_partials_of_the_right_one():
    free = BatchLimits(max_items=2, max_audio_s=20.0, buckets_s=(1.0, 2.0, 4.0, 8.0), free_padding_s=30.0)
    final, partial, short = job(F, "a", seconds=3.0), job(P, "b", seconds=3.0), job(F, "c", seconds=0.5)

    assert taken(queue(final, partial, short, limits=free)) == [final, short]


def test_speculations_and_partials_lead_in_turn_so_that_short_partials_are_heard():
    waiting = queue(*(job(S, str(n), seconds=7.5) for n in range(8)), job(P, "a"), job(P, "b"))
    batches = []
    while batch := taken(waiting):
        batches.append([item.kind for item in batch])

    assert batches == [[S, S], [P, P], [S, S], [S, S], [S, S]]


def test_sounds_wait_until_the_engine_has_time():
    waiting = queue(job(P, "a"), job(P, "b", seconds=3.0), job(N, "c"))

    assert [[item.kind for item in taken(waiting)] for _ in range(3)] == [[P], [P], [N]]


def test_the_audio_that_waits_is_counted():
    waiting = queue(job(F, "a", seconds=3.0), job(P, "b", 1), job(P, "b", 1, seconds=2.0))
    assert waiting.audio_samples == 80_000
    waiting.discard("b")
    assert waiting.audio_samples == 48_000
    waiting.take()
    assert waiting.audio_samples == 0


def test_a_newer_partial_takes_the_place_of_the_queued_one():
    old, new, other = job(P, "a", 1), job(P, "a", 1), job(P, "a", 2)
    waiting = queue(old, other)

    assert waiting.put(new, 0.0) == [old]
    assert taken(waiting) == [other, new]


def test_a_batch_holds_one_length_bucket():
    long, short, longer = job(F, "a", seconds=3.0), job(F, "b", seconds=0.5), job(F, "c", seconds=4.0)
    waiting = queue(long, short, longer)

    assert taken(waiting) == [long, longer]
    assert taken(waiting) == [short]
    assert taken(waiting) == []


def test_a_batch_is_bounded_in_items_and_in_padded_audio():
    assert len(queue(*(job(F, str(n)) for n in range(9))).take()) == 4
    assert len(queue(*(job(F, str(n), seconds=7.5) for n in range(4))).take()) == 2
    assert len(queue(job(F, seconds=60.0)).take()) == 1


def test_a_promoted_speculation_goes_as_a_final():
    speculative, final = job(S, "a", 5), job(F, "b")
    waiting = queue(final, job(P, "c"), speculative)
    waiting.promote("a", 5)

    assert [entry.kind for entry in waiting.take()] == [F, F, P]


def test_a_full_queue_drops_the_least_urgent_and_never_a_final():
    waiting = queue(job(P, "a"), job(N, "b"), max_jobs=2)
    sound = waiting.put(job(S, "c"), 0.0)
    assert [dropped.kind for dropped in sound] == [N]
    assert [dropped.session for dropped in waiting.put(job(P, "d"), 0.0)] == ["d"]
    waiting.put(job(F, "e"), 0.0)
    waiting.put(job(F, "f"), 0.0)
    assert waiting.put(job(F, "g"), 0.0) == []
    assert [entry.kind for entry in waiting.take()] == [F, F, F]


def test_a_segments_leftovers_are_discarded_but_not_its_final():
    final, partial = job(F, "a", 1), job(P, "a", 1)
    waiting = queue(final, partial, job(P, "a", 2))

    assert waiting.discard("a", 1) == [partial]
    assert len(waiting) == 2


def test_a_session_that_is_gone_leaves_nothing_behind():
    waiting = queue(job(F, "a"), job(P, "a", 2), job(F, "b"))

    assert len(waiting.discard("a")) == 2
    assert [entry.job.session for entry in waiting.take()] == ["b"]


@given(st.lists(st.tuples(st.sampled_from([F, S, P, N]), st.sampled_from("abc"), st.integers(0, 3), st.floats(0.1, 12))))
def test_every_job_leaves_exactly_once(specs):
    jobs = [job(kind, session, segment, seconds) for kind, session, segment, seconds in specs]
    waiting, left = JobQueue(LIMITS, 6), []
    for item in jobs:
        left += waiting.put(item, 0.0)
    assert not [item for item in left if item.kind is F]
    while batch := taken(waiting):
        left += batch

    assert sorted(map(id, left)) == sorted(map(id, jobs))


PACKED = BatchLimits(max_items=3, max_audio_s=20.0, buckets_s=(), packed=True)


def test_an_engine_that_pads_nothing_takes_all_lengths_in_their_turn():
    jobs = [job(P, "a", seconds=9.0), job(P, "b", seconds=0.5), job(P, "c", seconds=9.0), job(P, "d", seconds=0.5)]
    waiting = queue(*jobs, limits=PACKED)

    assert taken(waiting) == jobs[:3]
    assert taken(waiting) == jobs[3:]


def test_its_batch_is_full_when_its_audio_is_not_when_the_longest_would_be_for_all():
    waiting = queue(*(job(P, name, seconds=11.0) for name in "ab"), job(P, "c", seconds=2.0), limits=PACKED)

    assert [item.session for item in taken(waiting)] == ["a"]  # two of 11 s are too much
    assert [item.session for item in taken(waiting)] == ["b", "c"]


def test_seconds_that_a_batch_is_to_an_engine():
    assert LIMITS.decoded_s([1.0, 2.0, 4.0]) == 12.0
    assert PACKED.decoded_s([1.0, 2.0, 4.0]) == 7.0
    assert LIMITS.decoded_s([]) == PACKED.decoded_s([]) == 0


def test_of_a_backlog_only_a_share_is_before_a_newcomer():
    waiting = queue(*(job(F, "a", n, seconds=8.0) for n in range(5)), job(P, "b", seconds=2.0), job(N, "c", seconds=3.0))
    assert (waiting.audio_samples, waiting.due_samples) == (45 * 16_000, 12 * 16_000)
    waiting.discard("b")
    assert waiting.due_samples == 10 * 16_000
    while waiting.take():
        pass
    assert (waiting.audio_samples, waiting.due_samples) == (0, 0)


ALONE = BatchLimits(max_items=1, max_audio_s=20.0, buckets_s=(1.0, 2.0, 4.0, 8.0))


def test_a_backlog_of_finals_lets_others_through_after_each_batch():
    waiting = queue(*(job(F, "file", n, seconds=7.5) for n in range(4)), job(P, "a"), job(S, "b"), job(P, "c"), limits=ALONE)
    order = [taken(waiting)[0] for _ in range(7)]

    assert [(item.kind, item.session) for item in order] == [
        (F, "file"),
        (S, "b"),
        (F, "file"),
        (P, "a"),
        (F, "file"),
        (P, "c"),
        (F, "file"),
    ]


def test_a_sentences_final_does_not_wait_for_the_backlog_nor_for_those_it_lets_through():
    waiting = queue(*(job(F, "file", n) for n in range(4)), job(P, "a"), job(P, "b"), limits=ALONE)
    order = [taken(waiting)[0] for _ in range(2)]
    waiting.put(job(F, "c"), 0.0)
    order += [taken(waiting)[0] for _ in range(2)]

    assert [(item.kind, item.session) for item in order] == [(F, "file"), (P, "a"), (F, "c"), (P, "b")]


def test_finals_of_many_sessions_are_no_backlog_and_all_go_first():
    waiting = queue(*(job(F, name) for name in "abc"), job(P, "d"), limits=ALONE)

    assert [taken(waiting)[0].kind for _ in range(4)] == [F, F, F, P]
