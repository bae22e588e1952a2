"""`streamer bench load`, `engine` and `simulate` from the command line: what they print, write and refuse."""

import json
import xml.etree.ElementTree as ET

import pytest

from streamer.__main__ import main
from tests.serving import serving


def run(*words):
    return main(["bench", *map(str, words)])


def test_a_simulation_prints_a_table_and_writes_report_and_plot(tmp_path, capsys):
    report, plot = tmp_path / "out.json", tmp_path / "out.svg"

    assert run("simulate", "--clients", 2, 20, "--seconds", 3, "--json", report, "--plot", plot, "--table") == 0
    written = json.loads(report.read_text())
    assert [row["clients"] for row in written["rows"]] == [2, 20]
    assert written["command"] == "streamer bench simulate --clients 2 20 --seconds 3.0"
    assert written["cost"] == {"fixed_ms": 15.0, "audio_s_per_s": 6000.0, "packed": False}
    assert ET.parse(plot).getroot().tag.endswith("svg")
    printed = capsys.readouterr().out
    assert "| 20 |" in printed
    assert printed.rstrip().endswith("`streamer bench simulate --clients 2 20 --seconds 3.0`")


def test_an_engine_is_measured_in_a_process_of_its_own_and_simulated_from_its_report(tmp_path, capsys):
    report = tmp_path / "engine.json"

    assert run("engine", "--model", "scripted", "--batch", 1, 2, "--length-s", 1, 4, "--seconds", 0.01, "--json", report) == 0
    (engine,) = json.loads(report.read_text())["engines"]
    assert [(row["batch"], row["length_s"]) for row in engine["forwards"]] == [(1, 1), (2, 1), (1, 4), (2, 4)]
    assert "| scripted on cpu | 2: audio s/s |" in capsys.readouterr().out
    assert run("simulate", "--clients", 2, "--seconds", 1, "--engine", report, "--json", tmp_path / "simulated.json") == 0
    cost = json.loads((tmp_path / "simulated.json").read_text())["cost"]
    assert cost == {name: pytest.approx(value) for name, value in engine["fit"].items()} | {"packed": False}


def test_a_load_on_a_running_server_writes_the_figures_by_name(tmp_path, capsys):
    report = tmp_path / "load.json"
    with serving() as server:
        code = run(
            "load", server.url, "--clients", 2, "--seconds", 4, "--json", report, "--max-partial-lag-ms", 5000, "--max-final-ms", 5000
        )
    figures = json.loads(report.read_text())

    assert code in (0, 1)  # a busy machine may miss a bound
    for name in ("first_partial_ms", "partial_lag_ms", "endpoint_to_final_ms", "speech_end_to_final_ms"):
        assert set(figures[name]) == {"p50", "p95", "p99"}
    assert {"partial_rate", "lag_slope", "errors", "finals", "capacity", "machine", "command"} <= set(figures)
    assert figures["errors"] == 0
    assert figures["server"]["rss_mb"] > 10
    assert "| 2 |" in capsys.readouterr().out


def test_capacity_is_searched_on_a_server_that_is_started_for_it(tmp_path, capsys):
    report = tmp_path / "load.json"
    generous = ("--max-partial-lag-ms", 60_000, "--max-final-ms", 60_000, "--max-lag-growth-ms", 60_000, "--min-partial-rate", 0.01)
    run("load", "--model", "scripted", "--find-capacity", "--clients", 1, "--limit", 2, "--seconds", 4, "--json", report, *generous)
    figures = json.loads(report.read_text())

    assert {one["clients"] for one in figures["runs"]} <= {1, 2}
    assert figures["capacity"] in (0, 1, 2)
    assert f"capacity: {figures['capacity']} clients" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("load", "--json", "/nowhere/out.json"), "--json is /nowhere/out.json, expected a file in a folder that exists"),
        (("load", "ws://127.0.0.1:9", "--model", "scripted"), "--model, --device and --workers are for a server that is started here"),
        (("load", "--model", "/nowhere/at/all"), "the server ended before it was ready (exit code 1)"),
        (("simulate", "--engine", "/nowhere.json"), "--engine /nowhere.json cannot be read: No such file or directory"),
        (("engine", "--model", "/nowhere/at/all"), "/nowhere/at/all"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(words, sentence, capfd):
    assert run(*words) == 1
    assert sentence in capfd.readouterr().err


def test_a_report_without_a_fit_is_refused(tmp_path, capsys):
    other = tmp_path / "other.json"
    other.write_text("{}")

    assert run("simulate", "--engine", other) == 1
    assert "holds no fit; write it with `streamer bench engine --json`" in capsys.readouterr().err


def test_a_load_that_nobody_serves_is_an_exit_code_and_no_chart(tmp_path, capsys):
    plot = tmp_path / "out.svg"

    assert run("load", "ws://127.0.0.1:9", "--clients", 2, "--seconds", 1, "--plot", plot) == 1
    said = capsys.readouterr().err
    assert "2 clients: 2 errors; no final came while all spoke" in said
    assert "no server is running at ws://127.0.0.1:9" in said
    assert f"{plot} was not drawn: there is nothing to draw" in said
