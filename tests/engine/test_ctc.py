"""From rows to tokens, times and scores, in literal values."""

import numpy as np
import pytest

from streamer.engine.ctc import Run, collapse, label_scores, span, text_of


def rows(*pairs):
    ids, p = zip(*pairs, strict=True)
    return np.array(ids), np.array(p, np.float32)


def test_equal_neighbours_are_one_run_with_the_probability_of_its_surest_row():
    assert collapse(*rows((7, 0.5), (7, 0.75), (0, 1.0), (7, 0.25))) == [
        Run(id=7, begin=0, end=2, p=0.75),
        Run(id=7, begin=3, end=4, p=0.25),
    ]


def test_blanks_are_left_out():
    assert collapse(*rows((0, 1.0), (0, 1.0))) == []
    assert collapse(np.array([], np.int64), np.array([], np.float32)) == []


def test_text_begins_after_the_four_prompt_rows():
    runs = collapse(*rows((24, 0.5), (25, 0.5), (26, 0.5), (27, 0.5), (0, 0.5), (9, 0.5)))
    assert [run.id for run in text_of(runs)] == [9]


def test_a_prompt_row_that_goes_on_into_the_text_stays_a_prompt():
    runs = collapse(*rows((24, 0.5), (25, 0.5), (26, 0.5), (27, 0.5), (27, 0.5), (9, 0.5)))
    assert [run.id for run in runs] == [24, 25, 26, 27, 9]
    assert [run.id for run in text_of(runs)] == [9]


@pytest.mark.parametrize(
    ("begin", "end", "samples"),
    [
        (4, 5, (0, 480)),  # 0 to 30 ms: the first row's own beginning would lie before the audio
        (5, 6, (480, 1_440)),  # 30 to 90 ms
        (14, 17, (9_120, 12_000)),  # 570 to 750 ms
    ],
)
def test_a_row_stands_for_the_60_ms_around_its_beginning(begin, end, samples):
    assert span(Run(id=1, begin=begin, end=end, p=1.0)) == samples


def test_labels_share_one_among_themselves():
    scores = label_scores(np.log(np.array([3.0, 1.0, 4.0], np.float32)), ["zh", "en", "ja"])
    assert scores == pytest.approx({"zh": 0.375, "en": 0.125, "ja": 0.5})
    assert sum(scores.values()) == pytest.approx(1.0)


def test_logits_of_any_size_give_scores():
    assert label_scores(np.array([1e4, -1e4], np.float32), ["a", "b"]) == {"a": 1.0, "b": 0.0}
