"""SenseVoice's tags and tokens to rich text, and its raw string to its parts and back without loss.

Tags are data: language, emotion, event and ITN come with probabilities from the first four CTC rows. Tags that the model writes
later, within the text, are taken out of the text and reported as events. The raw string always stays beside it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import exp, log
from typing import Final

from streamer.core.events import Emotion, Event, Hypothesis, Itn, Language, RichText, Scores, Token, Word, to_ms

TAG: Final = re.compile(r"<\|([^|<>]+)\|>")
EVENT_FLOOR: Final = 0.1  # an event less probable than this is not worth a client's attention, unless it is the most probable one
FLOOR_P: Final = 1e-6  # keeps the logarithm of a probability finite

LANGUAGE_TAGS: Final = {code: code for code in ("zh", "en", "yue", "ja", "ko", "nospeech")}
EMOTION_TAGS: Final = {
    "HAPPY": "happy",
    "SAD": "sad",
    "ANGRY": "angry",
    "NEUTRAL": "neutral",
    "FEARFUL": "fearful",
    "DISGUSTED": "disgusted",
    "SURPRISED": "surprised",
    "EMO_UNKNOWN": "unknown",
}
EVENT_TAGS: Final = {
    "Speech": "speech",
    "BGM": "bgm",
    "Applause": "applause",
    "Laughter": "laughter",
    "Cry": "cry",
    "Sneeze": "sneeze",
    "Breath": "breath",
    "Cough": "cough",
    "Sing": "sing",
    "Speech_Noise": "speech_noise",
    "Event_UNK": "unknown",
}
ITN_TAGS: Final = {"withitn": True, "woitn": False}


@dataclass(frozen=True, slots=True)
class Tag:
    """One ``<|name|>``."""

    name: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """A raw string in its parts, in order; ``str()`` gives the same string back."""

    parts: tuple[Tag | str, ...]

    def __str__(self) -> str:
        return "".join(f"<|{part.name}|>" if isinstance(part, Tag) else part for part in self.parts)

    @property
    def text(self) -> str:
        """Without tags, and without the space around them."""
        return "".join(part for part in self.parts if isinstance(part, str)).strip()

    def first(self, labels: dict[str, str]) -> str | None:
        """The label of the first tag that is one of these."""
        return next((labels[tag.name] for tag in self._tags() if tag.name in labels), None)

    def all(self, labels: dict[str, str]) -> tuple[str, ...]:
        """The labels of all tags that are of these, in order."""
        return tuple(labels[tag.name] for tag in self._tags() if tag.name in labels)

    @property
    def itn(self) -> bool | None:
        return next((ITN_TAGS[tag.name] for tag in self._tags() if tag.name in ITN_TAGS), None)

    def _tags(self) -> Iterator[Tag]:
        return (part for part in self.parts if isinstance(part, Tag))


def parse(raw_text: str) -> Tagged:
    """Read a raw string. Anything that is not a whole tag is text, so nothing can be lost."""
    parts: list[Tag | str] = []
    at = 0
    for match in TAG.finditer(raw_text):
        if match.start() > at:
            parts.append(raw_text[at : match.start()])
        parts.append(Tag(match[1]))
        at = match.end()
    if at < len(raw_text):
        parts.append(raw_text[at:])
    return Tagged(tuple(parts))


def written_without_spaces(character: str) -> bool:
    """Han, kana and their fellows, where every character is a word to a reader. Hangul is not: Korean has spaces."""
    return (
        "\u3040" <= character <= "\u30ff"  # hiragana, katakana
        or "\u3400" <= character <= "\u4dbf"
        or "\u4e00" <= character <= "\u9fff"
        or "\uf900" <= character <= "\ufaff"
        or "\U00020000" <= character <= "\U0003ffff"
    )


def joins_before(text: str) -> bool:
    """Punctuation belongs to the word before it."""
    return bool(text) and not any(character.isalnum() for character in text)


def is_tag(token: Token) -> bool:
    return "<" in token.text and TAG.fullmatch(token.text.strip()) is not None


def text_of(tokens: Iterable[Token]) -> str:
    """The text of tokens, tags taken out."""
    return "".join(token.text for token in tokens if not is_tag(token)).strip()


def words_of(tokens: Iterable[Token], origin: int) -> tuple[Word, ...]:
    """Tokens to words with absolute times; ``origin`` is the session's sample at which the job began."""
    groups: list[list[Token]] = []
    space = True  # a lone space token opens the next word
    for token in tokens:
        if is_tag(token):
            space = True
            continue
        text = token.text.strip()
        space = space or token.text[:1].isspace()
        if not text:
            continue
        if groups and joins_before(text):
            groups[-1].append(token)
        elif not groups or space or written_without_spaces(text[0]) or written_without_spaces(groups[-1][-1].text.strip()[-1]):
            groups.append([token])
        else:
            groups[-1].append(token)
        space = token.text[-1:].isspace()
    return tuple(_word(group, origin) for group in groups)


