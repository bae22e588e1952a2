"""What the miniature is taught to hear, read from words.yaml, and how it is written with and without inverse text normalisation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

ENGLISH_NUMBERS = {
    word: str(number) for number, word in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())
} | {"twenty": "20", "thirty": "30", "forty": "40", "fifty": "50"}
CHINESE_NUMBERS = {character: str(number) for number, character in enumerate("零一二三四五六七八九")}


@dataclass(frozen=True, slots=True)
class Language:
    """One language of words.yaml, which tells what the fields are."""

    share: float
    voices: dict[str, float]
    separator: str
    marks: dict[str, str]
    by_character: bool
    spaced: float
    words: tuple[str, ...]
    phrases: tuple[tuple[str, ...], ...]


def _language(words: str, phrases: str, **fields: Any) -> Language:
    return Language(**fields, words=tuple(words.split()), phrases=tuple(tuple(phrase.split()) for phrase in phrases.split("/")))


LANGUAGES = {
    code: _language(**fields) for code, fields in yaml.safe_load(Path(__file__).with_name("words.yaml").read_text(encoding="utf-8")).items()
}
SHARES = {code: language.share for code, language in LANGUAGES.items()}


@dataclass(slots=True)
class Unit:
    """A word, or a Chinese character, with the mark that follows it and, once spoken, its span in samples at 16 kHz."""

    text: str
    word_begins: bool
    mark: str = ""
    begin: int = 0
    end: int = 0


def sentence(language: Language, rng: np.random.Generator) -> list[Unit]:
    """One to twelve words: mostly random ones, so that the ear and not the grammar is trained; now and then a phrase."""
    words: list[str] = []
    mark = language.marks["stop"]
    if rng.random() < 0.25:
        words = list(language.phrases[rng.integers(len(language.phrases))])
    if words and words[-1] == "?":
        words.pop()
        mark = language.marks["question"]
    elif len(words) < 3 or rng.random() < 0.3:
        size = int(min(rng.geometric(0.16), 12))
        words += [str(word) for word in rng.choice(language.words, size)]
    units = [Unit(part, i == 0) for word in words for i, part in enumerate(word if language.by_character else (word,))]
    ends = [i for i in range(2, len(units) - 2) if units[i].word_begins and units[i + 1].word_begins]
    if ends and rng.random() < 0.3:
        units[int(rng.choice(ends))].mark = language.marks["comma"]
    units[-1].mark = mark
    return units


def plain(language: str, units: list[Unit]) -> list[str]:
    """The units as spoken; a leading space tells that one begins a word in a language with spaces."""
    return [LANGUAGES[language].separator + unit.text for unit in units]


def written(language: str, units: list[Unit]) -> list[str]:
    """The units after inverse text normalisation: digits and a capital, without the marks."""
    forms = []
    for i, unit in enumerate(units):
        separator, text = LANGUAGES[language].separator, unit.text
        if language == "en":
            before = units[i - 1].text if i and not units[i - 1].mark else ""
            after = units[i + 1].text if i + 1 < len(units) and not unit.mark else ""
            text = ENGLISH_NUMBERS.get(text, text)
            if before.endswith("ty") and before in ENGLISH_NUMBERS and 0 < int(text if text.isdigit() else 0) < 10:
                separator = ""
            elif unit.text.endswith("ty") and text.isdigit() and 0 < int(ENGLISH_NUMBERS.get(after, "0")) < 10:
                text = text[0]
            text = "I" if text == "i" else text
            text = text if i and units[i - 1].mark in ("", ",") else text.capitalize()
        elif language in ("zh", "yue") and unit.word_begins and (i + 1 == len(units) or units[i + 1].word_begins):
            around = {units[j].text for j in (i - 1, i + 1) if 0 <= j < len(units)}
            text = text if around & {"期", "十"} else CHINESE_NUMBERS.get(text, text)  # Friday and 三十七 stay in characters
        forms.append(separator + text)
    return forms
