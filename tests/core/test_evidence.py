"""Noise does not become words, and words do not become noise."""

import pytest

from streamer.core.evidence import why_withheld
from tests.core.test_richtext import hypothesis, tokens

SPEECH = {"speech": 0.95, "applause": 0.05}
APPLAUSE = {"speech": 0.1, "applause": 0.9}
ENGLISH = {"en": 0.9, "nospeech": 0.1}


@pytest.mark.parametrize(
    ("heard", "reason"),
    [
        (hypothesis(tokens=tokens(" hello", " there", p=0.9), raw_text="", language=ENGLISH, event=SPEECH), None),
        (hypothesis(tokens=tokens(" hello", " there", p=0.45), raw_text="", language=ENGLISH, event=SPEECH), None),
        (hypothesis(tokens=tokens(" hello", " there", p=0.95), raw_text="", language=ENGLISH, event=APPLAUSE), None),
        (hypothesis(tokens=tokens(" hello", p=0.9), raw_text="", language={"en": 0.3, "nospeech": 0.7}, event=SPEECH), "nospeech 0.70"),
        (hypothesis(tokens=tokens(" the", " the", p=0.2), raw_text="", language=ENGLISH, event=SPEECH), "confidence 0.20"),
        (hypothesis(tokens=tokens(" the", p=0.5), raw_text="", language=ENGLISH, event=APPLAUSE), "applause 0.90, confidence 0.50"),
        (hypothesis(tokens=tokens(" hello", p=None), raw_text=""), None),
        (hypothesis(tokens=(), raw_text="", language={"nospeech": 1.0}, event=APPLAUSE), None),
    ],
)
def test_words_are_withheld_only_against_evidence(heard, reason):
    assert why_withheld(heard) == reason
