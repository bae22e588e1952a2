"""Weights are compared with what is known of them before anything of them is read."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from streamer.engine import packaged, sums
from streamer.engine.models import Models, ModelSettings
from streamer.engine.packaged import bundled_folder, bundled_problems
from streamer.engine.sums import require_sums
from streamer.engine.weights import Ledger
from streamer.errors import ModelCorrupt

MINIATURE = Path(packaged.__file__).parent / "miniature"


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "own"
    shutil.copytree(MINIATURE, place)
    return place


def models(tmp_path):
    return Models(ModelSettings(cache=tmp_path / "cache", offline=True), say=lambda sentence: None)


def sealed(folder, *names):
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(lines))


def test_a_folder_of_ones_own_that_is_as_its_sums_say_is_taken(folder, tmp_path):
    assert models(tmp_path).find(str(folder)).source == "your own folder with SHA256SUMS"
    (folder / "SHA256SUMS").unlink()
    assert models(tmp_path).find(str(folder)).source == "your own folder"


@pytest.mark.parametrize("name", ["model.pt", "config.yaml", "bpe.model", "am.mvn"])
def test_a_file_that_was_changed_is_named_before_anything_is_loaded(folder, tmp_path, name):
    with (folder / name).open("ab") as stream:
        stream.write(b"\n")

    with pytest.raises(ModelCorrupt, match=f"{name} has sha256 .*SHA256SUMS says"):
        models(tmp_path).find(str(folder))


def test_a_change_after_the_first_look_is_seen_and_what_did_not_change_is_not_read_again(folder, tmp_path, monkeypatch):
    models(tmp_path).find(str(folder))
    hashed = []
    monkeypatch.setattr(sums, "sha256_of", lambda path: hashed.append(path.name) or hashlib.sha256(path.read_bytes()).hexdigest())
    models(tmp_path).find(str(folder))
    assert hashed == []

    data = (folder / "model.pt").read_bytes()
    (folder / "model.pt").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(folder / "model.pt", ns=(1, 1))
    with pytest.raises(ModelCorrupt, match="model.pt has sha256"):
        models(tmp_path).find(str(folder))
    assert hashed == ["model.pt"]


def test_sums_that_leave_the_weights_out_seal_nothing(folder, tmp_path):
    sealed(folder, "config.yaml", "am.mvn")

    with pytest.raises(ModelCorrupt, match="does not list model.pt, which holds the weights"):
        require_sums(folder, folder / "model.pt", Ledger(tmp_path))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nonsense\n", "line 1 of .* is not a sha256 and the name"),
        (f"{'0' * 64}  ../model.pt\n", "line 1 of .* is not a sha256 and the name"),
        (f"{'0' * 64}  gone.pt\n", "gone.pt is missing"),
    ],
)
def test_sums_that_cannot_be_right_say_so(folder, tmp_path, text, why):
    (folder / "SHA256SUMS").write_text(text)

    with pytest.raises(ModelCorrupt, match=why):
        require_sums(folder, folder / "model.pt", Ledger(tmp_path))


def test_the_miniature_is_what_its_sums_say(tmp_path):
    assert require_sums(MINIATURE, MINIATURE / "model.pt", Ledger(tmp_path))
    assert models(tmp_path).find("miniature").path == MINIATURE


@pytest.mark.skipif(bundled_folder() is None, reason="moonshine-voice is not installed")
def test_the_bundled_model_is_compared_with_the_packages_list_once(tmp_path, monkeypatch):
    models(tmp_path).find("bundled")
    monkeypatch.setattr(packaged, "sha256_of", lambda path: pytest.fail(f"{path} was hashed again"))
    models(tmp_path).find("bundled")

    monkeypatch.setattr(packaged, "sha256_of", lambda path: "0" * 64)
    assert "is not as it was installed" in next(bundled_problems())
    with pytest.raises(ModelCorrupt, match="is not as it was installed"):
        models(tmp_path / "another").find("bundled")
