"""Bare text: speechless audio, runaway repeats, estimated word times."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.events import Samples
from streamer.engine.untimed import is_speechless, levels, spread, without_loop


def hiss(seconds: float, *, rms: float) -> Samples:
    return (np.random.default_rng(7).standard_normal(int(seconds * 16000)) * rms).astype(np.int16)


def bursts(*spans_ms: tuple[int, int], length_ms: int) -> Samples:
    """Loud between the given times, faint elsewhere."""
    audio = hiss(length_ms / 1000, rms=10)
    for begin, end in spans_ms:
        audio[begin * 16 : end * 16] = hiss((end - begin) / 1000, rms=3000)
    return audio


def test_levels_are_dbfs_of_each_20_ms() -> None:
    assert levels(np.full(480, -32768, np.int16)).round(3).tolist() == [0.0, 0.0]
    assert levels(np.full(320, 328, np.int16)).round(1).tolist() == [-40.0]
    assert levels(np.zeros(0, np.int16)).tolist() == []


def test_silence_near_silence_hiss_and_nothing_at_all_are_speechless() -> None:
    for audio in (np.zeros(16000, np.int16), hiss(2, rms=20), hiss(3, rms=4000), np.zeros(0, np.int16)):
        assert is_speechless(audio)


def test_what_swings_may_be_speech_and_so_may_anything_short() -> None:
    assert not is_speechless(bursts((300, 600), (900, 1300), length_ms=2000))
    assert not is_speechless(hiss(0.5, rms=4000))


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("You are part of it. You are part of it. You are part of it.", "You are part of it."),
        ("The first is the first is the first is the first is", "The first is"),
        ("We left. Oh my, oh my, oh my, oh my, oh", "We left. Oh my"),
        ("The 2020-2022-2022-2022-2022-2022-2022-", "The 2020-2022"),
        ("so so so so so so so", "so"),
    ],
)
def test_a_phrase_repeated_to_the_end_is_said_once(said: str, kept: str) -> None:
    assert without_loop(said) == kept


@pytest.mark.parametrize(
    "said",
    [
        "",
        "...",
        "No, no, no, no, no.",
        "Hello? Hello? Hello?",
        "Bye bye. Bye bye.",
        "It was the best of times, it was the worst of times, it was the age of wisdom.",
        "One two three, one two three.",
        "So so so so so so we went home.",
    ],
)
def test_what_people_do_say_stays_as_it_is(said: str) -> None:
    assert without_loop(said) == said


@given(st.text(alphabet="ab '.,", max_size=80))
def test_what_stays_is_a_beginning_of_what_was_said_and_holds_no_loop(said: str) -> None:
    kept = without_loop(said)
    assert said.startswith(kept)


def test_words_lie_where_the_sound_is_each_as_long_as_its_letters() -> None:
    audio = bursts((200, 600), (1000, 1400), length_ms=1600)
    tokens = spread("One two, six ten.", audio)
    assert [(token.text, token.begin // 16, token.end // 16) for token in tokens] == [
        ("One", 200, 400),
        (" two,", 400, 600),
        (" six", 1000, 1200),
        (" ten.", 1200, 1400),
    ]
    assert {(token.id, token.p) for token in tokens} == {(-1, None)}


def test_no_words_have_no_times() -> None:
    assert spread("", hiss(1, rms=3000)) == ()


@given(
    st.lists(st.text(alphabet="abc.'", min_size=1, max_size=12), min_size=1, max_size=40),
    st.integers(1, 20_000),
    st.sampled_from([0, 5, 3000]),
)
def test_tokens_join_to_the_text_and_their_times_move_forward_within_the_audio(words: list[str], length: int, rms: int) -> None:
    text = " ".join(words)
    tokens = spread(text, hiss(length / 16000, rms=rms))
    assert "".join(token.text for token in tokens) == text
    assert [token.begin for token in tokens] == sorted(token.begin for token in tokens)
    assert [token.end for token in tokens] == sorted(token.end for token in tokens)
    assert all(0 <= token.begin < token.end <= length for token in tokens)
