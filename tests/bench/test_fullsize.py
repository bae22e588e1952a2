"""The checkpoint of the full size that is made from a seed: every engine reads it, and all say the same."""

import numpy as np
import pytest
import sentencepiece

from streamer.__main__ import main
from streamer.bench import fullsize, pieces
from streamer.core.events import SAMPLE_RATE, Job, JobKind
from streamer.engine.onnx import OnnxSenseVoice
from streamer.engine.sensevoice import SenseVoice
from tests.engine.reference import Upstream, excused


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = fullsize.build(tmp_path_factory.mktemp("models") / "full")
    yield made
    (made / "model.pt").unlink()  # 937 MB


def job(samples, language):
    return Job(session="", channel=0, segment=0, kind=JobKind.FINAL, begin=0, end=len(samples), samples=samples, language=language)


def test_upstream_and_both_of_our_engines_read_it_and_agree(folder, two_cities_16k):
    wanted = ((2.0, "auto"), (1.0, "zh"), (3.0, "en"))
    jobs = [job(two_cities_16k[n * 60_000 :][: int(s * SAMPLE_RATE)], language) for n, (s, language) in enumerate(wanted)]
    upstream = Upstream(folder)
    answers = [upstream.generate(job.samples, language=job.language, itn=job.itn) for job in jobs]
    del upstream  # each is a gigabyte
    for load in (lambda: SenseVoice(folder, device="cpu"), lambda: OnnxSenseVoice(folder, threads=1)):
        engine = load()
        assert engine.info.name == "SenseVoiceSmall"
        rows = engine.rows(jobs)
        assert sum(excused(answer, found) for answer, found in zip(answers, rows, strict=True)) <= 1
        assert [found.raw_text for found in engine.transcribe(jobs)] == [answer.text for answer in answers]
        assert answers[2].text.startswith("<|en|><|NEUTRAL|><|Speech|><|withitn|>")
        del engine
    ids = np.concatenate([found.ids for found in rows])
    assert 0.3 < (ids == 0).mean() < 0.5
    assert len(set(ids)) > len(ids) / 3, "rows that all say the same would be a network that has collapsed"
    assert np.median(np.concatenate([found.p for found in rows])) > 0.5


def test_the_vocabulary_is_distinct_and_has_the_tags_where_upstream_has_them():
    found = pieces.pieces()
    assert len(found) == len(set(found)) == 25_055
    assert [found[id] for id in (0, 24_885, 25_004, 24_993, 25_016)] == ["<unk>", "<|en|>", "<|NEUTRAL|>", "<|Speech|>", "<|withitn|>"]
    reader = sentencepiece.SentencePieceProcessor(model_proto=pieces.tokenizer())
    assert reader.decode([24_885, 3, 24_000]) == "<|en|>一" + found[24_000]
    assert reader.encode("<|en|>一" + found[24_000]) == [24_885, 3, 24_000], "times come from the text's tokens"


def test_the_same_seed_gives_the_same_weights():
    first, again, other = (next(fullsize.arrays(np.random.default_rng(seed)))[1] for seed in (1, 1, 2))
    assert (first == again).all()
    assert not (first == other).all()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, capsys):
    (tmp_path / "model.pt").write_text("mine")
    assert main(["bench", "weights", str(tmp_path)]) == 1
    assert "which has something in it; expected an empty folder or a new one" in capsys.readouterr().err
