"""Successive hypotheses of one open segment to a stable prefix that only grows and an unstable tail.

A word is promised once two hypotheses in a row agree on it, it ended well before the edge of the audio, and something follows it.
What was promised stays promised: a later hypothesis that disagrees is read on from the time where the promise ends.
"""

from dataclasses import replace
from typing import Final

from streamer.core.events import Token, to_samples
from streamer.core.richtext import is_tag, joins_before, written_without_spaces

GUARD_MS: Final = 300  # tokens this near to the edge of the audio still change with what comes next


class Stabilizer:
    """The text of one segment while it is open."""

    def __init__(self) -> None:
        self._promised: list[Token] = []
        self._previous: list[Token] = []  # the last hypothesis, after what was promised

    @property
    def tokens(self) -> list[Token]:
        """What is shown, promised or not; times count from the segment's begin."""
        return self._promised + self._previous

    @property
    def stable(self) -> str:
        """What was promised so far."""
        return _text(self._promised).lstrip()

    def lock(self, before: int) -> int | None:
        """Where a later hypothesis may begin to listen: a gap between two promised words, the last one up to ``before``.

        At least one promised word lies after it, so that the two readings overlap and the seam falls into what is already promised.
        """
        for index in range(len(self._promised) - 1, 0, -1):
            gap = (self._promised[index - 1].end + self._promised[index].begin) // 2
            if gap <= before and _opens_word(self._promised, index):
                return gap
        return None

    def update(self, tokens: tuple[Token, ...], audio_end: int, origin: int = 0) -> tuple[str, str]:
        """Take the next hypothesis; give stable and unstable text.

        It heard the segment from ``origin`` to ``audio_end``, both counted from the segment's begin; its times count from ``origin``.
        ``stable + unstable`` is what to show: spaces between the two are in the strings.
        """
        heard = [token for token in tokens if not is_tag(token)]
        if origin:
            heard = [replace(token, begin=token.begin + origin, end=token.end + origin) for token in heard]
        tail = self._after_promise(heard, origin)
        agreed = 0
        for ours, theirs in zip(tail, self._previous, strict=False):
            if ours.text != theirs.text or ours.end > audio_end - to_samples(GUARD_MS):
                break
            agreed += 1
        agreed = _whole_words(tail, agreed)
        self._promised += tail[:agreed]
        self._previous = tail[agreed:]
        unstable = _text(self._previous)
        return self.stable, unstable if self._promised else unstable.lstrip()

    def _after_promise(self, tokens: list[Token], origin: int) -> list[Token]:
        promised = [token for token in self._promised if token.begin >= origin]
        if [token.text.strip() for token in tokens[: len(promised)]] == [token.text.strip() for token in promised]:
            return tokens[len(promised) :]
        # Another reading of what was promised: go on from the time where the promise ends.
        end = self._promised[-1].end
        tail = [token for token in tokens if (token.begin + token.end) // 2 >= end]
        return tail[1:] if tail and joins_before(tail[0].text) else tail


def _text(tokens: list[Token]) -> str:
    return "".join(token.text for token in tokens)


def _whole_words(tokens: list[Token], count: int) -> int:
    """Shorten ``count`` so that it ends with a whole word that something follows, and not with punctuation, which moves."""
    while count:
        if count < len(tokens) and not joins_before(tokens[count - 1].text) and _opens_word(tokens, count):
            return count
        count -= 1
    return 0


def _opens_word(tokens: list[Token], index: int) -> bool:
    text, before = tokens[index].text, tokens[index - 1].text
    if joins_before(text):
        # Punctuation that follows is no promise that the word is whole: "it" before "'s".
        return any(not joins_before(token.text) for token in tokens[index + 1 :]) and text.strip() not in ("'", "’", "-")
    return text[:1].isspace() or written_without_spaces(text.strip()[:1] or " ") or written_without_spaces(before.strip()[-1:] or " ")
