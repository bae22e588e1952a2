"""The audit of dependencies: what it says of pip-audit's reports. The reports have its shape, version 2.10."""

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
AUDIT = runpy.run_path(str(ROOT / ".ci" / "audit.py"))
SOUND = {"name": "numpy", "version": "2.4.6", "vulns": []}
SKIPPED = {"name": "torch", "skip_reason": "Dependency not found on PyPI and could not be audited: torch (2.13.0)"}
BAD = {
    "name": "jinja2",
    "version": "3.1.3",
    "vulns": [{"id": "PYSEC-2024-1", "fix_versions": ["3.1.4"], "aliases": ["CVE-2024-34064"], "description": "…"}],
}


def verdict(*packages):
    return AUDIT["verdict"](json.dumps({"dependencies": packages, "fixes": []}))


def test_what_is_vulnerable_fails_and_says_what_to_do():
    sentences, code = verdict(SOUND, BAD)

    assert code == 1
    assert sentences[1:] == ["audit: jinja2 3.1.3: PYSEC-2024-1, fixed in 3.1.4; pin that in constraints.txt"]


def test_what_is_sound_passes_and_what_is_unknown_is_named():
    assert verdict(SOUND, SKIPPED) == (
        ["audit: 1 of 2 packages were compared with PyPI's advisories", "audit: torch is unknown there"],
        0,
    )


def test_an_accepted_advisory_passes_with_its_reason(monkeypatch):
    monkeypatch.setitem(AUDIT["ACCEPTED"], "CVE-2024-34064", "no template of strangers is rendered")
    sentences, code = verdict(BAD)

    assert code == 0
    assert sentences[1].endswith("accepted: no template of strangers is rendered")


@pytest.mark.parametrize("errors", ["", "Traceback\nrequests.exceptions.ConnectionError: no way out"])
def test_without_advisories_it_says_so_and_goes_on(errors):
    for sentences, code in (AUDIT["verdict"]("", errors), verdict(SKIPPED, SKIPPED)):
        assert code == 0
        assert len(sentences) == 1
        assert sentences[0].startswith("audit: nothing was audited")


def test_ci_runs_it():
    assert "make audit\n" in (ROOT / ".ci" / "run").read_text()
