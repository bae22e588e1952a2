"""The engine for CPUs: upstream's ids from the same weights, without torch; int8; exported files, our own and upstream's."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import streamer.engine
from streamer.core.events import LANGUAGES, SAMPLE_RATE, Failed, Hypothesis
from streamer.engine import onnx
from streamer.engine.checkpoint import load
from streamer.engine.export import export
from streamer.engine.graph import LEVELS_ANYWHERE
from streamer.engine.onnx import OnnxSenseVoice
from streamer.engine.sensevoice import SenseVoice
from streamer.errors import ConfigurationError, ModelCorrupt, ModelNotFound
from tests.engine.reference import Upstream, excused

pytestmark = pytest.mark.usefixtures("one_thread")

TRAINED = Path(streamer.engine.__file__).parent / "miniature"
SECONDS = (0.3, 0.7, 1.0, 1.9, 3.0, 4.4, 6.0, 8.5, 12.0)
MAX_EXCUSED = 3
INT8_AGREEMENT = {"random": 0.97, "trained": 0.99}
"""Of ids, on real speech. Random weights are as unsure as can be, and the worst case."""


@pytest.fixture(scope="module")
def clips(speech):
    """Speech of every length, noise and silence."""
    cut = [speech[int(n * 33_333) :][: int(seconds * SAMPLE_RATE)] for n, seconds in enumerate(SECONDS)]
    return [*cut, np.random.default_rng(0).integers(-8_000, 8_000, 20_000, np.int16), np.zeros(9_000, np.int16)]


@pytest.fixture(scope="module")
def jobs(clips, job_of):
    """Every clip in two languages and one ITN setting each, so that all of them occur."""
    wanted = [(language, n % 2 == 0) for n, language in enumerate(LANGUAGES)]
    return [
        job_of(clip, language=language, itn=itn)
        for n, clip in enumerate(clips)
        for language, itn in (wanted[n % len(wanted)], wanted[(n + 3) % len(wanted)])
    ]


@pytest.fixture(scope="module", params=["random", "trained"])
def folder(request, checkpoint):
    return checkpoint if request.param == "random" else TRAINED


@pytest.fixture(scope="module")
def ours(checkpoint):
    return OnnxSenseVoice(checkpoint, threads=1)


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory):
    """The random miniature in both of our formats, in one folder."""
    output = tmp_path_factory.mktemp("exported")
    return export(checkpoint, output, int8=False), export(checkpoint, output, int8=True)


def same_ids(some, others):
    return all((one.ids == other.ids).all() for one, other in zip(some, others, strict=True))


def test_one_batch_of_mixed_lengths_languages_and_itn_gives_upstream_s_ids_and_text(folder, jobs):
    engine, upstream = OnnxSenseVoice(folder, threads=1), Upstream(folder)
    rows, hypotheses = engine.rows(jobs), engine.transcribe(jobs)
    ties = total = 0
    for job, found, hypothesis in zip(jobs, rows, hypotheses, strict=True):
        answer = upstream.generate(job.samples, language=job.language, itn=job.itn)
        differing = excused(answer, found)
        assert isinstance(hypothesis, Hypothesis)
        assert differing or hypothesis.raw_text == answer.text
        ties, total = ties + differing, total + len(found.ids)
    assert ties <= MAX_EXCUSED
    assert total > 1_000


def test_hypotheses_are_those_of_the_torch_engine(ours, engine, jobs):
    for found, wanted in zip(ours.transcribe(jobs), engine.transcribe(jobs), strict=True):
        assert [replace(token, p=None) for token in found.tokens] == [replace(token, p=None) for token in wanted.tokens]
        assert [token.p for token in found.tokens] == pytest.approx([token.p for token in wanted.tokens], abs=1e-4)
        for scores in ("language", "emotion", "event", "itn"):
            assert getattr(found, scores) == pytest.approx(getattr(wanted, scores), abs=1e-4)


@pytest.mark.parametrize("int8", [False, True])
def test_what_else_is_in_a_batch_never_changes_an_answer(checkpoint, jobs, int8):
    engine = OnnxSenseVoice(checkpoint, int8=int8, threads=1)
    together = engine.rows(jobs)
    assert same_ids(together, [engine.rows([job])[0] for job in jobs])


def test_int8_agrees_on_nearly_every_id(request, folder, jobs):
    wanted = SenseVoice(folder, device="cpu").rows(jobs)
    found = OnnxSenseVoice(folder, int8=True, threads=1).rows(jobs)
    agreeing = np.concatenate([one.ids == other.ids for one, other in zip(wanted, found, strict=True)])
    assert INT8_AGREEMENT["trained" if folder == TRAINED else "random"] < agreeing.mean() < 1


def test_the_prompts_are_upstream_s(checkpoint):
    from streamer.engine.rows import ITN_PROMPTS, LANGUAGE_PROMPTS

    model = load(checkpoint, torch.device("cpu")).model
    assert LANGUAGE_PROMPTS == model.lid_dict
    assert {True: model.textnorm_dict["withitn"], False: model.textnorm_dict["woitn"]} == ITN_PROMPTS


def test_an_export_gives_the_same_ids_and_needs_no_checkpoint(exported, ours, checkpoint, jobs, monkeypatch):
    monkeypatch.setattr(onnx, "own_levels", lambda: LEVELS_ANYWHERE)  # a file goes to any machine
    single, whole = OnnxSenseVoice(exported[1], threads=1), OnnxSenseVoice(exported[0], threads=1)
    assert sorted(path.name for path in exported[0].parent.iterdir()) == [
        "am.mvn",
        "bpe.model",
        "config.yaml",
        "model.onnx",
        "model.onnx.data",
        "model_int8.onnx",
        "model_int8.onnx.data",
    ]
    assert same_ids(whole.rows(jobs), ours.rows(jobs))
    assert same_ids(single.rows(jobs), OnnxSenseVoice(checkpoint, int8=True, threads=1).rows(jobs))
    small, large = ((path.with_name(f"{path.name}.data")).stat().st_size for path in (exported[1], exported[0]))
    assert small < 0.4 * large  # in a miniature the kernels of the memory, which stay in float32, are many


def test_what_it_is_and_can_do(ours, engine, exported):
    assert ours.info == engine.info
    assert ours.batch_limits == engine.batch_limits
    int8 = OnnxSenseVoice(exported[1], notice="Exported.")
    assert (int8.info.name, int8.info.device, int8.info.notice) == (f"{exported[1].parent.name} int8", "cpu", "Exported.")
    assert int8.batch_limits.max_items == 1
    assert int8.batch_limits.buckets_s[-1] >= 30.0


def test_an_export_into_the_checkpoint_s_own_folder_lies_beside_it(checkpoint, tmp_path, ours, jobs):
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    path = export(copy, copy, int8=False)
    assert path == copy / "model.onnx"
    assert same_ids(OnnxSenseVoice(path, threads=1).rows(jobs[:3]), ours.rows(jobs[:3]))


def test_an_export_that_cannot_be_written_says_so(checkpoint, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"file cannot be written \(File exists\); choose another folder with --output"):
        export(checkpoint, tmp_path / "file", int8=False)


@pytest.fixture(scope="module")
def published(checkpoint, tmp_path_factory):
    """The miniature as upstream publishes it: exported by its own class, with its names of inputs and outputs."""
    from funasr.models.sense_voice.export_meta import export_rebuild_model

    folder = tmp_path_factory.mktemp("published")
    for name in ("config.yaml", "am.mvn"):
        shutil.copy(checkpoint / name, folder)
    shutil.copy(checkpoint / "bpe.model", folder / "chn_jpn_yue_eng_ko_spectok.bpe.model")
    model = export_rebuild_model(load(checkpoint, torch.device("cpu")).model, max_seq_len=512, device="cpu")
    torch.onnx.export(
        model,
        model.export_dummy_inputs(),
        str(folder / "model.onnx"),
        input_names=model.export_input_names(),
        output_names=model.export_output_names(),
        dynamic_axes=model.export_dynamic_axes(),
        opset_version=14,
        dynamo=False,
    )
    return folder / "model.onnx"


@pytest.mark.filterwarnings("ignore")  # torch's: this way of export is the one that upstream uses
def test_the_files_that_upstream_publishes_give_the_same_answers(published, ours, jobs):
    engine = OnnxSenseVoice(published, threads=1)
    for found, wanted in zip(engine.rows(jobs), ours.rows(jobs), strict=True):
        assert (found.ids == wanted.ids).all()
        assert found.p == pytest.approx(wanted.p, abs=1e-4)
        assert found.tags == pytest.approx(wanted.tags, abs=1e-3)


@pytest.mark.filterwarnings("ignore")
def test_upstream_s_quantised_file_is_given_one_item_at_a_time(published):
    quantised = shutil.copy(published, published.with_name("model_quant.onnx"))
    assert OnnxSenseVoice(Path(quantised)).batch_limits.max_items == 1


def test_warm_up_runs_every_bucket(checkpoint):
    engine = OnnxSenseVoice(checkpoint)
    assert [(batch, seconds) for batch, seconds, _ in engine.warm_up().forwards][:4] == [(1, 1.0), (4, 1.0), (1, 2.0), (4, 2.0)]
    engine.close()


def test_damaged_weights_fail_the_item_in_a_sentence(checkpoint, tmp_path, job_of, clips):
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    state = torch.load(copy / "model.pt", weights_only=True)
    state["ctc.ctc_lo.bias"][5] = float("nan")
    torch.save(state, copy / "model.pt")
    (answer,) = OnnxSenseVoice(copy).transcribe([job_of(clips[2])])
    assert isinstance(answer, Failed)
    assert answer.reason.startswith("The model gave scores that are no numbers for 1.00 s of audio")
    assert OnnxSenseVoice(copy).transcribe([]) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"output_size": 63, "attention_heads": 4}, r"describes no model that can be built"),
        ({"output_size": "many"}, r"describes no model that can be built"),
        ({"normalize_before": False}, r"describes no model that can be built"),
        ({"output_size": 32}, r"model\.pt: .* is \(.*\), expected \(.*\); it does not fit its config\.yaml"),
        ({"num_blocks": 9}, r"model\.pt: encoder\.encoders\.2\.norm1\.weight is absent, expected \(64,\)"),
    ],
)
def test_a_configuration_that_does_not_fit_is_named(checkpoint, tmp_path, changes, sentence):
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["encoder_conf"] |= changes
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ModelCorrupt, match=sentence):
        OnnxSenseVoice(copy)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"])
def test_weights_that_cannot_be_read_are_named(checkpoint, tmp_path, content):
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    (copy / "model.pt").write_bytes(content)
    with pytest.raises(ModelCorrupt, match=r"model\.pt \(\d+ bytes\) cannot be read as weights"):
        OnnxSenseVoice(copy)
    (copy / "model.onnx").write_bytes(content)
    with pytest.raises(ModelCorrupt, match=r"model\.onnx cannot be read as an ONNX model"):
        OnnxSenseVoice(copy / "model.onnx")
    with pytest.raises(ModelNotFound, match=r"copy has no model_int8\.onnx; found "):
        OnnxSenseVoice(copy / "model_int8.onnx")


def test_another_kind_of_model_is_named(checkpoint, tmp_path):
    from onnx import TensorProto, helper

    given, found = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("sound", "words"))
    graph = helper.make_graph([helper.make_node("Relu", ["sound"], ["words"])], "other", [given], [found])
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (copy / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelCorrupt, match=r"model\.onnx takes sound, expected features, lengths, prompts: it is another kind of model"):
        OnnxSenseVoice(copy / "model.onnx")


def test_an_export_without_a_tag_that_the_tokenizer_has_is_refused(exported, tmp_path):
    import onnx

    copy = shutil.copytree(exported[0].parent, tmp_path / "copy")
    model = onnx.load(copy / "model.onnx", load_external_data=False)
    model.metadata_props[0].value = "1 2 3"
    (copy / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelCorrupt, match="does not give all the tags that its tokenizer has: make it anew with `streamer models export`"):
        OnnxSenseVoice(copy / "model.onnx")


WITHOUT_TORCH = """
import sys
from pathlib import Path
import numpy as np
from streamer.core.events import Job, JobKind
from streamer.engine.load import load_engine
from streamer.engine.models import Found, Kind
job = Job(session="", channel=0, segment=0, kind=JobKind.FINAL, begin=0, end=9000, samples=np.zeros(9000, np.int16))
for kind, path in zip(Kind, sys.argv[1:]):
    assert load_engine(Found(kind, Path(path), ""), "cpu").transcribe([job])[0].raw_text
print(kind, [name for name in ("torch", "funasr", "moonshine_voice") if name in sys.modules])
"""


def test_neither_torch_nor_funasr_is_loaded(checkpoint, exported):
    command = [sys.executable, "-c", WITHOUT_TORCH, str(checkpoint), str(checkpoint), str(exported[1])]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert found.stdout.strip() == "onnx []"
