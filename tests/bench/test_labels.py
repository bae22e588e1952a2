"""Kinds of labels to what is known."""

from pathlib import Path

import pytest

from streamer.bench.labels import Labels, Row, Unusable, language_code, read_labels
from streamer.bench.tags import emotion_label, event_labels


def read(kind, label, language="en"):
    return read_labels(Row(Path("/nowhere/a.wav"), Path("/nowhere"), kind, label, language))


def test_each_kind_says_what_it_can():
    assert read("transcript", "call john smith") == Labels(language="en", text="call john smith")
    assert read("vad_ms (fsmn-vad gold)", "[[70,2340]]", "zh") == Labels(language="zh", speech=((70, 2340),))
    assert read("vad start,end,is_speech", "x,0,0.5,0,0.5,1,1", None) == Labels(speech=((500, 1000),))
    assert read("emotion|transcript", "disgust | Dogs are sitting") == Labels(language="en", emotion="disgusted", text="Dogs are sitting")
    assert read("event", "car_horn", None) == Labels(nonspeech=True)
    assert read("event (a guess)", "Baby cry", None) == Labels(events=frozenset({"cry"}), nonspeech=True)
    assert read("event", "Speech+laughter", None) == Labels(events=frozenset({"speech", "laughter"}))
    assert read("silence", "", None) == Labels(nonspeech=True)
    assert read("noise", "office noise", None) == Labels(nonspeech=True)
    assert read("stereo", "one each (he began / she vanished)") == Labels(language="en", apart=True)
    assert read("noisy speech", "hello") == Labels(language="en", text="hello")
    assert read("diarization", "SPEAKER x 1 0.5 1.0 <NA> <NA> a <NA> <NA>") == Labels(language="en", speech=((500, 1500),))


@pytest.mark.parametrize(
    ("kind", "label", "reason"),
    [
        ("transcript", "", "kind is 'transcript', but there is no text to compare with"),
        ("vad", "oops", "label begins 'oops', expected start,end,is_speech triples or JSON pairs of speech"),
        ("diarization", "two speakers", "no RTTM file named in the label or beside the recording has turns of it"),
        ("rir", "room impulse response", "a room impulse response is no recording of a room"),
        ("overlap", "2 speakers", "overlapped speech without its texts has nothing to compare with"),
        ("noise", "babble", "label is 'babble': there may be words in it, so none can be counted as invented"),
        ("emotion", "bored", "emotion is 'bored', which is none that the model has"),
    ],
)
def test_what_cannot_be_scored_says_why(kind, label, reason):
    with pytest.raises(Unusable) as refused:
        read(kind, label)
    assert str(refused.value) == reason


def test_an_unknown_kind_names_the_known_ones():
    with pytest.raises(Unusable, match="kind is 'weather', expected one with any of: noisy speech, transcript, "):
        read("weather", "sunny")


@pytest.mark.parametrize(
    ("given", "text", "code"),
    [
        ("en", "", "en"),
        ("en_US", "", "en"),
        ("English", "", "en"),
        ("zh-CN", "", "zh"),
        ("zh-HK", "", "yue"),
        ("hi", "", "hi"),
        ("-", "", None),
        ("", "hello there", "en"),
        ("", "今天天气", "zh"),
        ("", "コーヒーを飲む", "ja"),
        ("", "오늘", "ko"),
        ("", "123", None),
    ],
)
def test_languages_by_any_name_else_by_their_letters(given, text, code):
    assert language_code(given, text) == code


def test_a_transcript_without_a_language_is_scored_by_its_letters():
    assert read("transcript", "今天天气", None).language == "zh"


def test_labels_of_other_sets_find_the_models_own():
    assert (emotion_label("calm"), emotion_label("Fear"), emotion_label("bored")) == ("neutral", "fearful", None)
    assert event_labels("clapping") == {"applause"}
    assert event_labels("speech .848 singing .905 music .991") == {"speech", "sing", "bgm"}
    assert event_labels("single engine") == frozenset()
