"""The bench of an engine process: one short run of it."""

import json
import sys

import pytest

from streamer.__main__ import main


@pytest.mark.skipif(sys.platform != "linux", reason="processor times are read as Linux gives them")
def test_a_short_run_gives_a_table_and_a_report(tmp_path, capsys):
    report = tmp_path / "process.json"
    command = ["bench", "process", "--gateways", "2", "--window", "8", "--forward-ms", "2", "--seconds", "0.5", "--json", str(report)]

    assert main(command) == 0
    assert "| holds the lock |" in capsys.readouterr().out
    rows = json.loads(report.read_text())["rows"]
    assert [row["forward"] for row in rows] == ["pauses", "holds the lock"]
    assert all(row["jobs_per_s"] > 50 and 1 <= row["batch"] <= 16 and row["p99_ms"] >= row["p50_ms"] > 2 for row in rows)
