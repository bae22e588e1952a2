"""The runbook, the dashboard and the alerts know the metrics that there are, and no other."""

import json
import re
from pathlib import Path

import pytest
import yaml

from streamer.metrics import Metrics
from streamer.status import read_numbers
from streamer.workers.tally import Tally

ROOT = Path(__file__).parents[1]
RUNBOOK = (ROOT / "docs/operations.md").read_text()
DASHBOARD = json.loads((ROOT / "docker/grafana/streamer.json").read_text())
ALERTS = yaml.safe_load((ROOT / "docker/grafana/alerts.yaml").read_text())["groups"][0]["rules"]
FAMILIES = {family.name: family for family in Metrics().registry.collect() if family.name.startswith("streamer_")}
NAMES = {name + ("_total" if family.type == "counter" else ""): family for name, family in FAMILIES.items()}
SAMPLES = {
    *NAMES,
    *(f"{name}_{part}" for name, family in NAMES.items() if family.type == "histogram" for part in ("bucket", "sum", "count")),
}


def queries():
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for rule in ALERTS:
        yield rule["alert"], rule["expr"]


@pytest.mark.parametrize(("title", "expression"), list(queries()))
def test_each_query_asks_for_metrics_that_there_are(title, expression):
    asked = set(re.findall(r"\b(?:streamer|process)_\w+", expression))
    assert asked
    assert {name for name in asked if name.startswith("streamer")} <= SAMPLES
    assert {name for name in asked if name.startswith("process")} <= {"process_cpu_seconds_total", "process_resident_memory_bytes"}
    labels = set(re.findall(r"(\w+)=~?\"", expression)) | {
        name for group in re.findall(r"by \(([^)]*)\)", expression) for name in group.split(", ")
    }
    assert labels <= {"job", "le", "kind", "reason", "code", "what", "type"}


def test_the_dashboard_shows_all_of_them():
    shown = " ".join(expression for _, expression in queries())
    assert [name for name in NAMES if name not in shown] == []


def test_the_runbook_has_each_with_its_kind():
    rows = re.findall(r"^\| `(streamer_\w+)` \| (\w+) \|", RUNBOOK, re.M)
    assert len(rows) == len(dict(rows))
    assert dict(rows) == {name: family.type for name, family in NAMES.items()}


def test_the_runbook_has_each_alert():
    assert re.findall(r"^\| `(Streamer\w+)` \|", RUNBOOK, re.M) == [rule["alert"] for rule in ALERTS]


def test_the_names_are_as_prometheus_wants_them():
    """Seconds and bytes as base units, and a name that does not end like a kind it is not."""
    assert [name for name in NAMES if re.search(r"_(ms|minutes|kb|mb)\b", name)] == []
    assert [name for name, family in NAMES.items() if family.type != "counter" and name.endswith("_total")] == []


def test_the_proofs_of_the_runbook_are_tests_that_there_are():
    faults = RUNBOOK.partition("## Faults")[2]
    rows = [line.split(" | ") for line in faults.splitlines() if line.startswith("| ") and "| proof |" not in line]
    assert len(rows) > 12
    for row in rows:
        for proof in re.findall(r"`([^`]*)`", row[-1]):
            file, _, words = proof.rpartition(" -k ")
            places = {"test_supervisor.py": "workers/test_supervisor.py"}
            source = (ROOT / "tests" / places.get(file, file or "test_faults.py")).read_text()
            for word in words.strip('"').split(" or "):
                assert re.search(rf"def \w*{re.escape(word.split('-')[0])}", source), proof


def test_the_bounds_of_several_gateways_are_not_added_up():
    one = Metrics()
    one.most_sessions.set(100)
    one.sessions.set(3)
    numbers = read_numbers(Tally().exposition([one.exposition(), one.exposition()]).decode())

    assert numbers["streamer_max_sessions"] == {(): 100}
    assert numbers["streamer_open_sessions"] == {(): 6}
