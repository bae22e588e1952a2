"""Spoken lines to SubRip and WebVTT: cues of two lines that a reader can follow, in order, never two at once. Pure."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

LINE_WIDTH: Final = 42  # columns, the broadcasters' number; a Chinese or Japanese character takes two
CUE_LINES: Final = 2
CUE_MS: Final = 7_000  # a reader needs no longer for two lines
SHORTEST_MS: Final = 500  # below this a cue cannot be read
SEARCH: Final = 40  # characters; a word that is not in the text so near is not there (numbers are spoken otherwise than written)

# Han and kana break anywhere except before closing and after opening punctuation; everything else breaks at spaces. A hyphen between
# two characters is a range.
_HAN = "\u3005-\u3007\u3041-\u30fa\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_CLOSING = "、。，．：；！？」』）》】〕…ー～,.:;!?)"
_OPENING = "「『（《【〔("
UNIT: Final = re.compile(f"[{_OPENING}]*[{_HAN}][{_CLOSING}]*|[^\\s{_HAN}]+")
SENTENCE_END: Final = (".", "?", "!", "。", "？", "！", "…")
CLAUSE_END: Final = (*SENTENCE_END, ",", ";", ":", "，", "、", "；", "：")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """One stretch of speech: its text on one line, its time, and each word with the time at which it begins."""

    text: str
    begin_ms: int
    end_ms: int
    channel: int
    words: tuple[tuple[str, int], ...]
    name: str = ""
    """Of who speaks on the channel, on one line, where the client has said it."""

    @property
    def speaker(self) -> str:
        """The channel's name for people, who count from one."""
        return self.name or f"Channel {self.channel + 1}"


@dataclass(frozen=True, slots=True)
class Cue:
    begin_ms: int
    end_ms: int
    speaker: str
    lines: tuple[str, ...]


def srt(spoken: Sequence[Spoken]) -> str:
    """SubRip. Where several channels speak, each cue begins with the name of its own."""
    named = _several(spoken)
    blocks = []
    for number, cue in enumerate(cues(spoken, named=named), 1):
        first = f"{cue.speaker}: " if named else ""
        blocks.append(f"{number}\n{_clock(cue.begin_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{first}{chr(10).join(cue.lines)}\n")
    return "\n".join(blocks)


def vtt(spoken: Sequence[Spoken]) -> str:
    """WebVTT. Where several channels speak, each cue has a voice."""
    named = _several(spoken)
    blocks = ["WEBVTT\n"]
    for cue in cues(spoken, named=False):
        voice = f"<v {_escaped(cue.speaker)}>" if named else ""
        text = _escaped("\n".join(cue.lines))
        blocks.append(f"{_clock(cue.begin_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{voice}{text}\n")
    return "\n".join(blocks)


def cues(spoken: Iterable[Spoken], *, named: bool) -> list[Cue]:
    """All cues in order. ``named``: leave room for the speaker in the first line."""
    raw = [cue for one in spoken for cue in _split(one, len(one.speaker) + 2 if named else 0)]
    placed: list[Cue] = []
    for cue in sorted(raw, key=lambda cue: cue.begin_ms):
        begin = cue.begin_ms
        if placed:
            # Two channels may speak at once; one cue ends where the next begins, and both are seen.
            before = placed[-1]
            begin = max(begin, min(before.end_ms, before.begin_ms + SHORTEST_MS))
            placed[-1] = replace(before, end_ms=min(before.end_ms, begin))
        placed.append(replace(cue, begin_ms=begin, end_ms=max(cue.end_ms, begin + SHORTEST_MS)))
    return placed


def _split(one: Spoken, indent: int) -> Iterator[Cue]:
    """Cues of one stretch: they follow each other without a gap, from its begin to its end."""
    units = [match.span() for match in UNIT.finditer(one.text)]
    times = _times(one, units)
    first = 0
    while first < len(units):
        after = _break(one.text, units, times, first, indent)
        text = one.text[units[first][0] : units[after - 1][1]]
        begin_ms = times[first] if first else one.begin_ms
        end_ms = times[after] if after < len(units) else one.end_ms
        yield Cue(begin_ms, end_ms, one.speaker, tuple(_wrap(text, indent)))
        first = after


def _break(text: str, units: list[tuple[int, int]], times: list[int], first: int, indent: int) -> int:
    """Where the cue that begins with unit ``first`` ends: as late as room and time allow, then back to the end of a sentence or clause."""
    begin, after = units[first][0], first + 1
    while after < len(units):
        if times[after] - times[first] >= CUE_MS or len(_wrap(text[begin : units[after][1]], indent)) > CUE_LINES:
            break
        after += 1
    else:
        return after
    for endings in (SENTENCE_END, CLAUSE_END):
        for earlier in range(after, first + 1, -1):
            said = text[begin : units[earlier - 1][1]]
            if said.endswith(endings) and _width(said) >= LINE_WIDTH // 2:
                return earlier
    return after


def _wrap(text: str, indent: int) -> list[str]:
    """Lines no wider than LINE_WIDTH, unless one unit is."""
    lines: list[str] = []
    begin = end = 0
    for match in UNIT.finditer(text):
        room = LINE_WIDTH - (0 if lines else indent)
        if end and _width(text[begin : match.end()]) > room:
            lines.append(text[begin:end])
            begin = match.start()
        end = match.end()
    return [*lines, text[begin:end]]


def _times(one: Spoken, units: list[tuple[int, int]]) -> list[int]:
    """When each unit begins: with its word, or in proportion between the words around it. Never goes back."""
    known = [(0, one.begin_ms)]
    at = 0
    for word, begin_ms in one.words:
        found = one.text.find(word, at, at + len(word) + SEARCH) if word else -1
        if found >= 0:
            if found > known[-1][0]:
                known.append((found, min(max(begin_ms, known[-1][1]), one.end_ms)))
            at = found + len(word)
    known.append((len(one.text), one.end_ms))
    times, right = [], 1
    for begin, _ in units:
        while known[right][0] <= begin and right < len(known) - 1:
            right += 1
        (left_at, left_ms), (right_at, right_ms) = known[right - 1], known[right]
        times.append(left_ms + (right_ms - left_ms) * (begin - left_at) // max(1, right_at - left_at))
    return times


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _several(spoken: Sequence[Spoken]) -> bool:
    return len({one.channel for one in spoken if one.text}) > 1


def _clock(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1_000)
    return f"{seconds // 3_600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{ms:03}"
