"""Errors between what was said and what was heard, after both were made alike."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.bench.numerals import english, han
from streamer.bench.text import TextTally, compare, distance, errors_of, shown_tokens, spoken_words, tokens_of

words = st.lists(st.sampled_from("abcde"), max_size=8)


@pytest.mark.parametrize(
    ("one", "other", "errors"),
    [("", "", 0), ("abc", "abc", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("abc", "bcd", 2)],
)
def test_distance(one, other, errors):
    assert distance(one, other) == errors


@settings(deadline=None)
@given(words, words, words)
def test_distance_is_one(a, b, c):
    assert distance(a, a) == 0
    assert distance(a, b) == distance(b, a) >= abs(len(a) - len(b))
    assert distance(a, c) <= distance(a, b) + distance(b, c)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("It's the well-known Ｍr. Quilter, OK?", ["its", "the", "well", "known", "mister", "quilter", "okay"]),
        ("It’s “quoted” — really…", ["its", "quoted", "really"]),
        ("甚至  出现  交易", ["甚", "至", "出", "现", "交", "易"]),
        ("ｺｰﾋｰをください。", ["コ", "ー", "ヒ", "ー", "を", "く", "だ", "さ", "い"]),
        ("人々は２〇日", ["人", "々", "は", "2", "零", "日"]),
        ("To-morrow, to-night; from ten to-ward", ["tomorrow", "tonight", "from", "ten", "to", "ward"]),
        ("今天ok了", ["今", "天", "okay", "了"]),
        ("오늘 날씨, 좋아요.", ["오늘", "날씨", "좋아요"]),
        ("1,000 and 9:30 at $5.50", ["1000", "and", "9", "30", "at", "$5.50"]),
        ("", []),
        ("...", []),
    ],
)
def test_tokens_have_one_form(text, tokens):
    assert tokens_of(text) == tokens


@pytest.mark.parametrize(
    ("written", "reading"),
    [
        ("0", "zero"),
        ("7", "seven"),
        ("13", "thirteen"),
        ("42", "forty two"),
        ("50", "fifty"),
        ("100", "one hundred"),
        ("105", "one hundred five"),
        ("1999", "one thousand nine hundred ninety nine"),
        ("1000000", "one million"),
        ("3.14", "three point one four"),
        ("1st", "first"),
        ("22nd", "twenty second"),
        ("30th", "thirtieth"),
        ("90s", "nineties"),
        ("20%", "twenty percent"),
        ("$5", "five dollars"),
        ("007", "zero zero seven"),
        ("word", "word"),
    ],
)
def test_the_usual_reading_of_a_number(written, reading):
    assert " ".join(english(written)[0]) == reading


def test_a_row_of_digits_has_several_readings():
    assert [" ".join(reading) for reading in english("1905")] == [
        "one thousand nine hundred five",
        "one thousand nine hundred and five",
        "nineteen zero five",
        "one nine zero five",
    ]
    assert "nineteen hundred" in [" ".join(reading) for reading in english("1900")]


@pytest.mark.parametrize(
    ("written", "language", "reading"),
    [
        ("5", "zh", "五"),
        ("10", "zh", "十"),
        ("12", "zh", "十二"),
        ("110", "zh", "一百一十"),
        ("50", "ja", "五十"),
        ("100", "zh", "一百"),
        ("100", "ja", "百"),
        ("105", "zh", "一百零五"),
        ("1005", "zh", "一千零五"),
        ("1000", "ja", "千"),
        ("20500", "zh", "二万零五百"),
        ("10000", "yue", "一萬"),
        ("3.5", "zh", "三点五"),
        ("0", "zh", "零"),
    ],
)
def test_the_usual_reading_in_characters(written, language, reading):
    assert "".join(han(written, language)[0]) == reading


@pytest.mark.parametrize(
    ("reference", "heard", "language", "errors", "count"),
    [
        ("FIFTY PIECES OF GOLD", "50 pieces of gold.", "en", 0, 4),
        ("one zero zero oh nine", "1 0 0 0 9", "en", 0, 5),
        ("in nineteen eighty four", "in 1984", "en", 0, 4),
        ("in one nine eight four", "In 1984.", "en", 0, 5),
        ("room 101", "room one oh one", "en", 0, 4),
        ("the year 2000", "the year 2000", "en", 0, 4),
        ("mister quilter", "Mr. Quilter", "en", 0, 2),
        ("早上九点", "早上9点。", "zh", 0, 4),
        ("早上9点", "早上九点", "zh", 0, 4),
        ("两点", "2点", "zh", 0, 2),
        ("五十円", "50円", "ja", 0, 3),
        ("二零二四年", "2024年", "zh", 0, 5),
        ("하나 둘", "하나 셋", "ko", 1, 2),
        ("hello", "", "en", 1, 1),
        ("", "hello", "en", 1, 0),
    ],
)
def test_digits_for_words_are_no_error(reference, heard, language, errors, count):
    assert errors_of(reference, heard, language) == (errors, count)


def test_words_and_characters_are_counted_apart_and_errors_pool():
    total = compare("a b c d", "a b x d", "a b c d", "en") + compare("今天天气", "今天天", "", "zh") + TextTally()

    assert total.figures() == {"wer": 0.25, "cer": 0.25, "offline_wer": 0.0, "offline_cer": 1.0, "words": 8}
    assert TextTally().figures() == {"wer": None, "cer": None, "offline_wer": None, "offline_cer": None, "words": 0}


def test_what_was_invented_is_counted_in_any_language():
    assert spoken_words("Hello, world! 你好") == 4
    assert spoken_words(" . ") == 0


def test_tokens_for_the_eye_keep_case_and_marks():
    assert shown_tokens("It was. 今天，ok!") == ["It", "was.", "今", "天，", "ok!"]
    assert shown_tokens("  ") == []
