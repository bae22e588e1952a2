"""Whether the model's own evidence says that somebody spoke, so that noise does not become words.

A hypothesis is withheld, with its reason, when one of these holds. The numbers are deliberately far from ordinary speech: to withhold a
real word is worse than to show an invented one now and then, and the voice activity judge in front has already rejected most noise.
A model without such evidence (no scores, no confidences) is never overruled here.
"""

from math import exp, log
from typing import Final

from streamer.core.events import SAMPLE_RATE, Hypothesis, Scores
from streamer.core.richtext import FLOOR_P, is_tag

NOSPEECH_P: Final = 0.6  # the language row itself says that nobody speaks
SOUND_P: Final = 0.8  # the event row is sure of a sound other than speech ...
SOUND_CONFIDENCE: Final = 0.7  # ... and the words are not sure of themselves
DOUBTFUL_CONFIDENCE: Final = 0.3  # words this unsure are noise, whatever the rows say
SPARSE_TOKENS_PER_S: Final = 0.5  # a lone token in seconds of audio: nearly all of it is blank
SPARSE_CONFIDENCE: Final = 0.6
SPEECHLIKE: Final = frozenset({"speech", "sing", "speech_noise", "unknown"})
"""Event labels under which words are to be expected."""


def why_withheld(heard: Hypothesis) -> str | None:
    """The reason for which the words of a hypothesis should not be shown; ``None`` for words that may be."""
    tokens = [token for token in heard.tokens if not is_tag(token)]
    if not tokens:
        return None
    nospeech = (heard.language or {}).get("nospeech", 0.0)
    if nospeech >= NOSPEECH_P:
        return f"nospeech {nospeech:.2f}"
    given = [token.p for token in tokens if token.p is not None]
    if not given:
        return None
    confidence = exp(sum(log(max(p, FLOOR_P)) for p in given) / len(given))
    if confidence < DOUBTFUL_CONFIDENCE:
        return f"confidence {confidence:.2f}"
    sound = sound_of(heard.event)
    if sound and sound[1] >= SOUND_P and confidence < SOUND_CONFIDENCE:
        return f"{sound[0]} {sound[1]:.2f}, confidence {confidence:.2f}"
    seconds = (heard.job.end - heard.job.begin) / SAMPLE_RATE
    if len(tokens) < SPARSE_TOKENS_PER_S * seconds and confidence < SPARSE_CONFIDENCE:
        return f"{len(tokens)} tokens in {seconds:.1f} s, confidence {confidence:.2f}"
    return None


def sound_of(scores: Scores | None) -> tuple[str, float] | None:
    """The most probable event and its probability, if it is a sound other than speech."""
    if not scores:
        return None
    label = max(scores, key=lambda name: scores[name])
    return None if label in SPEECHLIKE else (label, scores[label])
