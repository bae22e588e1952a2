"""Segments and finals of one channel in; when quiet has lasted out. Positions are samples, 16 a millisecond."""

from streamer.core.events import Final, Word
from streamer.core.quiet import QuietWatch


def final(text="so", words=((100, 900),), end_ms=1_200):
    return Final(
        segment=0, revision=0, channel=0, text=text, raw_text=text, begin_ms=0, end_ms=end_ms,
        words=tuple(Word(text="so", begin_ms=begin, end_ms=end, confidence=None) for begin, end in words),
        language=None, emotion=None, events=(), itn=None, confidence=None, end_reason="endpoint", audio_end_ms=end_ms,
        queue_ms=0.0, decode_ms=0.0,
    )  # fmt: skip


def test_quiet_lasts_once_when_so_much_audio_has_passed_since_the_speech():
    watch = QuietWatch()
    watch.ended(16_000, 500)

    assert [watch.lasted(position) for position in (23_999, 24_000, 24_320)] == [0, 500, 0]


def test_a_segment_that_opens_ends_the_wait_and_the_next_one_begins_it_again():
    watch = QuietWatch()
    watch.ended(16_000, 500)
    watch.opened()
    assert (watch.due, watch.lasted(1_000_000)) == (None, 0)
    watch.ended(32_000, 600)

    assert (watch.due, watch.lasted(41_600)) == (41_600, 600)


def test_without_quiet_asked_for_nothing_is_awaited():
    watch = QuietWatch()
    watch.ended(16_000, 0)

    assert watch.due is None


def test_an_utterance_ends_with_its_last_word_and_is_told_of_once():
    watch = QuietWatch()
    watch.settled(final())

    assert [watch.take_utterance(), watch.take_utterance()] == [900, None]


def test_without_word_times_an_utterance_ends_with_its_segment():
    watch = QuietWatch()
    watch.settled(final(words=()))

    assert watch.take_utterance() == 1_200


def test_a_final_without_words_is_no_utterance_and_does_not_hide_the_one_before():
    watch = QuietWatch()
    watch.settled(final(text="", words=()))
    assert watch.take_utterance() is None
    watch.settled(final())
    watch.settled(final(text="", words=(), end_ms=5_000))

    assert watch.take_utterance() == 900
