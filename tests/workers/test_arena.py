"""Memory that two processes see: places for audio, taken and freed in any order."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.workers.arena import Arena, mapped


@pytest.fixture
def arena():
    arena = Arena(16_384)
    yield arena
    arena.close()


def test_the_reader_finds_what_was_put_where_it_was_put(arena):
    reader = mapped(os.dup(arena.file))
    samples = np.arange(3000, dtype=np.int16)
    first, second = arena.put(samples), arena.put(samples[::-1])

    assert (first, second) == (0, 8192)
    assert np.array_equal(reader[:3000], samples)
    assert np.array_equal(reader[4096:7096], samples[::-1])
    assert not reader.flags.writeable


def test_what_does_not_fit_is_not_put(arena):
    assert arena.put(np.zeros(9000, np.int16)) is None
    assert [arena.put(np.zeros(2048, np.int16)) for _ in range(5)] == [0, 4096, 8192, 12288, None]


def test_freed_places_are_used_again_and_join_their_neighbours(arena):
    places = [arena.put(np.zeros(2048, np.int16)) for _ in range(4)]
    arena.free(places[2])
    arena.free(places[1])

    assert arena.put(np.zeros(4096, np.int16)) == 4096
    assert arena.put(np.zeros(1, np.int16)) is None


@given(st.lists(st.tuples(st.integers(0, 3000), st.booleans(), st.integers(0, 20))))
def test_places_never_overlap_and_all_of_it_comes_back(steps):
    arena = Arena(32_768)
    held = []
    for size, drop, which in steps:
        if drop and held:
            place, _ = held.pop(which % len(held))
            arena.free(place)
        elif (place := arena.put(np.zeros(size, np.int16))) is not None:
            held.append((place, place + 2 * size))
        edges = sorted(held)
        assert all(end <= begin for (_, end), (begin, _) in zip(edges, edges[1:], strict=False))
    for place, _ in held:
        arena.free(place)

    assert arena.empty
    assert arena.put(np.zeros(16_384, np.int16)) == 0
    arena.close()