def rich_text(hypothesis: Hypothesis) -> RichText:
    """Everything one hypothesis says, in the client's units."""
    tokens = hypothesis.tokens
    return RichText(
        text=text_of(tokens),
        raw_text=hypothesis.raw_text,
        words=words_of(tokens, hypothesis.job.begin),
        language=language_of(hypothesis.language),
        emotion=emotion_of(hypothesis.emotion),
        events=events_of(hypothesis.event, tokens),
        itn=itn_of(hypothesis.itn),
        confidence=confidence_of(token for token in tokens if not is_tag(token)),
    )


def language_of(scores: Scores | None) -> Language | None:
    if not scores:
        return None
    best = _best(scores)
    return Language(code=best, p=_rounded(scores[best]))


def emotion_of(scores: Scores | None) -> Emotion | None:
    if not scores:
        return None
    best = _best(scores)
    return Emotion(label=best, p=_rounded(scores[best]), scores={label: _rounded(p) for label, p in scores.items()})


def itn_of(scores: Scores | None) -> Itn | None:
    if not scores:
        return None
    best = _best(scores)
    return Itn(applied=ITN_TAGS[best], p=_rounded(scores[best]))


def events_of(scores: Scores | None, tokens: Iterable[Token] = ()) -> tuple[Event, ...]:
    """Events of the event row, and those that the model wrote within the text; the most probable first."""
    found: dict[str, float] = {}
    if scores:
        best = _best(scores)
        found = {label: p for label, p in scores.items() if label == best or p >= EVENT_FLOOR}
    for token in tokens:
        for name in TAG.findall(token.text):
            if name in EVENT_TAGS:
                label = EVENT_TAGS[name]
                found[label] = max(found.get(label, 0.0), token.p or 0.0)
    return tuple(Event(label=label, p=_rounded(p)) for label, p in sorted(found.items(), key=lambda item: -item[1]))


def _best(scores: Scores) -> str:
    return max(scores, key=lambda label: scores[label])


def _rounded(p: float) -> float:
    return round(p, 4)


def _word(group: list[Token], origin: int) -> Word:
    spoken = [token for token in group if not joins_before(token.text)] or group  # punctuation is not heard, its time means nothing
    return Word(
        text="".join(token.text for token in group).strip(),
        begin_ms=to_ms(origin + group[0].begin),
        end_ms=to_ms(origin + spoken[-1].end),
        confidence=confidence_of(spoken),
    )


def confidence_of(tokens: Iterable[Token]) -> float | None:
    """Geometric mean of the tokens' probabilities: one doubtful token shows, whatever the length."""
    given = [token.p for token in tokens if token.p is not None]
    if not given:
        return None
    return _rounded(exp(sum(log(max(p, FLOOR_P)) for p in given) / len(given)))
