"""``streamer bench quality`` from the command line."""

import json

import pytest

from streamer.__main__ import main
from streamer.cli.bench import command_of, session_settings
from streamer.core.events import Settings
from streamer.errors import ConfigurationError
from tests.bench.test_manifest import record


@pytest.fixture
def folder(tmp_path):
    record(tmp_path / "a.wav", seconds=2)
    (tmp_path / "broken.wav").write_text("no audio")
    (tmp_path / "manifest.csv").write_text(
        'file,kind,label,lang\na.wav,transcript,hello,en\nbroken.wav,noise,hiss,-\ngone.wav,vad_ms,"[[0,10]]",-\nx.wav,rir,room,-\n'
    )
    return tmp_path


def bench(*arguments):
    return main(["bench", "quality", "--model", "scripted", "--vad", "webrtc", *map(str, arguments)])


def test_the_built_in_set_is_measured_from_one_command(capsys, tmp_path):
    assert bench("--quick", "--only", "10dB/*", "--json", tmp_path / "out.json", "--engine-latency-ms", "50") == 0

    made = json.loads((tmp_path / "out.json").read_text())
    assert list(made["files"]) == ["10dB/hum"]
    assert made["model"] == "scripted"
    assert made["vad_judge"] == "webrtc"
    assert made["command"] == (
        "streamer bench quality --model scripted --vad webrtc --quick --only '10dB/*' --chunk-ms 100 --engine-latency-ms 50 --seed 0"
    )
    table = capsys.readouterr().out
    assert table.splitlines()[0].split() == ["all"]
    assert "frame F1" in table


def test_what_cannot_be_read_is_a_sentence_and_the_exit_code_is_still_0(capsys, folder):
    assert bench(folder) == 0

    out = capsys.readouterr().out
    assert "skipped: x.wav: a room impulse response is no recording of a room" in out
    assert "could not be read: broken.wav: " in out
    assert "could not be read: gone.wav: " in out


def test_exit_code_1_when_nothing_could_be_measured(capsys, folder):
    assert bench(folder, "--only", "broken*") == 1
    assert "nothing could be measured; the lines above tell why" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["/nowhere"], "/nowhere has no manifest.csv; expected a folder with one"),
        (["--only", "nothing"], "--only is 'nothing', which none of the "),
        (["--json", "/nowhere/out.json"], "--json is /nowhere/out.json, expected a file in a folder that exists"),
        (["--set", "volume=3"], "--set is 'volume=3', expected NAME=VALUE with a name of: language, "),
        (["--set", "endpoint_silence_ms=soon"], "--set is 'endpoint_silence_ms=soon', expected a value like endpoint_silence_ms=600"),
        (["--set", "endpoint_silence_ms=1"], "--set: endpoint_silence_ms is 1, expected 100 to 5000"),
    ],
)
def test_what_cannot_be_asked_for_is_a_sentence(capsys, arguments, sentence):
    assert bench(*arguments) == 1
    assert sentence in capsys.readouterr().err


def test_quick_is_of_the_built_in_set_only(capsys, folder):
    assert bench(folder, "--quick") == 1
    assert "--quick is a part of the built-in set; with DIR use --only" in capsys.readouterr().err


def test_a_number_out_of_range_is_refused_by_its_option(capsys):
    with pytest.raises(SystemExit):
        bench("--chunk-ms", "0")
    assert "argument --chunk-ms: '0' is not a number from 1 to 5000" in capsys.readouterr().err


def test_settings_of_a_session_by_name():
    assert session_settings(["endpoint_silence_ms=400", "partials=false", "language=zh"]) == Settings(
        endpoint_silence_ms=400, partials=False, language="zh"
    )
    with pytest.raises(ConfigurationError):
        session_settings(["hotwords=x"])


def test_the_command_is_the_one_to_type(tmp_path):
    import argparse

    from streamer.cli.bench import add_arguments

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    arguments = parser.parse_args(["quality", "a folder", "--telephone", "--vad", "webrtc", "--set", "partials=false", "--json", "x"])

    assert command_of(arguments) == (
        "streamer bench quality 'a folder' --vad webrtc --telephone --chunk-ms 100 --engine-latency-ms 100 --seed 0 --set partials=false"
    )
