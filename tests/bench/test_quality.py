"""From a corpus to the report, with the engine whose words are made up."""

import json

import numpy as np
import pytest

from streamer.bench.builtin import builtin
from streamer.bench.labels import Labels
from streamer.bench.manifest import Corpus, Item, Sound
from streamer.bench.quality import Bench
from streamer.bench.replay import Pace
from streamer.bench.report import as_json, notes, table
from streamer.core.events import Final, Settings
from streamer.engine.scripted import Script, Scripted
from streamer.errors import MediaError
from tests.bench.test_replay import Loud, replay
from tests.driving import speech

SCRIPT = "." * 50 + "#" * 100 + "." * 60
KEYS = {
    "vad": ["precision", "recall", "f1", "cuts_per_min", "merges_per_min", "onset_clipped_ms_p95", "tail_clipped_ms_p95"],
    "endpoint_ms": ["p50", "p95"],
    "text": ["wer", "cer", "offline_wer", "offline_cer", "words"],
    "partials": ["first_ms_p50", "upwr", "upsr", "erasure"],
    "nonspeech": ["words_per_min", "minutes"],
    "tags": ["language", "emotion", "event"],
}


def bench(**more):
    return Bench(Scripted(more.pop("script", None)), Loud(), settings=Settings(), pace=more.pop("pace", Pace()), **more)


def item(name="a/b", script=SCRIPT, warning=None, **labels):
    return Item(name=name, labels=Labels(**labels), load=lambda: Sound(speech(script)[None], warning))


def report(result):
    return as_json(result, model="scripted", vad_judge="loud", command="streamer bench quality")


def test_the_report_has_exactly_its_keys_overall_and_per_file():
    made = report(bench().measure(Corpus((item(speech=((1000, 3000),), language="en", text="hello"), item("n", nonspeech=True)))))

    assert list(made["files"]) == ["a/b", "n"]
    for figures in (made["overall"], *made["files"].values()):
        assert {name: list(value) for name, value in figures.items()} == KEYS
    assert json.loads(json.dumps(made)) == made
    assert (made["model"], made["vad_judge"], made["command"]) == ("scripted", "loud", "streamer bench quality")


def test_figures_that_do_not_apply_are_null():
    made = report(bench().measure(Corpus((item("n", nonspeech=True),))))["overall"]

    assert set(made["vad"].values()) == {None}
    assert made["text"] == {"wer": None, "cer": None, "offline_wer": None, "offline_cer": None, "words": 0}
    assert made["endpoint_ms"] == {"p50": None, "p95": None}
    assert made["partials"] == {"first_ms_p50": None, "upwr": None, "upsr": None, "erasure": None}
    assert made["tags"] == {"language": None, "emotion": None, "event": None}


def test_a_marked_recording_is_measured_against_its_marks():
    figures = report(bench().measure(Corpus((item(speech=((1000, 3000),)),))))["overall"]

    assert figures["vad"] == {
        "precision": 1.0,
        "recall": 1.0,
        "f1": 1.0,
        "cuts_per_min": 0.0,
        "merges_per_min": 0.0,
        "onset_clipped_ms_p95": 0,
        "tail_clipped_ms_p95": 0,
    }
    assert figures["endpoint_ms"] == {"p50": 600.0, "p95": 600.0}
    assert figures["partials"]["first_ms_p50"] == 400.0


def test_words_without_speech_are_counted_per_minute():
    figures = report(bench().measure(Corpus((item(nonspeech=True),))))["overall"]["nonspeech"]

    assert figures["minutes"] == 0.07
    assert figures["words_per_min"] == pytest.approx(10 / (4.2 / 60), abs=0.01)  # 2.5 s of segment, a word each quarter


def test_streamed_text_and_the_whole_file_are_scored_against_the_same_words():
    [(_, final)] = replay(SCRIPT).of(Final)
    figures = report(bench().measure(Corpus((item(language="en", text=final.text),))))["overall"]["text"]

    assert (figures["wer"], figures["words"]) == (0.0, 10)
    assert figures["offline_wer"] > 0


