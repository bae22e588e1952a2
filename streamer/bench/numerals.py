"""Numbers written in digits to the words that people say for them, so that digits for words are no error.

A row of digits can be read in several ways ("1905": nineteen oh five, one nine zero five …); all of them are given.
"""

import re
from collections.abc import Iterator
from typing import Final

NUMBER: Final = re.compile(r"([$£€]?)(\d+)(?:\.(\d+))?(st|nd|rd|th|s)?(%?)")

_UNITS: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES: Final = ((1_000_000_000, "billion"), (1_000_000, "million"), (1_000, "thousand"), (100, "hundred"))
_ORDINALS: Final = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_CURRENCIES: Final = {"$": "dollars", "£": "pounds", "€": "euros"}
_HAN: Final = "零一二三四五六七八九"
LONGEST: Final = 12  # digits that are still a number; longer ones are a code, and read digit by digit


def english(token: str) -> list[list[str]]:
    """Readings of one written number, the usual one first: ``50``, ``3.5``, ``1st``, ``1980s``, ``20%``, ``$5``."""
    match = NUMBER.fullmatch(token)
    if not match:
        return [[token]]
    currency, whole, fraction, suffix, percent = match.groups()
    after = ["percent"] if percent else [_CURRENCIES[currency]] if currency else []
    point = ["point", *_each(fraction)] if fraction else []
    readings = []
    for reading in _whole(whole):
        words = [*reading, *point]
        if suffix == "s":
            words[-1] = words[-1][:-1] + "ies" if words[-1].endswith("y") else words[-1] + "s"
        elif suffix:
            words[-1] = _ordinal(words[-1])
        readings.append([*words, *after])
    return readings


def _whole(digits: str) -> Iterator[list[str]]:
    number = int(digits) if len(digits) <= LONGEST else None
    if number is not None and (digits == "0" or digits[0] != "0"):
        yield _cardinal(number, [])
        if number > 100 and number % 100:
            yield _cardinal(number, ["and"])
        if len(digits) == 4 and digits[2:] != "00":
            yield [*_cardinal(int(digits[:2]), []), *(_each(digits[2:]) if digits[2] == "0" else _cardinal(int(digits[2:]), []))]
        elif len(digits) == 4 and digits[1] != "0":
            yield [*_cardinal(int(digits[:2]), []), "hundred"]
    yield _each(digits)


def _each(digits: str) -> list[str]:
    return [_UNITS[int(digit)] for digit in digits]


def _cardinal(number: int, link: list[str]) -> list[str]:
    for scale, name in _SCALES:
        if number >= scale:
            head, rest = divmod(number, scale)
            linked = link if scale == 100 or rest < 100 else []
            return [*_cardinal(head, link), name, *((*linked, *_cardinal(rest, link)) if rest else ())]
    if number < 20:
        return [_UNITS[number]]
    return [_TENS[number // 10 - 2], *([_UNITS[number % 10]] if number % 10 else [])]


def _ordinal(word: str) -> str:
    if word in _ORDINALS:
        return _ORDINALS[word]
    return word[:-1] + "ieth" if word.endswith("y") else word.removesuffix("t") + "th"


def han(token: str, language: str) -> list[list[str]]:
    """Readings in Chinese characters for ``zh``, ``yue`` and ``ja``, each a list of characters."""
    match = re.fullmatch(r"(\d+)(?:\.(\d+))?", token)
    if not match:
        return [list(token)]
    whole, fraction = match.groups()
    point = ["点" if language == "zh" else "點" if language == "yue" else "・", *_each_han(fraction)] if fraction else []
    readings = []
    if len(whole) <= 8 and (whole == "0" or whole[0] != "0"):
        readings.append(_cardinal_han(int(whole), language))
        if whole == "2":
            readings.append(["两" if language == "zh" else "兩"])
    return [[*reading, *point] for reading in (*readings, _each_han(whole))]


def _each_han(digits: str) -> list[str]:
    return [_HAN[int(digit)] for digit in digits]


def _cardinal_han(number: int, language: str) -> list[str]:
    if number >= 10_000:
        head, rest = divmod(number, 10_000)
        filler = ["零"] if 0 < rest < 1000 and language != "ja" else []
        man = "万" if language != "yue" else "萬"
        return [*_cardinal_han(head, language), man, *filler, *(_cardinal_han(rest, language) if rest else [])]
    out: list[str] = []
    gap = False
    for scale, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // scale % 10
        if digit == 0:
            gap = bool(out)
            continue
        if gap and language != "ja":
            out.append("零")
        gap = False
        silent = digit == 1 and name and (language == "ja" or (name == "十" and not out))
        out += ([] if silent else [_HAN[digit]]) + ([name] if name else [])
    return out or ["零"]
