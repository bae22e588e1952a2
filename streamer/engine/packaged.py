"""The bundled model's weights, which lie inside the package that brings them."""

import base64
import importlib.util
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from streamer.engine.weights import Ledger, sha256_of


def bundled_assets() -> Path | None:
    """The package's folder of models and recordings; ``None`` where it is not installed. Imports nothing of it."""
    package = importlib.util.find_spec("moonshine_voice")
    return Path(package.origin).parent / "assets" if package and package.origin else None


def bundled_folder() -> Path | None:
    """The folder of the weights; ``None`` where the package is not installed or, in later versions, comes without them."""
    assets = bundled_assets()
    return assets / "tiny-en" if assets and (assets / "tiny-en" / "encoder_model.ort").is_file() else None


def bundled_problems(ledger: Ledger | None = None) -> Iterator[str]:
    """One sentence for each file of the weights that is not as it was installed; hashes all of them, but for those a ledger knows."""
    try:
        listed = files("moonshine-voice") or []
    except PackageNotFoundError:
        listed = []
    weights = [file for file in listed if file.parent.name == "tiny-en" and file.hash]
    if not weights:
        yield "moonshine-voice is not installed, or lists no weights; `pip install moonshine-voice==0.0.65` brings them"
    for file in weights:
        path = Path(str(file.locate()))
        if not path.is_file():
            yield f"{path} is missing; `pip install --force-reinstall moonshine-voice==0.0.65` brings it back"
        elif file.hash and _base64(_sha256(path, ledger)) != file.hash.value:
            yield f"{path} is not as it was installed; `pip install --force-reinstall moonshine-voice==0.0.65` mends it"


def _sha256(path: Path, ledger: Ledger | None) -> str:
    known = ledger.sha256(path) if ledger else None
    if known is not None:
        return known
    sha256 = sha256_of(path)
    if ledger:
        ledger.record(path, sha256)
    return sha256


def _base64(sha256: str) -> str:
    """As the list of installed files has it."""
    return base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip("=")
