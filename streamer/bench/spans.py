"""Where speech is, in whole milliseconds, from the forms in which people write it down."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

Spans = tuple[tuple[int, int], ...]
"""Begin and end of each stretch of speech, in order, none touching the next."""

NUMBER: Final = re.compile(r"[-+]?\d*\.?\d+")


def joined(spans: Iterable[tuple[int, int]], gap_ms: int = 0) -> Spans:
    """In order, empty ones left out, those that overlap or lie no more than ``gap_ms`` apart as one."""
    out: list[list[int]] = []
    for begin, end in sorted(span for span in spans if span[0] < span[1]):
        if out and begin - out[-1][1] <= gap_ms:
            out[-1][1] = max(out[-1][1], end)
        else:
            out.append([begin, end])
    return tuple((begin, end) for begin, end in out)


def from_label(label: str, *, milliseconds: bool) -> Spans | None:
    """``start,end,is_speech`` triples after an optional name, or JSON pairs or triples. ``None`` where it is neither.

    Times are seconds unless ``milliseconds`` is said, or all are whole numbers and some are a thousand or more.
    """
    rows: Sequence[Sequence[float]] | None
    if label.lstrip().startswith(("[", "{")):
        rows = _from_json(label)
    else:
        fields = [field for field in re.split(r"[,;\s]+", label.strip()) if field]
        while fields and not NUMBER.fullmatch(fields[0]):
            fields.pop(0)
        if not fields or len(fields) % 3 or not all(map(NUMBER.fullmatch, fields)):
            return None
        values = list(map(float, fields))
        rows = [values[at : at + 3] for at in range(0, len(values), 3)]
    if rows is None:
        return None
    times = [time for row in rows for time in row[:2]]
    scale = 1 if milliseconds or (all(time == int(time) for time in times) and max(times, default=0) >= 1000) else 1000
    return joined((round(row[0] * scale), round(row[1] * scale)) for row in rows if len(row) < 3 or row[2])


def _from_json(label: str) -> list[list[float]] | None:
    try:
        rows = json.loads(label)
    except ValueError:
        return None
    if isinstance(rows, dict):
        rows = next((value for value in rows.values() if isinstance(value, list)), None)
    if not isinstance(rows, list):
        return None
    if rows and all(isinstance(row, dict) for row in rows):
        rows = [[row.get("start", row.get("begin")), row.get("end")] for row in rows]
    good = all(
        isinstance(row, list) and len(row) in (2, 3) and all(isinstance(value, int | float) and math.isfinite(value) for value in row)
        for row in rows
    )
    return rows if good else None


def from_rttm(label: str, audio: Path, folder: Path) -> Spans | None:
    """Turns of all speakers as one, from RTTM files: those the label names (patterns from ``folder``), else those beside the audio.

    A file that has turns of several recordings names them; the name may be the end of the audio file's own.
    """
    if "SPEAKER " in label:
        turns = list(_turns(label))
        return joined(turn for _, turn in turns) if turns else None
    patterns = re.findall(r"[^\s,;]+\.rttm", label)
    named = [path for pattern in patterns if not pattern.startswith("/") for path in sorted(folder.glob(pattern))]
    own = audio.with_suffix(".rttm")
    if not named and own.is_file():
        return joined(turn for _, turn in _turns(_text(own)))
    found = [turn for path in named or sorted(audio.parent.glob("*.rttm")) for turn in _turns(_text(path))]
    names = [name for name, _ in found if name == audio.stem or re.search(rf"(^|[_.-]){re.escape(name)}$", audio.stem)]
    if not names:
        return None
    best = max(names, key=len)
    return joined(turn for name, turn in found if name == best)


def _turns(text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 5 and fields[0] == "SPEAKER" and NUMBER.fullmatch(fields[3]) and NUMBER.fullmatch(fields[4]):
            begin, length = float(fields[3]), float(fields[4])
            yield fields[1], (round(begin * 1000), round((begin + length) * 1000))


def from_alignments(audio: Path) -> Spans | None:
    """Words of a LibriSpeech-style ``*.alignment.txt`` beside the audio, as spans; ``None`` where there is none of this recording.

    A line is an utterance's name, its words and their ends in seconds, both quoted and separated by commas; an empty word is silence.
    """
    for path in sorted(audio.parent.glob("*.alignment.txt")):
        for line in _text(path).splitlines():
            match = re.match(r'(\S+) "([^"]*)" "([^"]*)"', line)
            if not match or not re.search(rf"(^|[_.-]){re.escape(match[1])}$", audio.stem):
                continue
            words, ends = match[2].split(","), match[3].split(",")
            if len(words) != len(ends) or not all(map(NUMBER.fullmatch, ends)):
                continue
            times = [0, *(round(float(end) * 1000) for end in ends)]
            return joined(span for word, span in zip(words, pairwise(times), strict=True) if word)
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # a label file that cannot be read is a label that is not there, and is told as such
        return ""
