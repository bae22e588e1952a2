"""``streamer models export``: where it writes, what it says, and that what it wrote is found again."""

import shutil
from argparse import ArgumentParser
from pathlib import Path

import pytest

import streamer.engine
from streamer.cli import models as command
from streamer.engine.models import ModelSettings
from streamer.settings import Settings

MINIATURE = Path(streamer.engine.__file__).parent / "miniature"


@pytest.fixture
def run(tmp_path, capsys):
    """Runs the command; gives its exit code, its output and its errors."""

    def call(*arguments):
        parser = ArgumentParser()
        command.add_arguments(parser)
        settings = Settings(models=ModelSettings(cache=tmp_path / "cache", offline=True))
        code = command.run(parser.parse_args(["export", *arguments]), settings)
        return code, *capsys.readouterr()

    return call


def test_a_model_with_a_name_is_written_into_the_cache(run, tmp_path):
    code, out, _ = run("miniature")
    path = tmp_path / "cache" / "miniature-onnx" / "model.onnx"
    assert code == 0
    assert out == f"{path} (5.3 MB) is written; `streamer serve --model {path}` runs it.\n"
    assert path.is_file()


def test_a_folder_is_written_into_itself_in_8_bits_where_asked(run, tmp_path):
    folder = shutil.copytree(MINIATURE, tmp_path / "own")
    code, out, _ = run(str(folder), "--int8")
    assert code == 0
    assert out.startswith(f"{folder / 'model_int8.onnx'} (1.5 MB) is written;")


def test_the_place_can_be_chosen(run, tmp_path):
    assert run("miniature", "--output", str(tmp_path / "a" / "b"))[0] == 0
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == [
        "am.mvn",
        "bpe.model",
        "config.yaml",
        "model.onnx",
        "model.onnx.data",
    ]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("bundled", "bundled is of kind bundled; only a SenseVoice with its model.pt can be written as ONNX"),
        ("nothing", "nothing is neither a known model (sensevoice, sensevoice-int8, bundled, miniature) nor a folder on this machine"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_a_sentence(run, name, sentence):
    code, out, error = run(name)
    assert (code, out) == (1, "")
    assert error.strip() == sentence


def test_an_export_is_not_exported_again(run, tmp_path):
    run("miniature", "--output", str(tmp_path / "out"))
    code, _, error = run(str(tmp_path / "out"))
    assert code == 1
    assert "is of kind onnx" in error
