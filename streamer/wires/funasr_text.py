"""Texts and times as FunASR's clients read them."""

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import Any, Final

from streamer.core.events import Word
from streamer.core.richtext import Tag, joins_before, parse, written_without_spaces

WIDE: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # a word each
WORD: Final = re.compile(rf"[{WIDE}]|[^\W{WIDE}]+(?:['’-][^\W{WIDE}]+)*")
WIDE_STOPS: Final = "。！？，、；："  # nothing is written after these to keep the next sentence apart
PUNCTUATION: Final = ".,!?;:。！？，、；："
PAGE_STOPS: Final = re.compile(r"[。？，、?., ]")

Pair = list[int]


def tags_of(raw_text: str) -> str:
    """The tags that a raw text begins with, as they stand there."""
    found = ""
    for part in parse(raw_text).parts:
        if not isinstance(part, Tag):
            break
        found += f"<|{part.name}|>"
    return found


def after(before: str, text: str) -> str:
    """``text`` as it is appended to ``before``: with a space, where one is written between two words."""
    if not before or not text or before[-1].isspace() or text[0].isspace():
        return text
    wide = written_without_spaces(before[-1]) or before[-1] in WIDE_STOPS or written_without_spaces(text[0])
    return text if wide or joins_before(text[0]) else " " + text


def joined(texts: Iterable[str]) -> str:
    whole = ""
    for text in texts:
        whole += after(whole, text)
    return whole


def unsaid(said: str, text: str) -> str:
    """What is left of ``text`` for a client that has appended ``said``, which may be another reading of its beginning."""
    if text.startswith(said):
        return text[len(said) :]
    ours = [word.lower() for word in WORD.findall(said)]
    theirs = list(WORD.finditer(text))
    matcher = SequenceMatcher(None, ours, [word[0].lower() for word in theirs], autojunk=False)
    blocks = [block for block in matcher.get_matching_blocks() if block.size]
    # From the last word that both have, as many words on as were said after it.
    begin = blocks[-1].b - blocks[-1].a + len(ours) if blocks else len(ours)
    if begin > len(theirs):
        return ""
    return text[theirs[begin - 1].end() :] if begin else text


def stamps(words: Sequence[Word], origin_ms: int) -> list[Pair]:
    return [[max(0, word.begin_ms - origin_ms), max(0, word.end_ms - origin_ms)] for word in words]


def padded(times: list[Pair], text: str) -> list[Pair]:
    """As many times as FunASR's html5 page looks up, and fails without: it counts a time for each character of what is not all letters.

    Tags are such characters, so the last time is repeated after those of the words.
    """
    parts = [part for part in PAGE_STOPS.split(text) if part]
    wanted = sum(1 if part.isascii() and part.isalpha() else len(part.encode("utf-16-le")) // 2 for part in parts[:-1]) + 1
    return times + [[times[-1][1], times[-1][1]]] * (wanted - len(times))


def stamp_sents(words: Sequence[Word], origin_ms: int) -> list[dict[str, Any]]:
    """The words between punctuation, with their times."""
    found: list[dict[str, Any]] = []
    group: list[Word] = []
    for word in words:
        group.append(word)
        if word is words[-1] or word.text[-1:] in PUNCTUATION:
            times = stamps(group, origin_ms)
            bare = [one.text.rstrip(PUNCTUATION) for one in group]
            punctuation = word.text[len(bare[-1]) :]
            found.append({"text_seg": " ".join(bare), "punc": punctuation, "start": times[0][0], "end": times[-1][1], "ts_list": times})
            group = []
    return found
