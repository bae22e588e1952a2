"""Reading a checkpoint folder: what upstream accepts is accepted, and what is wrong with a folder is said in a sentence."""

import json
import logging
import shutil
from collections import OrderedDict

import pytest
import torch
import yaml

from streamer.engine.checkpoint import load
from streamer.engine.sensevoice import SenseVoice
from streamer.errors import ModelCorrupt, ModelNotFound

CPU = torch.device("cpu")


@pytest.fixture
def copy(checkpoint, tmp_path):
    """The miniature's folder, to be spoiled."""
    return shutil.copytree(checkpoint, tmp_path / "copy")


def change_config(folder, **changes):
    config = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump(config | changes))


def test_a_checkpoint_is_float32_in_evaluation_mode_and_learns_nothing(checkpoint):
    model = load(checkpoint, CPU).model
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert {parameter.device.type for parameter in model.parameters()} == {"cpu"}


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda state: {"state_dict": state}, id="state_dict"),
        pytest.param(lambda state: {"model": state, "epoch": 3}, id="model"),
        pytest.param(lambda state: OrderedDict((key, value.half()) for key, value in state.items()), id="half precision"),
        pytest.param(lambda state: state | {"left.over": torch.zeros(1)}, id="one more"),
    ],
)
def test_weights_as_training_leaves_them_are_read(copy, checkpoint, wrap):
    state = torch.load(checkpoint / "model.pt", weights_only=True)
    torch.save(wrap(state), copy / "model.pt")
    found = load(copy, CPU).model.state_dict()
    assert all(torch.allclose(found[key], value, atol=1e-2) for key, value in state.items())


def test_without_configuration_json_the_files_have_upstream_s_usual_names(copy):
    (copy / "configuration.json").unlink()
    assert load(copy, CPU).vocabulary.languages


def test_files_may_have_other_names_but_lie_in_the_folder(copy):
    (copy / "bpe.model").rename(copy / "words.model")
    metas = {"init_param": "model.pt", "tokenizer_conf": {"bpemodel": "../../words.model"}, "frontend_conf": {"cmvn_file": "am.mvn"}}
    (copy / "configuration.json").write_text(json.dumps({"file_path_metas": metas}))
    assert load(copy, CPU).vocabulary.languages


def test_only_the_full_size_is_called_sensevoicesmall(copy):
    assert load(copy, CPU).name == "copy"


@pytest.mark.parametrize("name", ["config.yaml", "model.pt", "am.mvn", "bpe.model"])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(ModelNotFound, match=rf"copy has no {name}; found "):
        load(copy, CPU)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ModelNotFound, match=r"gone is not a folder; expected one with config\.yaml and model\.pt\."):
        load(tmp_path / "gone", CPU)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("config.yaml", "model: [", r"config\.yaml cannot be read"),
        ("config.yaml", "- a list", r"config\.yaml holds no settings"),
        ("configuration.json", "{}", r"configuration\.json does not say what the model's files are called"),
        ("configuration.json", "nonsense", r"configuration\.json does not say what the model's files are called"),
        ("am.mvn", "<Nnet>\n", r"am\.mvn cannot be read as means and variances"),
        ("am.mvn", "<AddShift> [ 1 two ] <Rescale> [ ]", r"am\.mvn cannot be read as means and variances"),
        ("am.mvn", "<AddShift> [ 1 2 ] <Rescale> [ ]", r"am\.mvn has 2 means and 0 variances, expected 560 of each"),
        ("model.pt", "", r"model\.pt \(0 bytes\) cannot be read as weights"),
        ("model.pt", "<html>not found</html>", r"model\.pt \(22 bytes\) cannot be read as weights"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(copy, name, content, sentence):
    (copy / name).write_text(content)
    with pytest.raises(ModelCorrupt, match=sentence):
        load(copy, CPU)


def test_half_a_download_is_corrupt(copy):
    whole = (copy / "model.pt").read_bytes()
    (copy / "model.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelCorrupt, match=r"model\.pt \(\d+ bytes\) cannot be read as weights"):
        load(copy, CPU)


class Bomb:
    """What a pickle that runs code looks like."""

    def __reduce__(self):
        return (open, ("/dev/null",))


def test_weights_that_would_run_code_are_refused(copy):
    torch.save({"embed.weight": Bomb()}, copy / "model.pt")
    with pytest.raises(ModelCorrupt, match="cannot be read as weights"):
        load(copy, CPU)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": "Paraformer"}, r"model is 'Paraformer', expected 'SenseVoiceSmall'; this is another kind of model"),
        ({"frontend": "WhisperFrontend"}, r"frontend is 'WhisperFrontend', expected 'WavFrontend'"),
        ({"encoder_conf": None}, r"encoder_conf is missing"),
        ({"encoder_conf": {"output_size": 63, "attention_heads": 4}}, r"describes no model that can be built"),
        ({"encoder_conf": {"output_size": "many"}}, r"describes no model that can be built"),
        ({"encoder_conf": {"output_size": 32}}, r"model\.pt: .* is \(.*\), expected \(.*\); it does not fit its config\.yaml"),
        ({"encoder_conf": {"output_size": 64, "linear_units": 128, "num_blocks": 9}}, r"model\.pt: .* is absent, expected \(.*\)"),
        ({"frontend_conf": {"fs": 8000}}, r"frontend_conf\.fs is 8000, expected 16000"),
        ({"frontend_conf": {"window": "povey"}}, r"frontend_conf\.window is 'povey', expected 'hamming'"),
    ],
)
def test_a_configuration_that_does_not_fit_is_named(copy, changes, sentence):
    change_config(copy, **changes)
    with pytest.raises(ModelCorrupt, match=sentence):
        load(copy, CPU)


def test_weights_of_one_tensor_alone_are_corrupt(copy):
    torch.save(torch.zeros(3), copy / "model.pt")
    with pytest.raises(ModelCorrupt, match="is absent, expected"):
        load(copy, CPU)


def test_loading_prints_nothing_and_leaves_the_root_logger_alone(checkpoint, capsys):
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    SenseVoice(checkpoint, device="cpu")
    assert (root.handlers, root.level) == before
    assert capsys.readouterr().out == ""
