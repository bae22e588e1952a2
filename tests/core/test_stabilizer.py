"""Hypotheses in, promises out. Tokens are written as a string with | between them, 200 ms each."""

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


@given(st.lists(st.lists(st.sampled_from([" a", " b", "c", ",", ".", "好", " d", " "]), max_size=8), max_size=8))
def test_stable_text_never_shrinks_and_never_changes(hypotheses):
    stabilizer, before = Stabilizer(), ""
    for parts in hypotheses:
        stable, _ = stabilizer.update(tokens("|".join(parts)), to_samples(200 * len(parts)))
        assert stable.startswith(before)
        before = stable