def test_languages_that_the_model_does_not_claim_are_told_apart():
    made = report(bench().measure(Corpus((item("h", language="hi", text="namaste"), item("e", language="en", text="hello")))))

    assert made["overall"]["text"]["words"] == 1
    assert made["files"]["h"]["text"]["words"] == 1
    assert made["files"]["h"]["partials"]["upsr"] == 0.0  # no partials were asked for
    assert list(made["not_claimed"]) == ["hi"]


def test_tags_are_compared_where_they_are_labelled():
    corpus = Corpus(
        (
            item("1", language="en", text="a", emotion="neutral", events=frozenset({"speech"})),
            item("2", language="zh", text="一", emotion="happy", events=frozenset({"cry"})),
        )
    )
    tags = report(bench().measure(corpus))["overall"]["tags"]

    assert tags["language"] == {"n": 2, "accuracy": 0.5, "confusion": {"en": {"en": 1}, "zh": {"en": 1}}}
    assert tags["emotion"] == {"n": 2, "accuracy": 0.5, "confusion": {"happy": {"neutral": 1}, "neutral": {"neutral": 1}}}
    assert tags["event"]["accuracy"] == 0.5


def test_channels_that_are_apart_are_streamed_as_channels():
    one, other = speech(SCRIPT, seed=1), speech("." * 210)
    stereo = Item(name="s", labels=Labels(apart=True), load=lambda: Sound(np.stack([other, one])))
    result = bench().measure(Corpus((stereo,)))

    assert result.overall.stability.segments == 1
    assert report(result)["overall"]["text"]["words"] == 0


def test_a_recording_that_cannot_be_read_is_told_and_the_run_goes_on():
    def broken():
        raise MediaError("gone.wav does not exist")

    result = bench().measure(Corpus((Item(name="gone.wav", labels=Labels(), load=broken), item(warning="a/b is cut off")), {"x": "why"}))

    assert list(result.files) == ["a/b"]
    lines = list(notes(result, model="scripted"))
    assert lines[-3:] == ["skipped: x: why", "could not be read: gone.wav: gone.wav does not exist", "warning: a/b is cut off"]


def test_segments_that_failed_are_warnings():
    result = bench(script=Script(fails=lambda job: "too hard")).measure(Corpus((item(language="en", text="hello"),)))

    assert report(result)["overall"]["text"]["wer"] == 1.0
    assert "could not be transcribed: too hard" in result.warnings[0]


def test_the_table_has_a_column_per_folder_and_only_rows_that_say_something():
    result = bench().measure(Corpus((item("x/1", speech=((1000, 3000),)), item("y/1", nonspeech=True))))
    lines = list(table(result))

    assert lines[0].split() == ["x", "y", "all"]
    assert [line.split()[-3:] for line in lines if line.startswith("endpoint p50")] == [["600", "-", "600"]]
    assert not any(line.startswith(("WER", "CER")) for line in lines)


def test_two_runs_over_the_built_in_set_are_equal_and_find_the_speech():
    def run(**more):
        return report(bench(**more).measure(builtin(quick=True)))

    first = run()
    assert run() == first
    assert first["overall"]["text"]["words"] > 30
    assert 0 < first["overall"]["nonspeech"]["minutes"] < 0.5
    assert run(pace=Pace(telephone=True))["overall"]["text"]["words"] == first["overall"]["text"]["words"]


def test_ablation_is_in_the_report_when_asked_for():
    result = bench(with_ablation=True).measure(Corpus((item(speech=((1000, 3000),)),)))
    made = as_json(result, model="scripted", vad_judge="loud", command="", with_ablation=True)

    assert made["ablation"]["endpoint_to_final_ms"]["without"] == {"p50": 100.0, "p95": 100.0}
    assert any(line.startswith("speculative finals, without -> with") for line in notes(result, model="scripted", with_ablation=True))
    assert report(result)["ablation"] is None
