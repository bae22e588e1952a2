"""The real SenseVoiceSmall's size, vocabulary, normalisation and configuration, with random weights: 234 million of them."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml

from streamer.core.events import SAMPLE_RATE
from streamer.engine.sensevoice import SenseVoice
from tests.engine import checkpoints
from tests.engine.reference import Upstream, excused

ASSETS = Path(__file__).parents[3] / "shared" / "data" / "sensevoice_assets"
NAMES = ("config.yaml", "configuration.json", "am.mvn", "chn_jpn_yue_eng_ko_spectok.bpe.model")

pytestmark = [
    pytest.mark.skipif(not ASSETS.is_dir(), reason=f"the real tokenizer and configuration are not at {ASSETS}"),
    pytest.mark.usefixtures("one_thread"),
]


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        shutil.copy(ASSETS / name, tmp_path)
    config = yaml.safe_load((ASSETS / "config.yaml").read_text())
    torch.save(checkpoints.weights(config, tmp_path / NAMES[-1], seed=0), tmp_path / "model.pt")
    yield tmp_path
    (tmp_path / "model.pt").unlink()  # 936 MB


def test_a_mixed_batch_gives_upstream_s_ids_and_the_real_tags(folder, speech, job_of, monkeypatch):
    wanted = (("en", True, 1.0), ("zh", False, 3.0), ("auto", True, 0.3), ("yue", True, 2.0), ("ja", False, 1.5), ("ko", True, 0.7))
    jobs = [job_of(speech[n * 50_000 :][: int(s * SAMPLE_RATE)], language=language, itn=itn) for n, (language, itn, s) in enumerate(wanted)]

    upstream = Upstream(folder)
    answers = [upstream.generate(job.samples, language=job.language, itn=job.itn) for job in jobs]
    del upstream  # two models and upstream's copies of one while it loads would be 4 GB

    engine = SenseVoice(folder, device="cpu")
    assert engine.info.name == "SenseVoiceSmall"
    assert engine.info.capabilities.languages == ("zh", "en", "yue", "ja", "ko")
    rows = engine.rows(jobs)
    assert rows[0].tags.shape == (4, 6 + 8 + 11 + 2)
    ties = sum(excused(answer, found) for answer, found in zip(answers, rows, strict=True))
    assert ties <= 2
    monkeypatch.setattr(engine, "rows", lambda jobs: rows)  # one forward pass of this size is enough
    for job, answer, hypothesis in zip(jobs, answers, engine.transcribe(jobs), strict=True):
        if not ties:
            assert hypothesis.raw_text == answer.text
        if job.language != "auto":
            itn = "withitn" if job.itn else "woitn"
            assert hypothesis.raw_text.startswith(f"<|{job.language}|><|NEUTRAL|><|Speech|><|{itn}|>")
            assert max(hypothesis.language, key=hypothesis.language.get) == job.language
        assert max(hypothesis.emotion, key=hypothesis.emotion.get) == "neutral"
        assert max(hypothesis.event, key=hypothesis.event.get) == "speech"
