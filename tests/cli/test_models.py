"""``streamer models``: what it lists, fetches and verifies, and how it ends."""

import argparse
import hashlib
import io
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from streamer.cli.models import add_arguments, pull, run, show, verify
from streamer.engine.models import Models, ModelSettings
from streamer.engine.packaged import bundled_folder
from streamer.engine.weights import WeightFile
from streamer.errors import ModelNotFound

CONTENTS = {"config.yaml": b"model: SenseVoiceSmall\n", "model.pt": b"weights" * 20_000}
FILES = tuple(WeightFile(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in CONTENTS.items())
needs_bundled = pytest.mark.skipif(bundled_folder() is None, reason="moonshine-voice is not installed")


def offline(cache: Path) -> Models:
    return Models(ModelSettings(cache=cache, offline=True), say=lambda sentence: None, files=FILES)


def put(folder: Path, contents: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return folder


def ended(cache: Path, *words: str) -> int:
    """The exit code of ``streamer models`` with these words, where no hub may be asked."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    settings = SimpleNamespace(models=ModelSettings(cache=cache, offline=True), model=None)
    return run(parser.parse_args(words), settings)  # type: ignore[arg-type]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    """The address of a hub that serves the model as Hugging Face does, and answers 404 as ModelScope."""
    put(tmp_path / "served" / "FunAudioLLM" / "SenseVoiceSmall" / "resolve" / "main", CONTENTS)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served")))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@needs_bundled
def test_the_list_marks_the_model_that_the_server_would_use(tmp_path: Path) -> None:
    folder = put(tmp_path / "SenseVoiceSmall", CONTENTS)
    out = io.StringIO()
    assert show(offline(tmp_path), None, out) == 0
    lines = out.getvalue().splitlines()
    assert lines[0].split() == ["NAME", "SIZE", "STATE", "SOURCE", "WHERE"]
    assert lines[1].split() == ["*", "sensevoice", "0.1", "MB", "verified", "cache", str(folder)]
    assert lines[2].split() == ["bundled", "43.9", "MB", "as", "installed", "package", "moonshine-voice", str(bundled_folder())]
    assert lines[4] == "Used now: sensevoice from cache."


@needs_bundled
def test_the_list_says_what_is_not_here_and_what_serves_instead(tmp_path: Path) -> None:
    out = io.StringIO()
    assert show(offline(tmp_path), None, out) == 0
    lines = out.getvalue().splitlines()
    assert lines[1].split() == ["sensevoice", "0.1", "MB", "not", "here", "ModelScope,", "Hugging", "Face", "-"]
    assert lines[2].startswith("*  bundled")
    assert lines[4].startswith("Used now: bundled from package moonshine-voice. This is the bundled English model")


def test_the_list_names_the_hub_that_the_server_would_ask(hub: str, tmp_path: Path) -> None:
    settings = ModelSettings(cache=tmp_path / "cache", modelscope_url=hub, huggingface_url=hub)
    out = io.StringIO()
    assert show(Models(settings, say=lambda sentence: None, files=FILES), None, out) == 0
    assert "Used now: SenseVoiceSmall, which the server would first fetch (0.1 MB) from Hugging Face." in out.getvalue()


def test_the_list_shows_a_damaged_copy_and_a_folder_of_ones_own(tmp_path: Path) -> None:
    put(tmp_path / "SenseVoiceSmall", {**CONTENTS, "model.pt": b"short"})
    own = put(tmp_path / "own", {name: b"x" for name in ("model.pt", "config.yaml", "am.mvn", "a.bpe.model")})
    out = io.StringIO()
    assert show(offline(tmp_path), str(own), out) == 0
    assert "model.pt has 5 bytes, expected 140,000: it is cut off or another version" in out.getvalue()
    row = next(line for line in out.getvalue().splitlines() if line.startswith("*"))
    assert row.split() == ["*", str(own), "0.0", "MB", "your", "own,", "not", "compared", "--model", str(own)]
    assert "Used now: sensevoice from your own folder." in out.getvalue()


def test_pull_brings_the_model_and_says_where_it_is(hub: str, tmp_path: Path) -> None:
    settings = ModelSettings(cache=tmp_path / "cache", modelscope_url=hub, huggingface_url=hub)
    models = Models(settings, say=lambda sentence: None, files=FILES)
    out = io.StringIO()
    assert pull(models, "sensevoice", out) == 0
    folder = tmp_path / "cache" / "SenseVoiceSmall"
    assert out.getvalue() == f"SenseVoiceSmall is here and verified: {folder} (from Hugging Face).\n"
    assert (folder / "model.pt").read_bytes() == CONTENTS["model.pt"]


@needs_bundled
def test_pull_of_what_is_installed_has_nothing_to_do(tmp_path: Path) -> None:
    out = io.StringIO()
    assert pull(offline(tmp_path), "bundled", out) == 0
    assert out.getvalue() == "bundled comes with package moonshine-voice; there is nothing to fetch.\n"


def test_pull_of_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="is a folder on this machine, there is nothing to fetch; give a name"):
        pull(offline(tmp_path), str(tmp_path), io.StringIO())


def test_pull_without_a_hub_ends_with_one_and_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(tmp_path, "pull") == 1
    assert capsys.readouterr().err.startswith("SenseVoiceSmall is not on this machine and could not be fetched: no hub was asked")


def test_verify_always_reads_the_bytes(tmp_path: Path) -> None:
    folder = put(tmp_path / "SenseVoiceSmall", CONTENTS)
    said: list[str] = []
    models = Models(ModelSettings(cache=tmp_path, offline=True), say=said.append, files=FILES)
    out = io.StringIO()
    assert verify(models, "sensevoice", out) == 0
    assert verify(models, "SenseVoiceSmall", out) == 0
    assert len(said) == 2
    assert out.getvalue() == f"ok   sensevoice in {folder}\n" * 2


def test_verify_of_a_damaged_copy_ends_with_one_and_names_the_file(tmp_path: Path) -> None:
    folder = put(tmp_path / "SenseVoiceSmall", {**CONTENTS, "config.yaml": b"model: SenseVoiceLarge\n"})
    for name in (None, "sensevoice", str(folder)):
        out = io.StringIO()
        assert verify(offline(tmp_path), name, out) == 1
        assert f"BAD  sensevoice in {folder}\n     {folder}/config.yaml has sha256 " in out.getvalue()
        assert "`streamer models pull sensevoice` fetches what is damaged again" in out.getvalue()


def test_verify_of_a_model_that_is_not_here_ends_with_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(tmp_path, "verify", "sensevoice") == 1
    assert capsys.readouterr().out.startswith("sensevoice is not on this machine;")


@needs_bundled
def test_verify_without_a_name_verifies_what_is_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(tmp_path, "verify") == 0
    assert capsys.readouterr().out == f"ok   bundled in {bundled_folder()}\n"


def test_verify_of_ones_own_folder_tells_what_differs_and_finds_no_fault(tmp_path: Path) -> None:
    own = put(tmp_path / "own", {**CONTENTS, "am.mvn": b"m", "a.bpe.model": b"b"})
    out = io.StringIO()
    assert verify(offline(tmp_path), str(own), out) == 0
    assert out.getvalue() == f"ok   {own} is complete, and it is the published model\n"
    put(own, {"model.pt": b"tuned"})
    out = io.StringIO()
    assert verify(offline(tmp_path), str(own), out) == 0
    assert f"not as published: {own}/model.pt has 5 bytes, expected 140,000" in out.getvalue()


def test_verify_of_an_incomplete_folder_ends_with_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(tmp_path, "verify", str(tmp_path)) == 1
    assert "lacks model.pt and config.yaml and am.mvn and *bpe.model" in capsys.readouterr().err


def test_an_interrupted_command_says_that_what_arrived_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Models, wanted: str | None, *, download: bool = True) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Models, "find", interrupted)
    assert ended(tmp_path, "pull") == 1
    assert "Stopped. What has arrived is kept" in capsys.readouterr().err
