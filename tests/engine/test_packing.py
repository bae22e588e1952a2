"""Where each row of a packed batch comes from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.engine.ctc import PROMPT_ROWS
from streamer.engine.frontend import SHIFT, WINDOW, Layout, frame_count, row_count
from streamer.engine.packing import Capacity, lay_out, rows_of

LAYOUT = Layout()
LENGTHS = st.lists(st.one_of(st.integers(0, 2_000), st.integers(0, 60_000)), min_size=1, max_size=9)


def audio_of(lengths):
    """Samples that tell which utterance they are of, and where in it they lie."""
    return [((n + 1) * 3_000 + np.arange(length) % 2_999).astype(np.int16) for n, length in enumerate(lengths)]


def laid_out(lengths, spare):
    """A batch in a capacity with spare rows, whose memory held something else before."""
    audio = audio_of(lengths)
    capacity = Capacity(int(rows_of(audio, LAYOUT).sum()) + spare, LAYOUT)
    wave, numbers = np.full(capacity.samples, 77, np.int16), np.full(capacity.numbers, 77, np.int32)
    prompts = np.arange(len(audio) * PROMPT_ROWS).reshape(-1, PROMPT_ROWS)
    return audio, capacity, wave, capacity.tables(numbers), lay_out(audio, prompts, capacity, wave, numbers)


@given(LENGTHS, st.integers(0, 300))
def test_every_frame_of_an_utterance_hears_its_own_samples_and_silence_after_them(lengths, spare):
    audio, capacity, wave, ((begins, ends, first, last, _), _, _), batch = laid_out(lengths, spare)
    at = 0
    for samples, rows in zip(audio, batch.lengths, strict=True):
        assert (begins[at : at + rows] == at).all()
        assert (ends[at : at + rows] == at + rows).all()
        assert set(last[at : at + rows] - first[at : at + rows]) == {frame_count(len(samples)) - 1}
        heard = wave[first[at] * SHIFT : last[at] * SHIFT + WINDOW]
        own = samples[: len(heard)]
        assert (heard[: len(own)] == own).all()
        assert not heard[len(own) :].any()
        assert rows == PROMPT_ROWS + row_count(len(samples), LAYOUT)
        at += rows
    assert last[at - 1] * SHIFT + WINDOW <= batch.samples <= capacity.samples
    assert not ends[at:].any()


@given(LENGTHS, st.sampled_from([0, 7, 300, 2_048]))  # the last takes larger blocks
def test_blocks_of_attention_cover_each_row_once_and_never_two_utterances(lengths, spare):
    _, capacity, _, ((begins, ends, *_), blocks, _), batch = laid_out(lengths, spare)
    covered = []
    for first, begin, end in blocks:
        rows = range(first, min(first + capacity.queries, end))
        assert all((begins[row], ends[row]) == (begin, end) for row in rows)
        covered += rows
    assert covered == list(range(batch.lengths.sum()))


@given(LENGTHS, st.integers(0, 300))
def test_prompts_stand_before_each_utterance_and_their_rows_are_named(lengths, spare):
    audio, _, _, ((begins, _, _, _, prompts), _, named), batch = laid_out(lengths, spare)
    rows = named[: len(audio) * PROMPT_ROWS]
    assert list(prompts[rows]) == list(range(len(rows)))
    starts = np.cumsum(batch.lengths) - batch.lengths
    assert list(rows) == [start + n for start in starts for n in range(PROMPT_ROWS)]


def test_a_batch_larger_than_its_capacity_is_not_cut():
    audio = audio_of([16_000])
    capacity = Capacity(10, LAYOUT)
    with pytest.raises(ValueError):
        wave, numbers = np.zeros(capacity.samples, np.int16), np.zeros(capacity.numbers, np.int32)
        lay_out(audio, np.ones((1, PROMPT_ROWS), np.int64), capacity, wave, numbers)
