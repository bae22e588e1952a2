"""The forms in which people write down where speech is."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.bench.spans import from_alignments, from_label, from_rttm, joined


def test_triples_after_a_name_are_seconds_and_only_speech_counts():
    label = "testset-audio-12,0.000,0.500,0,0.500,1.183,1,1.183,1.500,0,1.500,2.914,1"

    assert from_label(label, milliseconds=False) == ((500, 1183), (1500, 2914))


@pytest.mark.parametrize("label", ["0 0.5 0 0.5 1.183 1", "0;0.5;0;0.5;1.183;1", "[[0,0.5,0],[0.5,1.183,1]]"])
def test_separators_and_brackets_do_not_matter(label):
    assert from_label(label, milliseconds=False) == ((500, 1183),)


@pytest.mark.parametrize(
    "label",
    ["[[70,2340],[2620,6200]]", '{"speech": [[70,2340],[2620,6200]]}', '[{"start": 70, "end": 2340}, {"start": 2620, "end": 6200}]'],
)
def test_json_pairs_in_milliseconds(label):
    assert from_label(label, milliseconds=True) == ((70, 2340), (2620, 6200))


@pytest.mark.parametrize(
    "label", ["", "name only", "0.0,1.0", "name,0.0,x,1", "[[1,2", "[[1]]", '[["a","b"]]', "[null]", "{}", "[[0, NaN]]", "7"]
)
def test_what_is_neither_is_none(label):
    assert from_label(label, milliseconds=False) is None


def test_no_speech_at_all_is_a_label_too():
    assert from_label("[]", milliseconds=True) == ()
    assert from_label("0,5,0", milliseconds=False) == ()


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 5000)), max_size=12), st.integers(0, 300))
def test_joined_spans_are_in_order_apart_and_cover_the_same(spans, gap):
    out = joined(spans, gap)

    assert all(begin < end for begin, end in out)
    assert all(after[0] - before[1] > gap for before, after in zip(out, out[1:], strict=False))
    assert all(any(b <= begin and end <= e for b, e in out) for begin, end in spans if begin < end)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 500)), max_size=9))
def test_json_round_trip(pairs):
    spans = joined((begin, begin + length) for begin, length in pairs)

    assert from_label(json.dumps([list(span) for span in spans]), milliseconds=True) == spans


RTTM = """SPEAKER trn01 1 2.977 0.391 <NA> <NA> A <NA> <NA>
SPEAKER trn01 1 3.000 1.000 <NA> <NA> B <NA> <NA>
SPEAKER trn02 1 0.500 0.250 <NA> <NA> A <NA> <NA>
SPKR-INFO trn02 1 <NA> <NA> <NA> unknown A <NA> <NA>
"""


def test_turns_of_all_speakers_are_one_and_the_name_may_end_the_files_own(tmp_path):
    (tmp_path / "meeting").mkdir()
    (tmp_path / "meeting" / "all.rttm").write_text(RTTM)
    audio = tmp_path / "meeting" / "pyannote_trn01.wav"

    assert from_rttm("see meeting/*.rttm", audio, tmp_path) == ((2977, 4000),)
    assert from_rttm("two speakers", audio.with_name("x_trn02.wav"), tmp_path) == ((500, 750),)
    assert from_rttm("see meeting/*.rttm", audio.with_name("other.wav"), tmp_path) is None
    assert from_rttm("see nothing/*.rttm", audio.with_name("notrn02.wav"), tmp_path) is None


def test_an_rttm_of_the_recordings_own_name_needs_no_name_in_it(tmp_path):
    (tmp_path / "call.rttm").write_text("SPEAKER file1 1 1.0 0.5 <NA> <NA> A <NA> <NA>\n")

    assert from_rttm("turns", tmp_path / "call.wav", tmp_path) == ((1000, 1500),)


def test_words_of_an_alignment_are_spans_and_empty_words_are_silence(tmp_path):
    (tmp_path / "a.alignment.txt").write_text('12-34-0001 ",SO,THIS,,END," "0.300,0.760,1.140,1.300,1.540,2.070"\nbroken line\n')

    assert from_alignments(tmp_path / "librispeech_12-34-0001.flac") == ((300, 1140), (1300, 1540))
    assert from_alignments(tmp_path / "librispeech_12-34-0002.flac") is None


@pytest.mark.parametrize(
    ("label", "spans"),
    [
        ("[[70,2340],[2620,6200]]", ((70, 2340), (2620, 6200))),
        ("0,500,0,500,1200,1", ((500, 1200),)),
        ("[[1, 2], [3, 60]]", ((1000, 2000), (3000, 60_000))),
        ("[[0.5, 1200.0]]", ((500, 1_200_000),)),
    ],
)
def test_whole_numbers_in_the_thousands_are_milliseconds_though_nobody_says_so(label, spans):
    assert from_label(label, milliseconds=False) == spans
