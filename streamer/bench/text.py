"""Text against a transcript: word errors, or character errors where people write without spaces.

Errors are the least number of insertions, deletions and substitutions, summed over recordings and divided by the tokens of the
transcripts. Han characters and kana are a token each (zh, yue, ja); elsewhere a token is a word between spaces (ko too).

Before that, both sides are made alike, in this order:
- NFKC (full-width letters and digits, half-width kana), lower case;
- apostrophes vanish (``it's`` is ``its``), other punctuation separates; in zh, yue and ja spaces vanish with it;
- a few spellings: mr, mrs, dr, ok, oh as a digit (see ``SPELLINGS``), to-day, to-morrow, to-night;
- numbers in digits are spelled out (see ``numerals``), in the reading that the other side has, if it has one.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streamer.bench.numerals import english, han
from streamer.bench.tally import Tally, ratio

BY_CHARACTER: Final = ("zh", "yue", "ja")
SPELLINGS: Final = {"mr": "mister", "mrs": "missus", "dr": "doctor", "ok": "okay", "oh": "zero", "〇": "零"}
"""``oh`` is how people say the digit; the exclamation turns into ``zero`` on both sides alike."""
_APOSTROPHES: Final = re.compile("['’‘`´＇]")
_OLD_HYPHEN: Final = re.compile(r"\bto-(?=(?:day|morrow|night)\b)")
_GROUPED: Final = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_SINGLE: Final = "\u3005\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_SHOWN: Final = re.compile(rf"[{_SINGLE}][^\w\s]*|[^\s{_SINGLE}]+")
_TOKEN: Final = re.compile(rf"[{_SINGLE}]|[$£€]?\d+(?:\.\d+)?(?:(?:st|nd|rd|th|s)(?![a-z]))?%?|[^\W\d_{_SINGLE}]+")


@dataclass(frozen=True)
class TextTally(Tally):
    """Errors of the streamed text and of the same recording decoded as a whole."""

    words: int = 0
    word_errors: int = 0
    offline_word_errors: int = 0
    characters: int = 0
    character_errors: int = 0
    offline_character_errors: int = 0

    def figures(self) -> dict[str, float | None]:
        """``words``: tokens of the transcripts, words and characters together."""
        return {
            "wer": ratio(self.word_errors, self.words),
            "cer": ratio(self.character_errors, self.characters),
            "offline_wer": ratio(self.offline_word_errors, self.words),
            "offline_cer": ratio(self.offline_character_errors, self.characters),
            "words": self.words + self.characters,
        }


def compare(reference: str, streamed: str, offline: str, language: str) -> TextTally:
    """One channel of one recording."""
    errors, count = errors_of(reference, streamed, language)
    offline_errors, _ = errors_of(reference, offline, language)
    if language in BY_CHARACTER:
        return TextTally(characters=count, character_errors=errors, offline_character_errors=offline_errors)
    return TextTally(words=count, word_errors=errors, offline_word_errors=offline_errors)


def errors_of(reference: str, heard: str, language: str) -> tuple[int, int]:
    """Errors, and the tokens of the reference."""
    wanted, said = tokens_of(reference), tokens_of(heard)
    wanted = spelled(wanted, spelled(said, (), language), language)
    said = spelled(said, wanted, language)
    return distance(wanted, said), len(wanted)


def tokens_of(text: str) -> list[str]:
    """Tokens in one form, numbers still in digits."""
    text = unicodedata.normalize("NFKC", _APOSTROPHES.sub("", text)).lower()
    return [SPELLINGS.get(token, token) for token in _TOKEN.findall(_GROUPED.sub("", _OLD_HYPHEN.sub("to", text)))]


def spelled(tokens: Sequence[str], other: Sequence[str], language: str) -> list[str]:
    """Numbers in words: each in the reading that ``other`` has, else in the usual one."""
    out: list[str] = []
    for token in tokens:
        if not any(map(str.isdecimal, token)):
            out.append(token)
            continue
        readings = han(token, language) if language in BY_CHARACTER else english(token)
        out += next((reading for reading in readings if _holds(other, reading)), readings[0])
    return out


def _holds(tokens: Sequence[str], part: list[str]) -> bool:
    return any(list(tokens[at : at + len(part)]) == part for at in range(len(tokens) - len(part) + 1))


def distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Levenshtein's."""
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        diagonal, row[0] = row[0], i
        for j, right in enumerate(other, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (left != right))
    return row[-1]


def spoken_words(text: str) -> int:
    """Words in a text of any language: what is counted where nobody spoke."""
    return len(tokens_of(text))


def shown_tokens(text: str) -> list[str]:
    """What a reader's eye takes as one: words with their case and marks, and characters of scripts without spaces."""
    return _SHOWN.findall(text)
