"""Which engine runs which weights where, and what is said when none can."""

import shutil
from pathlib import Path

import pytest

from streamer.engine import load as loading
from streamer.engine.export import export
from streamer.engine.load import load_engine
from streamer.engine.models import Found, Kind, Models, ModelSettings
from streamer.engine.onnx import OnnxSenseVoice
from streamer.engine.sensevoice import SenseVoice
from streamer.errors import ConfigurationError, ModelNotFound

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def only(monkeypatch):
    """As if no other packages than these were installed."""

    def install(*names):
        monkeypatch.setattr(loading, "installed", lambda *wanted: set(wanted) <= set(names))

    return install


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_a_cpu_runs_a_checkpoint_on_onnx_runtime(checkpoint, device, monkeypatch):
    monkeypatch.setattr(loading, "means_cpu", lambda name: True)
    engine = load_engine(Found(Kind.SENSEVOICE, checkpoint, "here", "Hear, hear."), device)
    assert isinstance(engine, OnnxSenseVoice)
    assert (engine.info.name, engine.info.notice) == ("miniature", "Hear, hear.")


def test_int8_is_asked_for_by_its_name(checkpoint):
    engine = load_engine(Found(Kind.SENSEVOICE_INT8, checkpoint, "here"), "auto")
    assert (engine.info.name, engine.batch_limits.max_items) == ("miniature int8", 1)


@pytest.mark.parametrize("lacking", ["onnx", "onnxruntime"])
def test_without_onnx_runtime_torch_runs_it(checkpoint, only, lacking):
    only(*{"torch", "funasr", "onnx", "onnxruntime"} - {lacking})
    assert isinstance(load_engine(Found(Kind.SENSEVOICE, checkpoint, "here", "Hear."), "cpu"), SenseVoice)


@pytest.mark.parametrize(
    ("kind", "device", "extra"),
    [
        (Kind.SENSEVOICE, "cpu", "onnx"),
        (Kind.SENSEVOICE, "cuda:0", "torch"),
        (Kind.ONNX, "cpu", "onnx"),
        (Kind.SENSEVOICE_INT8, "auto", "onnx"),
    ],
)
def test_what_is_not_installed_is_named(checkpoint, only, kind, device, extra):
    only()
    with pytest.raises(
        ConfigurationError, match=rf"--device is '{device}', and what SenseVoice needs there .* pip install '\.\[{extra}\]'"
    ):
        load_engine(Found(kind, checkpoint, "here"), device)


@pytest.mark.parametrize("kind", [Kind.ONNX, Kind.SENSEVOICE_INT8])
def test_what_is_for_cpus_is_refused_on_a_gpu(checkpoint, kind):
    with pytest.raises(
        ConfigurationError, match=rf"--device is 'cuda', and {kind} is for CPUs: use --device cpu, or a folder with model\.pt"
    ):
        load_engine(Found(kind, checkpoint, "here"), "cuda")


@pytest.fixture
def models(tmp_path):
    return Models(ModelSettings(cache=tmp_path / "cache", offline=True), say=lambda sentence: None)


@pytest.fixture
def exported(checkpoint, tmp_path) -> Path:
    return export(checkpoint, tmp_path / "exported", int8=True)


def test_a_folder_with_an_export_alone_is_found_as_what_it_is(models, exported):
    assert models.find(str(exported.parent)) == Found(Kind.ONNX, exported, "your own export")
    whole = shutil.copy(exported, exported.with_name("model.onnx"))
    assert models.find(str(exported.parent)) == Found(Kind.ONNX, Path(whole), "your own export")


def test_an_export_beside_its_checkpoint_is_found_by_its_own_name(models, checkpoint, tmp_path):
    both = shutil.copytree(checkpoint, tmp_path / "both")
    path = export(both, both, int8=True)
    assert models.find(str(both)) == Found(Kind.SENSEVOICE, both, "your own folder")
    assert models.find(str(path)) == Found(Kind.ONNX, path, "your own export")


def test_an_export_that_lacks_a_part_is_refused_with_its_name(models, exported):
    (exported.parent / "am.mvn").unlink()
    with pytest.raises(ModelNotFound, match="lacks am.mvn; a SenseVoice folder holds"):
        models.find(str(exported))


def test_int8_is_a_model_of_its_own_name_from_the_same_weights(models):
    with pytest.raises(ModelNotFound, match="SenseVoiceSmall is not on this machine"):
        models.find("sensevoice-int8")
