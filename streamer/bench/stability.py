"""How much partial results flicker, and how soon the first one comes.

A segment's *texts* are its partials in order and then its final. Over each step from one text to the next:
- *unstable words*: words of the text that are not found again, in order, in the next one (all but the longest common subsequence),
  without case and marks;
- *revision*: a step with at least one unstable word;
- *erased tokens*: what has to be taken back from the end to write the next text: all that follows the longest common prefix. With case
  and marks, because the eye sees them change.

UPWR is unstable words over words of finals; UPSR revisions over segments that showed any text; normalised erasure is erased tokens over
tokens of finals. A token is a character in scripts without spaces, else a word.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from streamer.bench.replay import Recording
from streamer.bench.segmentation import UTTERANCE_GAP_MS
from streamer.bench.spans import Spans, joined
from streamer.bench.tally import Tally, nearest_rank, ratio
from streamer.bench.text import shown_tokens, tokens_of
from streamer.core.events import Final, Partial, SpeechEnded, SpeechStarted


@dataclass(frozen=True)
class StabilityTally(Tally):
    words: int = 0
    unstable: int = 0
    revisions: int = 0
    segments: int = 0
    tokens: int = 0
    erased: int = 0
    firsts: tuple[float, ...] = ()

    def figures(self) -> dict[str, float | None]:
        return {
            "first_ms_p50": nearest_rank(self.firsts, 0.5),
            "upwr": ratio(self.unstable, self.words),
            "upsr": ratio(self.revisions, self.segments),
            "erasure": ratio(self.erased, self.tokens),
        }


def texts_of(recording: Recording) -> dict[int, list[str]]:
    """Per segment, everything that was shown of it, the final last. Segments without a final, which failed, are not there."""
    finals = {message.segment: message.text for _, message in recording.of(Final)}
    shown: dict[int, list[str]] = {segment: [] for segment in finals}
    for _, partial in recording.of(Partial):
        if partial.segment in shown:
            shown[partial.segment].append(partial.stable + partial.unstable)
    return {segment: [*texts, finals[segment]] for segment, texts in shown.items()}


def flicker(shown: Mapping[int, Sequence[str]] | Iterable[Sequence[str]]) -> StabilityTally:
    """Of the texts of each segment, the final last."""
    tally = StabilityTally()
    for texts in shown.values() if isinstance(shown, Mapping) else shown:
        tally += _of_segment(texts)
    return tally


def _of_segment(texts: Sequence[str]) -> StabilityTally:
    words, tokens = [tokens_of(text) for text in texts], [shown_tokens(text) for text in texts]
    steps = [len(before) - common_subsequence(before, after) for before, after in zip(words, words[1:], strict=False)]
    erased = [len(before) - common_prefix(before, after) for before, after in zip(tokens, tokens[1:], strict=False)]
    return StabilityTally(
        words=len(words[-1]),
        unstable=sum(steps),
        revisions=sum(map(bool, steps)),
        segments=int(any(words)),
        tokens=len(tokens[-1]),
        erased=sum(erased),
    )


def common_prefix(one: Sequence[str], other: Sequence[str]) -> int:
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return index
    return min(len(one), len(other))


def common_subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest one."""
    begin = common_prefix(one, other)
    one, other = one[begin:], other[begin:]
    row = [0] * (len(other) + 1)
    for left in one:
        diagonal = 0
        for j, right in enumerate(other, 1):
            diagonal, row[j] = row[j], diagonal + 1 if left == right else max(row[j], row[j - 1])
    return begin + row[-1]


def first_partials(recording: Recording, marked: Spans) -> tuple[float, ...]:
    """For each segment of channel 0: from the marked begin of its first utterance to the first partial that has heard some of it and
    shows a word. A segment that goes on with an utterance which an earlier one began has none.
    """
    utterances = joined(marked, UTTERANCE_GAP_MS)
    begins = {message.segment: message.begin_ms for _, message in recording.of(SpeechStarted) if message.channel == 0}
    ends = {message.segment: message.end_ms for _, message in recording.of(SpeechEnded)}
    latencies = []
    before = 0  # end of the last segment: an utterance that began before it is an old one
    for segment, begin in begins.items():
        end = ends.get(segment, recording.duration_ms)
        onset = next((first for first, last in utterances if last > begin and before <= first < end), None)
        shown = [at for at, partial in recording.of(Partial) if partial.segment == segment and _shows_a_word_after(partial, onset)]
        if onset is not None and shown:
            latencies.append(round(shown[0] - onset, 1))
        before = end
    return tuple(latencies)


def _shows_a_word_after(partial: Partial, onset: int | None) -> bool:
    return onset is not None and partial.audio_end_ms > onset and any(map(str.isalnum, partial.stable + partial.unstable))
