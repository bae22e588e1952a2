"""Flicker, counted by hand."""

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.bench.replay import Recording
from streamer.bench.stability import StabilityTally, common_subsequence, first_partials, flicker, texts_of
from streamer.core.events import SpeechEnded, SpeechStarted
from tests.bench.messages import final, partial


def test_text_that_only_grows_does_not_flicker():
    assert flicker([["i", "i saw", "i saw it"]]).figures() == {"first_ms_p50": None, "upwr": 0.0, "upsr": 0.0, "erasure": 0.0}


def test_a_changed_word_is_unstable_and_what_follows_it_is_erased():
    tally = flicker([["eye saw it", "I saw it", "I saw it now"]])

    assert (tally.unstable, tally.revisions, tally.segments, tally.words) == (1, 1, 1, 4)
    assert (tally.erased, tally.tokens) == (3, 4)


def test_an_inserted_word_is_no_unstable_one_but_the_rest_is_written_anew():
    tally = flicker([["we saw it", "so we saw it"]])

    assert (tally.unstable, tally.erased) == (0, 3)


def test_case_and_marks_flicker_for_the_eye_alone():
    tally = flicker([["it was", "It was."]])

    assert (tally.unstable, tally.erased) == (0, 2)


def test_characters_are_the_tokens_where_there_are_no_spaces():
    tally = flicker([["今天天", "今天太阳"]])

    assert (tally.unstable, tally.words, tally.erased, tally.tokens) == (1, 4, 1, 4)


def test_partials_whose_final_is_empty_were_all_unstable():
    tally = flicker([["you", ""], ["", ""]])

    assert (tally.unstable, tally.words, tally.segments) == (1, 0, 1)


def test_figures_pool_over_segments():
    assert flicker({0: ["a b", "a c d"], 1: ["e"]}).figures() == {"first_ms_p50": None, "upwr": 0.25, "upsr": 0.5, "erasure": 0.25}


texts = st.lists(st.lists(st.sampled_from("abc"), max_size=6).map(" ".join), min_size=1, max_size=6)


@settings(deadline=None)
@given(texts)
def test_no_step_loses_more_than_was_shown(shown):
    tally = flicker([shown])

    assert 0 <= tally.unstable <= tally.erased <= sum(len(text.split()) for text in shown[:-1])
    assert tally.revisions <= len(shown) - 1


@settings(deadline=None)
@given(st.text("abc", max_size=9), st.text("abc", max_size=9))
def test_the_common_subsequence_is_symmetric_and_no_longer_than_either(one, other):
    assert common_subsequence(one, other) == common_subsequence(other, one) <= min(len(one), len(other))
    assert common_subsequence(one, one) == len(one)


def session(*messages):
    made = Recording(duration_ms=10_000, frame_ms=20)
    made.messages = list(messages)
    return made


def test_texts_of_a_segment_end_with_its_final_and_failed_segments_are_left_out():
    made = session((1, partial("a")), (2, partial("b c", stable="a ")), (3, final("a b c")), (4, partial("x", segment=1)))

    assert texts_of(made) == {0: ["a", "a b c", "a b c"]}


def test_the_first_partial_counts_from_the_marked_begin_of_the_utterance():
    made = session(
        (1300, SpeechStarted(segment=0, channel=0, begin_ms=800)),
        (1500, partial("...", audio_end_ms=1400)),
        (1700, partial("hello", audio_end_ms=1600)),
        (2900, SpeechEnded(segment=0, channel=0, end_ms=2200, reason="endpoint")),
    )

    assert first_partials(made, ((1000, 2000),)) == (700.0,)
    assert first_partials(made, ()) == ()


def test_noise_before_the_utterance_is_not_its_first_partial():
    made = session(
        (100, SpeechStarted(segment=0, channel=0, begin_ms=0)),
        (500, partial("you", audio_end_ms=400)),
        (1400, partial("hello", audio_end_ms=1300)),
        (2900, SpeechEnded(segment=0, channel=0, end_ms=2200, reason="endpoint")),
    )

    assert first_partials(made, ((1000, 2000),)) == (400.0,)


def test_a_segment_that_goes_on_with_an_utterance_has_no_first_partial():
    made = session(
        (1000, SpeechStarted(segment=0, channel=0, begin_ms=1000)),
        (2000, SpeechEnded(segment=0, channel=0, end_ms=2000, reason="max_length")),
        (2000, SpeechStarted(segment=1, channel=0, begin_ms=2000)),
        (2300, partial("on", segment=1, audio_end_ms=2200)),
        (4900, SpeechEnded(segment=1, channel=0, end_ms=4200, reason="endpoint")),
    )

    assert first_partials(made, ((1000, 4000),)) == ()


def test_counts_add_up():
    assert StabilityTally(words=1, firsts=(3.0,)) + StabilityTally(words=2, firsts=(5.0,)) == StabilityTally(words=3, firsts=(3.0, 5.0))
