"""Which files make up SenseVoiceSmall, and whether the ones on disk are really they.

Hashing 936 MB takes seconds, so a verified file is written down with its size and time of change, and hashed again only
when one of the two differs.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from streamer.errors import ModelCorrupt, ModelNotFound


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One published file: its name, its size in bytes and its sha256 in hexadecimal."""

    name: str
    size: int
    sha256: str


SENSEVOICE_FILES: Final = (
    # The small ones first: a hub that serves something else is found out before the large one is on its way.
    WeightFile("configuration.json", 396, "02810a7f8e9e8aee10370a265f7e799728ce25b4c00cdbf4602b303ee395a38e"),
    WeightFile("config.yaml", 1_855, "f71e239ba36705564b5bf2d2ffd07eece07b8e3f2bbf6d2c99d8df856339ac19"),
    WeightFile("am.mvn", 11_203, "29b3c740a2c0cfc6b308126d31d7f265fa2be74f3bb095cd2f143ea970896ae5"),
    WeightFile(
        "chn_jpn_yue_eng_ko_spectok.bpe.model",
        377_341,
        "aa87f86064c3730d799ddf7af3c04659151102cba548bce325cf06ba4da4e6a8",
    ),
    WeightFile("model.pt", 936_291_369, "833ca2dcfdf8ec91bd4f31cfac36d6124e0c459074d5e909aec9cabe6204a3ea"),
)
"""SenseVoiceSmall as both hubs publish it."""


ONNX_FILES: Final = ("model.onnx", "model_int8.onnx", "model_quant.onnx")
"""Weights in ONNX: our own exports, and what upstream calls its quantised one. The first that a folder has is taken."""


def total_size(files: Iterable[WeightFile]) -> int:
    """Bytes of all files together."""
    return sum(file.size for file in files)


def sha256_of(path: Path) -> str:
    """The file's sha256 in hexadecimal, read block by block."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Ledger:
    """What was verified before: for each file its size, time of change and sha256, in ``<cache>/verified.json``.

    It lives in our own cache also for files elsewhere, whose folders are not ours to write in. It is only ever a way to save
    time: an unreadable one counts as empty, and one that cannot be written is left unwritten.
    """

    def __init__(self, cache: Path) -> None:
        self._path = cache / "verified.json"

    def sha256(self, path: Path) -> str | None:
        """The hash of this file, if it has not changed since it was hashed; else ``None``."""
        entry = self._entries().get(str(path.resolve()))
        status = path.stat()
        if isinstance(entry, dict) and entry.get("size") == status.st_size and entry.get("mtime_ns") == status.st_mtime_ns:
            return str(entry.get("sha256"))
        return None

    def record(self, path: Path, sha256: str) -> None:
        """Write down that this file, as it is now, has this hash."""
        status = path.stat()
        entries = self._entries()
        entries[str(path.resolve())] = {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": sha256}
        fresh = self._path.with_suffix(".json.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
            fresh.replace(self._path)
        except OSError:
            return  # a read-only cache costs the time of hashing again, nothing else

    def _entries(self) -> dict[str, Any]:
        try:
            entries = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return entries if isinstance(entries, dict) else {}


def check(path: Path, file: WeightFile, *, known_sha256: str | None = None, shown: Path | None = None) -> str:
    """The sha256 of ``path``, which is ``file``'s, or ``ModelCorrupt``. ``shown`` is the name to speak of where ``path`` is temporary."""
    size = path.stat().st_size
    if size != file.size:
        raise ModelCorrupt(f"{shown or path} has {size:,} bytes, expected {file.size:,}: it is cut off or another version")
    sha256 = known_sha256 or sha256_of(path)
    if sha256 != file.sha256:
        raise ModelCorrupt(f"{shown or path} has sha256 {sha256[:16]}…, expected {file.sha256[:16]}…: it is damaged or another version")
    return sha256


def problems_in(folder: Path, files: Iterable[WeightFile], ledger: Ledger, *, rehash: bool = False) -> Iterator[str]:
    """One sentence for each file of ``files`` that is missing from ``folder`` or is not what was published."""
    for file in files:
        path = folder / file.name
        if not path.is_file():
            yield f"{path} is missing"
            continue
        try:
            known = None if rehash else ledger.sha256(path)
            sha256 = check(path, file, known_sha256=known)
            if known is None:
                ledger.record(path, sha256)
        except ModelCorrupt as fault:
            yield str(fault)
        except OSError as fault:
            yield f"{path} cannot be read: {fault.strerror or fault}"


def require_checkpoint(folder: Path, file: str | None = None) -> Path | None:
    """Raise ``ModelNotFound`` unless ``folder`` holds a SenseVoice checkpoint: somebody's own, so no hash is expected.

    The names of its parts come from ``configuration.json`` where there is one, as funasr reads it. Gives the file with the weights in
    ONNX, which is ``file`` or where there is no ``model.pt`` one of ``ONNX_FILES``, and ``None`` where ``model.pt`` has them.
    """
    if not folder.is_dir():
        raise ModelNotFound(f"{folder} is not a folder; give the folder that holds model.pt, config.yaml, am.mvn and *.bpe.model")
    weights, *others = _parts(folder)
    if file is None and not _holds(folder, weights):
        file = next((name for name in ONNX_FILES if _holds(folder, name)), None)
    missing = [part for part in (file or weights, *others) if not _holds(folder, part)]
    if missing:
        raise ModelNotFound(
            f"{folder} lacks {' and '.join(missing)}; a SenseVoice folder holds model.pt, config.yaml, am.mvn and *.bpe.model. "
            "Give another folder, or name no model to use the published one"
        )
    return folder / file if file else None


def weights_name(folder: Path) -> str:
    """What the file with torch's weights is called in this folder, which is a SenseVoice checkpoint."""
    return _parts(folder)[0]


def _holds(folder: Path, part: str) -> bool:
    paths = folder.glob(part) if part.startswith("*") else (folder / part,)
    return any(path.is_file() and path.stat().st_size > 0 for path in paths)


def _parts(folder: Path) -> tuple[str, ...]:
    metas: Any = {}
    try:
        metas = json.loads((folder / "configuration.json").read_text(encoding="utf-8"))["file_path_metas"]
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise ModelNotFound(
            f"{folder / 'configuration.json'} cannot be read as funasr's configuration ({type(fault).__name__}: {fault}); mend or remove it"
        ) from fault

    def named(default: str, *keys: str) -> str:
        value = metas
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, str) and value else default

    return (
        named("model.pt", "init_param"),
        named("config.yaml", "config"),
        named("am.mvn", "frontend_conf", "cmvn_file"),
        named("*bpe.model", "tokenizer_conf", "bpemodel"),
    )
