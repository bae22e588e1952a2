"""What FunASR's clients append, look up and take apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.events import Word
from streamer.wires.funasr_text import after, joined, padded, stamp_sents, stamps, tags_of, unsaid


def word(text, begin_ms, end_ms):
    return Word(text=text, begin_ms=begin_ms, end_ms=end_ms, confidence=None)


@pytest.mark.parametrize(
    ("raw_text", "tags"),
    [
        ("<|zh|><|SAD|><|Speech|><|withitn|>你<|BGM|>好", "<|zh|><|SAD|><|Speech|><|withitn|>"),
        ("It was", ""),
        ("<|", ""),
        ("", ""),
    ],
)
def test_the_tags_in_front_are_those_of_the_sentence(raw_text, tags):
    assert tags_of(raw_text) == tags


@pytest.mark.parametrize(
    ("before", "text", "appended"),
    [
        ("It was.", "So it", " So it"),
        ("", "So", "So"),
        ("It", "", ""),
        ("It ", "was", "was"),
        ("It", " was", " was"),
        ("It", ", was", ", was"),
        ("你好", "今天", "今天"),
        ("你好。", "OK", "OK"),
        ("OK.", "好", "好"),
        ("안녕", "하세요", " 하세요"),
    ],
)
def test_a_space_keeps_apart_what_has_spaces(before, text, appended):
    assert after(before, text) == appended


def test_sentences_become_one_text():
    assert joined(["今天好。", "你好", "OK.", "Fine."]) == "今天好。你好OK. Fine."


@pytest.mark.parametrize(
    ("said", "text", "rest"),
    [
        ("", "It was.", "It was."),
        ("It was", "It was.", "."),
        ("it was", "It was, the best", ", the best"),
        ("it was the best", "It was at the best of times", " of times"),  # a word more
        ("it was there", "It was their age", " age"),  # another last word
        ("it it was the", "It was the age", " age"),  # a word less
        ("it was the age", "It was", ""),
        ("what", "", ""),
        ("今天天汽", "今天天气好。", "好。"),
        ("don't go", "Don't go home", " home"),
    ],
)
def test_what_is_left_goes_on_where_the_words_ended(said, text, rest):
    assert unsaid(said, text) == rest


@given(st.text(), st.text())
def test_what_is_left_is_the_end_of_the_text(said, text):
    assert text.endswith(unsaid(said, text))


def test_times_count_from_the_turn_and_the_last_is_repeated_for_who_counts_letters():
    times = stamps([word("Hello", 1_100, 1_300), word("it's", 900, 1_500), word("me.", 1_500, 1_700)], 1_000)
    assert times == [[100, 300], [0, 500], [500, 700]]
    assert padded(times, "Hello it's me.") == [*times, *[[700, 700]] * 3]
    assert padded(times, "Hello its me.") == times


def test_words_between_punctuation_stand_together():
    words = [word("今", 0, 100), word("天，", 100, 200), word("好", 300, 400), word("吗？！", 400, 500), word("OK", 600, 700)]
    assert stamp_sents(words, 0) == [
        {"text_seg": "今 天", "punc": "，", "start": 0, "end": 200, "ts_list": [[0, 100], [100, 200]]},
        {"text_seg": "好 吗", "punc": "？！", "start": 300, "end": 500, "ts_list": [[300, 400], [400, 500]]},
        {"text_seg": "OK", "punc": "", "start": 600, "end": 700, "ts_list": [[600, 700]]},
    ]
