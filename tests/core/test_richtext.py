"""Tags are data, text is clean, and nothing is lost on the way."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.events import Emotion, Event, Hypothesis, Itn, Job, JobKind, Language, Token, Word
from streamer.core.richtext import EMOTION_TAGS, EVENT_TAGS, LANGUAGE_TAGS, Tag, parse, rich_text, text_of, words_of

GOLD = Path(__file__).parents[3] / "shared/data/sensevoice_gold_outputs.json"


def tokens(*texts, p=0.5):
    return tuple(Token(id=n, text=text, begin=n * 960, end=(n + 1) * 960, p=p) for n, text in enumerate(texts))


def hypothesis(**fields):
    job = Job(session="s", channel=0, segment=0, kind=JobKind.FINAL, begin=16_000, end=32_000, samples=np.zeros(16_000, np.int16))
    return Hypothesis(job=job, **fields)


def test_a_raw_string_is_read_into_tags_and_text():
    tagged = parse("<|zh|><|HAPPY|><|Speech|><|withitn|>早上9点。<|Laughter|>")

    assert tagged.text == "早上9点。"
    assert tagged.first(LANGUAGE_TAGS) == "zh"
    assert tagged.first(EMOTION_TAGS) == "happy"
    assert tagged.all(EVENT_TAGS) == ("speech", "laughter")
    assert tagged.itn is True
    assert tagged.parts[-1] == Tag("Laughter")


def test_a_string_without_tags_has_none():
    tagged = parse("a < b |> c <| d")

    assert tagged.parts == ("a < b |> c <| d",)
    assert (tagged.first(LANGUAGE_TAGS), tagged.all(EVENT_TAGS), tagged.itn) == (None, (), None)


@given(
    st.lists(st.sampled_from(["<|", "|>", "<|en|>", "<|HAPPY|>", "|", "<", "hello", " ", "你好", "<|Event_UNK|>"])).map("".join) | st.text()
)
def test_reading_loses_nothing(raw):
    assert str(parse(raw)) == raw


@pytest.mark.skipif(not GOLD.exists(), reason="the published outputs of the real model are not on this machine")
def test_every_published_output_of_the_real_model_is_read_without_loss():
    for gold in json.loads(GOLD.read_text()):
        raw = gold["lang"] + gold["emotion"] + gold["event"] + "<|woitn|>" + gold["text"]
        tagged = parse(raw)

        assert str(tagged) == raw
        assert tagged.text == gold["text"]
        assert "<|" + tagged.first(LANGUAGE_TAGS) + "|>" == gold["lang"]
        assert tagged.first(EMOTION_TAGS) == "neutral"
        assert tagged.all(EVENT_TAGS) == ("speech",)
        timed = [
            Token(id=0, text=text, begin=int(time * 16_000), end=int(time * 16_000) + 960, p=None)
            for text, time in zip(gold["tokens"], gold["timestamps"], strict=True)
        ]
        assert text_of(timed).replace(" ", "") == "".join(gold["tokens"]).replace(" ", "")
        words = words_of(timed, 0)
        assert "".join(word.text for word in words).replace(" ", "") == "".join(gold["tokens"]).replace(" ", "")
        assert [word.begin_ms for word in words] == sorted(word.begin_ms for word in words)


def test_pieces_become_words_at_spaces_and_punctuation_stays_with_its_word():
    assert [word.text for word in words_of(tokens("The", " tri", "bal", " chief", ",", " called", "."), 0)] == [
        "The",
        "tribal",
        "chief,",
        "called.",
    ]


def test_a_lone_space_opens_the_next_word():
    assert [word.text for word in words_of(tokens("조", " 금", "만", " ", "을"), 0)] == ["조", "금만", "을"]


def test_han_and_kana_are_words_of_one_character_and_latin_beside_them_is_not_glued_on():
    assert [word.text for word in words_of(tokens("用", "i", "Phone", "的", "50", "円", "。"), 0)] == ["用", "iPhone", "的", "50", "円。"]


def test_words_carry_session_times_and_the_geometric_mean_of_their_tokens():
    found = words_of(
        (Token(id=1, text=" ab", begin=960, end=1920, p=0.9), Token(id=2, text="cd", begin=2880, end=3840, p=0.4)),
        16_000,
    )

    assert found == (Word(text="abcd", begin_ms=1060, end_ms=1240, confidence=0.6),)


def test_a_word_ends_where_its_sound_ends_not_where_its_punctuation_stands():
    found = words_of((*tokens(" yes", p=0.9), Token(id=9, text=".", begin=9600, end=10560, p=0.2)), 0)

    assert found == (Word(text="yes.", begin_ms=0, end_ms=60, confidence=0.9),)


def test_rich_text_has_labels_with_their_probabilities():
    rich = rich_text(
        hypothesis(
            tokens=tokens(" hello", " there"),
            raw_text="<|en|><|HAPPY|><|Speech|><|woitn|>hello there",
            language={"zh": 0.03, "en": 0.97},
            emotion={"happy": 0.7, "unknown": 0.3},
            event={"speech": 0.85, "laughter": 0.14, "bgm": 0.01},
            itn={"withitn": 0.2, "woitn": 0.8},
        )
    )

    assert rich.text == "hello there"
    assert rich.raw_text == "<|en|><|HAPPY|><|Speech|><|woitn|>hello there"
    assert rich.language == Language(code="en", p=0.97)
    assert rich.emotion == Emotion(label="happy", p=0.7, scores={"happy": 0.7, "unknown": 0.3})
    assert rich.events == (Event(label="speech", p=0.85), Event(label="laughter", p=0.14))
    assert rich.itn == Itn(applied=False, p=0.8)
    assert rich.confidence == 0.5


def test_a_tag_within_the_text_becomes_an_event_and_leaves_the_text():
    rich = rich_text(hypothesis(tokens=tokens(" well", "<|Laughter|>", " yes"), raw_text="…", event={"speech": 0.99, "bgm": 0.01}))

    assert rich.text == "well yes"
    assert [word.text for word in rich.words] == ["well", "yes"]
    assert rich.events == (Event(label="speech", p=0.99), Event(label="laughter", p=0.5))


def test_a_model_without_scores_has_none_in_its_rich_text():
    rich = rich_text(hypothesis(tokens=tokens(" hello", p=None), raw_text="hello"))

    assert (rich.language, rich.emotion, rich.events, rich.confidence) == (None, None, (), None)
    assert rich.words == (Word(text="hello", begin_ms=1000, end_ms=1060, confidence=None),)
