"""The page's pure modules are tested in their own language, by node's own test runner."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

OLDEST_NODE = 20  # has the test runner with mock timers


def test_the_pages_modules_pass_their_own_tests():
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node is {version}; its test runner is used from version {OLDEST_NODE} on")
    files = sorted(str(path) for path in Path(__file__).parent.glob("*.test.mjs"))
    result = subprocess.run([node, "--test", *files], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, "\n".join(line for line in result.stdout.splitlines() if not re.match(r"\s*(ok|#|duration)", line))
    passed = re.search(r"^# pass (\d+)$", result.stdout, re.MULTILINE)
    assert passed is not None and int(passed[1]) > 80
