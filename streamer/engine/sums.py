"""A folder of somebody's own weights, compared with the ``SHA256SUMS`` that lies in it. Without one, nothing is known to compare with.

It is the format of ``sha256sum``, which also makes it: ``sha256sum model.pt config.yaml am.mvn *.bpe.model > SHA256SUMS``.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from streamer.engine.weights import Ledger, sha256_of
from streamer.errors import ModelCorrupt

NAME: Final = "SHA256SUMS"
LINE: Final = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")


def require_sums(folder: Path, weights: Path, ledger: Ledger) -> bool:
    """Whether the folder is sealed so. Raises ``ModelCorrupt`` where a file is not what is written there, or ``weights`` is not there.

    A file is hashed anew only when its size or its time of change differs from what the ledger knows.
    """
    if not (folder / NAME).is_file():
        return False
    problems = list(_problems(folder, weights, ledger))
    if problems:
        raise ModelCorrupt(f"{problems[0]}; bring the right file, or write {folder / NAME} anew if this is what you mean to run")
    return True


def _problems(folder: Path, weights: Path, ledger: Ledger) -> Iterator[str]:
    place = folder / NAME
    listed = set()
    for number, line in enumerate(place.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        found = LINE.fullmatch(line.rstrip())
        if not found or Path(found[2]).name != found[2]:
            yield f"line {number} of {place} is not a sha256 and the name of a file beside it"
            continue
        path = folder / found[2]
        listed.add(path.name)
        if not path.is_file():
            yield f"{path} is missing, and {place} lists it"
            continue
        sha256 = ledger.sha256(path)
        if sha256 is None:
            sha256 = sha256_of(path)
            ledger.record(path, sha256)
        if sha256 != found[1].lower():
            yield f"{path} has sha256 {sha256[:16]}…, and {place} says {found[1][:16].lower()}…"
    if weights.name not in listed:
        yield f"{place} does not list {weights.name}, which holds the weights"
