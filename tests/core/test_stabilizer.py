"""Hypotheses in, promises out. Tokens are written as a string with | between them, 200 ms each."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from streamer.core.events import Token, to_samples
from streamer.core.stabilizer import Stabilizer


def tokens(text, shift_ms=0):
    parts = [part for part in text.split("|") if part]
    return tuple(
        Token(id=0, text=part, begin=to_samples(200 * n + shift_ms), end=to_samples(200 * (n + 1) + shift_ms), p=None)
        for n, part in enumerate(parts)
    )


def run(*hypotheses, slack_ms=1000):
    stabilizer = Stabilizer()
    return [stabilizer.update(tokens(text), to_samples(200 * text.count("|") + slack_ms)) for text in hypotheses]


def test_a_word_is_promised_when_two_hypotheses_agree_and_something_follows_it():
    assert run(" it| was", " it| was| the", " it| was| a| time") == [
        ("", "it was"),
        ("it was", " the"),
        ("it was", " a time"),
    ]


def test_the_edge_of_the_audio_is_not_promised():
    assert run(" it| was| the", " it| was| the", slack_ms=200) == [("", "it was the"), ("it", " was the")]


def test_half_a_word_is_not_promised():
    assert run(" tri| chief", " tri| chief", " tri|bal| chief") == [
        ("", "tri chief"),
        ("tri", " chief"),
        ("tri", "bal chief"),
    ]


def test_pieces_of_one_word_are_promised_together():
    assert run(" a| tri|bal", " a| tri|bal", " a| tri|bal| chief")[-1] == ("a tribal", " chief")


def test_punctuation_moves_until_the_word_after_it_is_promised():
    assert run(" well|.", " well|.", " well|,| then", " well|,| then| go")[2:] == [("well", ", then"), ("well, then", " go")]
    assert run(" well|.", " well|.") == [("", "well."), ("", "well.")]


def test_every_character_is_a_word_where_one_writes_without_spaces():
    assert run("开|饭", "开|放|时", "开|放|时|间") == [("", "开饭"), ("开", "放时"), ("开放时", "间")]


def test_a_hypothesis_that_takes_back_a_promise_is_read_on_from_where_the_promise_ends():
    stabilizer = Stabilizer()
    stabilizer.update(tokens(" I| scream| now"), to_samples(2000))
    assert stabilizer.update(tokens(" I| scream| now"), to_samples(2000)) == ("I scream", " now")

    assert stabilizer.update(tokens(" ice| cream| now| please"), to_samples(2000)) == ("I scream now", " please")


def test_a_window_may_begin_in_a_gap_between_promised_words_and_its_reading_is_joined_without_a_seam():
    stabilizer = Stabilizer()
    text = " it| was| the| best| of| ti|mes| it"
    stabilizer.update(tokens(text), to_samples(3000))
    assert stabilizer.update(tokens(text), to_samples(3000)) == ("it was the best of times", " it")

    assert stabilizer.lock(to_samples(1_250)) == to_samples(1_000)  # not within "times"
    assert stabilizer.lock(to_samples(100)) is None
    window = tokens(" times| it| was| the")
    window = (replace(window[0], end=to_samples(400)), *(replace(t, begin=t.begin + 3200, end=t.end + 3200) for t in window[1:]))
    assert stabilizer.update(window, to_samples(3000), to_samples(1000)) == ("it was the best of times it", " was the")


@given(st.lists(st.lists(st.sampled_from([" a", " b", "c", ",", ".", "好", " d", " "]), max_size=8), max_size=8))
def test_stable_text_never_shrinks_and_never_changes(hypotheses):
    stabilizer, before = Stabilizer(), ""
    for parts in hypotheses:
        stable, _ = stabilizer.update(tokens("|".join(parts)), to_samples(200 * len(parts)))
        assert stable.startswith(before)
        before = stable
