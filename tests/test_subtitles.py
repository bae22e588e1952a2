"""Subtitles: cues that a player takes and a reader can follow."""

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from streamer.subtitles import CUE_LINES, LINE_WIDTH, Spoken, cues, srt, vtt


def spoken(text: str, begin_ms: int, end_ms: int, *, channel: int = 0, words: list[tuple[str, int]] | None = None) -> Spoken:
    if words is None:
        parts = text.split()
        words = [(part, begin_ms + (end_ms - begin_ms) * n // len(parts)) for n, part in enumerate(parts)]
    return Spoken(text=text, begin_ms=begin_ms, end_ms=end_ms, channel=channel, words=tuple(words))


CITIES = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, "
    "it was the age of foolishness. It was the epoch of belief."
)


def test_srt_breaks_where_sentences_and_clauses_end():
    assert srt([spoken(CITIES, 1_000, 12_600), spoken("Yes.", 3_723_004, 3_724_000)]) == (
        "1\n"
        "00:00:01,000 --> 00:00:07,960\n"
        "It was the best of times, it was the worst\n"
        "of times, it was the age of wisdom,\n"
        "\n"
        "2\n"
        "00:00:07,960 --> 00:00:12,600\n"
        "it was the age of foolishness. It was the\n"
        "epoch of belief.\n"
        "\n"
        "3\n"
        "01:02:03,004 --> 01:02:04,000\n"
        "Yes.\n"
    )


def test_chinese_breaks_between_characters_but_not_before_punctuation():
    text = "今天天气很好，我们一起去公园散步吧。公园里有很多花，也有很多小朋友在玩。你觉得怎么样？"
    words = [(character, n * 200) for n, character in enumerate(text) if character not in "，。？"]
    assert srt([spoken(text, 0, 9_000, words=words)]) == (
        "1\n"
        "00:00:00,000 --> 00:00:07,200\n"
        "今天天气很好，我们一起去公园散步吧。公园里\n"
        "有很多花，也有很多小朋友在玩。\n"
        "\n"
        "2\n"
        "00:00:07,200 --> 00:00:09,000\n"
        "你觉得怎么样？\n"
    )


def test_vtt_escapes_what_would_be_markup():
    assert vtt([spoken("Fish & <b>chips</b> --> now", 0, 2_000)]) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nFish &amp; &lt;b&gt;chips&lt;/b&gt; --&gt; now\n"
    )


def test_channels_are_named_where_there_are_several():
    both = [spoken("How can I help?", 0, 2_000), spoken("My bill is wrong.", 2_000, 4_000, channel=1)]
    assert srt(both) == (
        "1\n00:00:00,000 --> 00:00:02,000\nChannel 1: How can I help?\n\n2\n00:00:02,000 --> 00:00:04,000\nChannel 2: My bill is wrong.\n"
    )
    assert "\n<v Channel 2>My bill is wrong.\n" in vtt(both)


def test_the_speakers_name_counts_as_width():
    first = srt([spoken("This line is exactly forty-two columns ok?", 0, 2_000), spoken("Yes.", 3_000, 4_000, channel=1)]).split("\n")
    assert first[2:4] == ["Channel 1: This line is exactly forty-two", "columns ok?"]


def test_two_who_speak_at_once_are_shown_one_after_the_other():
    placed = cues([spoken("How can I help?", 0, 4_000), spoken("Hello?", 1_000, 1_200, channel=1)], named=False)
    assert [(cue.begin_ms, cue.end_ms) for cue in placed] == [(0, 1_000), (1_000, 1_500)]


def test_numbers_that_are_written_otherwise_than_spoken_do_not_upset_the_times():
    words = [("twenty", 0), ("five", 1_000), ("people", 2_000), ("came", 3_000)]
    text = "25 people came" + " and stayed for a very long time until the evening came and the sun had set over the hills"
    second = cues([spoken(text, 0, 10_000, words=words)], named=False)[1]
    assert 3_000 < second.begin_ms < 10_000


def test_a_long_pause_within_a_cue_ends_it_in_time():
    words = [("wait", 0), ("for", 500), ("it", 15_000)]
    assert [(cue.begin_ms, cue.end_ms) for cue in cues([spoken("wait for it", 0, 16_000, words=words)], named=False)] == [
        (0, 15_000),
        (15_000, 16_000),
    ]


texts = st.text(alphabet="ab .,?我们。，「」한-", max_size=200).map(lambda text: " ".join(text.split()))
stretches = st.builds(
    lambda text, begin, length, channel, times: spoken(
        text, begin, begin + length, channel=channel, words=list(zip(text.split(), times, strict=False))
    ),
    texts,
    st.integers(0, 20_000),
    st.integers(0, 20_000),
    st.integers(0, 2),
    st.lists(st.integers(0, 40_000), max_size=20),
)


@given(st.lists(stretches, max_size=5))
def test_cues_follow_each_other_keep_every_character_and_fit(several):
    placed = cues(several, named=False)
    for one, following in zip(placed, placed[1:], strict=False):
        assert one.begin_ms < one.end_ms <= following.begin_ms
    for cue in placed:
        assert 1 <= len(cue.lines) <= CUE_LINES or max(map(len, cue.lines)) > LINE_WIDTH // 2
        assert all(line == line.strip() and line for line in cue.lines)
    said = sorted(re.sub(r"\s", "", "".join(one.text for one in several)))
    assert sorted(re.sub(r"\s", "", "".join("".join(cue.lines) for cue in placed))) == said


def test_a_channel_goes_by_the_name_that_its_client_gave_it_and_no_name_can_break_the_file():
    lines = [spoken("Hello.", 0, 1_000), spoken("Hi.", 1_000, 2_000, channel=1)]
    named = [replace(line, name=name) for line, name in zip(lines, ("agent", "a<b> & c"), strict=True)]
    assert [cue.speaker for cue in cues(named, named=True)] == ["agent", "a<b> & c"]
    assert "\nagent: Hello.\n" in srt(named)
    assert "<v a&lt;b&gt; &amp; c>Hi." in vtt(named)
