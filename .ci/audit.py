"""Known vulnerabilities of what constraints.txt pins, by pip-audit; run it with the Python that pip-audit is installed for.

What is known and vulnerable fails. Where the advisories cannot be reached it says so in a sentence and lets the rest of CI go on: a
machine without a way out can test, and cannot know.
"""

import json
import subprocess
import sys
from pathlib import Path

PINS = Path(__file__).parents[1] / "constraints.txt"
ACCEPTED: dict[str, str] = {}
"""Advisories that do not concern us, each with the reason. One that no longer applies is removed."""


def main() -> int:
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(PINS), "--no-deps", "--disable-pip", "--format", "json"]
    try:
        found = subprocess.run([*command, "--progress-spinner", "off"], capture_output=True, text=True, timeout=600, check=False)
    except subprocess.TimeoutExpired:
        sentences, code = verdict("", "no answer within 600 s")
    else:
        sentences, code = verdict(found.stdout, found.stderr)
    print("\n".join(sentences))
    return code


def verdict(report: str, errors: str = "") -> tuple[list[str], int]:
    """Sentences, and the exit code: 1 where something vulnerable is pinned."""
    try:
        packages = json.loads(report)["dependencies"]
    except (ValueError, LookupError, TypeError):
        why = (errors.strip().splitlines() or ["it said nothing"])[-1]
        return [f"audit: nothing was audited, because no advisories could be had ({why[:200]})"], 0
    audited = [package for package in packages if "vulns" in package]
    if not audited:
        return [f"audit: nothing was audited, because PyPI's advisories cannot be reached from here ({len(packages)} packages)"], 0
    sentences = [f"audit: {len(audited)} of {len(packages)} packages were compared with PyPI's advisories"]
    sentences += [f"audit: {package['name']} is unknown there" for package in packages if "vulns" not in package]
    bad = 0
    for package in audited:
        for advisory in package["vulns"]:
            names = {advisory["id"], *advisory.get("aliases", [])}
            accepted = next((ACCEPTED[name] for name in sorted(names) if name in ACCEPTED), None)
            fixed = " or ".join(advisory.get("fix_versions", [])) or "no version yet"
            what = f"{package['name']} {package['version']}: {advisory['id']}, fixed in {fixed}"
            sentences.append(f"audit: {what}; accepted: {accepted}" if accepted else f"audit: {what}; pin that in constraints.txt")
            bad += accepted is None
    return sentences, 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
