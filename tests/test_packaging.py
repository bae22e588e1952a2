"""What is installed is what is in the tree."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_package_and_the_page_are_installed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in ROOT.glob("streamer/**/__init__.py")}

    assert sorted(listed) == sorted(found | {"streamer.web_client"})


def test_constraints_pin_every_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["test"], *project["dependency-groups"]["lint"]]
    pinned = {
        line.partition("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    }
    names = {wish.split(";")[0].strip() for wish in wanted}

    missing = {name for name in names if not any(name.lower().replace("_", "-").startswith(pin) for pin in pinned)}
    assert missing == {"triton>=3.2"}  # torch for CUDA brings its own, and asks for that version and no other
