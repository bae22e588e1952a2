"""Which model to run, where its weights are, and the sentence to show when it is not the default one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from streamer.engine.download import fetch
from streamer.engine.hub import Hub, out_of_reach
from streamer.engine.lock import locked
from streamer.engine.packaged import bundled_folder, bundled_problems
from streamer.engine.sums import require_sums
from streamer.engine.weights import SENSEVOICE_FILES, Ledger, WeightFile, problems_in, require_checkpoint, weights_name
from streamer.errors import ModelCorrupt, ModelNotFound

_HOW: Final = (
    "To get SenseVoiceSmall run `streamer models pull sensevoice` where a hub can be reached, or give --model PATH, a folder that holds it."
)
_NO_BUNDLED: Final = (
    "The bundled model is not installed: `pip install moonshine-voice==0.0.65` brings it (later versions come without weights)."
)
_LACKS: Final = "the bundled English model (Moonshine tiny-en): no other language, no emotion, no sound events"


class Kind(StrEnum):
    """Which engine runs the weights."""

    SENSEVOICE = "sensevoice"
    SENSEVOICE_INT8 = "sensevoice-int8"
    ONNX = "onnx"
    BUNDLED = "bundled"
    SCRIPTED = "scripted"


@dataclass(frozen=True, slots=True)
class Found:
    """A model that can be loaded. ``path`` is its folder, for ``ONNX`` the file in it, and ``None`` where it needs none.

    ``source`` says for people where it came from. ``notice`` is for every user of the server, where this is not the default model.
    """

    kind: Kind
    path: Path | None
    source: str
    notice: str | None = None


class NotFetched(ModelNotFound):
    """The weights are not on this machine; ``hub`` is there and would be asked for them."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        super().__init__(
            f"SenseVoiceSmall is not on this machine; it can be fetched from {hub.name} with `streamer models pull sensevoice`"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Where weights may be, and where they may come from."""

    cache: Path
    """Our own cache; the weights lie in ``<cache>/SenseVoiceSmall``."""
    foreign_caches: tuple[Path, ...] = ()
    """Caches of ModelScope's and Hugging Face's own tools, only ever read; see ``usual_caches``."""
    modelscope_url: str = "https://www.modelscope.cn"
    huggingface_url: str = "https://huggingface.co"
    connect_timeout_s: float = 3.0
    """How long the hubs, asked all at once, may take to show that they are there."""
    offline: bool = False


def usual_caches(home: Path) -> tuple[Path, ...]:
    """Where ModelScope's and Hugging Face's tools keep their files when no environment variable says otherwise."""
    return home / ".cache" / "modelscope", home / ".cache" / "huggingface" / "hub"


_LAYOUTS: Final = (
    "models/iic--SenseVoiceSmall/snapshots/*",
    "models/iic/SenseVoiceSmall",
    "hub/models/iic/SenseVoiceSmall",
    "hub/iic/SenseVoiceSmall",
    "iic/SenseVoiceSmall",
    "models--FunAudioLLM--SenseVoiceSmall/snapshots/*",
)
"""Where in such a cache the model lies: newer and older ModelScope, then Hugging Face."""


class Models:
    """Finds weights on this machine and fetches them. ``say`` takes sentences on what takes time; results are never told through it."""

    def __init__(self, settings: ModelSettings, *, say: Callable[[str], None], files: tuple[WeightFile, ...] = SENSEVOICE_FILES) -> None:
        self.settings = settings
        self.files = files
        self.ledger = Ledger(settings.cache)
        self.folder = settings.cache / "SenseVoiceSmall"
        self.hubs = (
            Hub("ModelScope", settings.modelscope_url.rstrip("/") + "/models/iic/SenseVoiceSmall/resolve/master"),
            Hub("Hugging Face", settings.huggingface_url.rstrip("/") + "/FunAudioLLM/SenseVoiceSmall/resolve/main"),
        )
        self._say = say

    def find(self, wanted: str | None, *, download: bool = True) -> Found:
        """The model to run: a known name, a folder, or by default SenseVoiceSmall and in its place, with a notice, the bundled one.

        Raises ``ModelNotFound``; a model that was asked for by name or path is never replaced by another.
        Without ``download`` it raises ``NotFetched`` where it would begin to fetch.
        """
        if wanted is None:
            try:
                return self.sensevoice(download=download)
            except NotFetched:
                raise
            except ModelNotFound as fault:
                return self.bundled(f"This is {_LACKS}. {fault}", instead_of=fault)
        row = known(wanted)
        if row:
            return row.find(self, download)
        folder = Path(wanted).expanduser()
        if not folder.exists():
            names = ", ".join(row.names[0] for row in KNOWN if not row.hidden)
            raise ModelNotFound(f"{wanted} is neither a known model ({names}) nor a folder on this machine")
        single = folder.suffix == ".onnx"
        exported = require_checkpoint(folder.parent, folder.name) if single else require_checkpoint(folder)
        weights = exported or folder / weights_name(folder)
        sealed = " with SHA256SUMS" if require_sums(weights.parent, weights, self.ledger) else ""
        return (
            Found(Kind.ONNX, exported, f"your own export{sealed}")
            if exported
            else Found(Kind.SENSEVOICE, folder, f"your own folder{sealed}")
        )

    def sensevoice(self, *, download: bool = True) -> Found:
        """SenseVoiceSmall from this machine, or else from a hub. Raises ``ModelNotFound``, which tells all that was tried."""
        reasons = []
        for folder, source in self.copies():
            problems = self.problems(folder)
            if not problems:
                return Found(Kind.SENSEVOICE, folder, source)
            reasons.append(f"the copy in {folder} cannot be used ({problems[0]})")
        if self.settings.offline:
            reasons.append("no hub was asked because offline is set")
        else:
            hubs, refusals = self.reachable()
            reasons.extend(refusals)
            if hubs and not download:
                raise NotFetched(hubs[0])
            hub = self._download(hubs, reasons)
            if hub:
                return Found(Kind.SENSEVOICE, self.folder, hub.name)
        raise ModelNotFound(f"SenseVoiceSmall is not on this machine and could not be fetched: {'; '.join(reasons)}. {_HOW}")

    def bundled(self, notice: str, *, instead_of: ModelNotFound | None = None) -> Found:
        """The model of the package. Raises ``ModelNotFound``, and ``ModelCorrupt`` where a file is not as it was installed."""
        folder = bundled_folder()
        if folder is None:
            raise ModelNotFound(f"{instead_of} {_NO_BUNDLED}" if instead_of else _NO_BUNDLED)
        if problems := list(bundled_problems(self.ledger)):
            raise ModelCorrupt(problems[0])
        return Found(Kind.BUNDLED, folder, "package moonshine-voice", notice)

    def miniature(self) -> Found:
        """Our own small one. Raises ``ModelCorrupt``."""
        require_sums(_MINIATURE_FOLDER, _MINIATURE_FOLDER / "model.pt", self.ledger)
        return _MINIATURE

    def copies(self) -> Iterator[tuple[Path, str]]:
        """Folders on this machine that are SenseVoiceSmall's by their place, ours first, each with whose cache it is in."""
        if self._holds_some(self.folder):
            yield self.folder, "cache"
        for cache in self.settings.foreign_caches:
            for layout in _LAYOUTS:
                for folder in filter(self._holds_some, sorted(cache.glob(layout))):
                    yield folder, "Hugging Face's cache" if "FunAudioLLM" in layout else "ModelScope's cache"

    def _holds_some(self, folder: Path) -> bool:
        try:
            return any((folder / file.name).is_file() for file in self.files)
        except PermissionError:  # a cache that belongs to somebody else
            return False

    def problems(self, folder: Path, *, rehash: bool = False) -> list[str]:
        """What is wrong with this copy, a sentence for each file. The first look at a large file hashes it, which takes seconds."""
        largest = folder / max(self.files, key=lambda file: file.size).name
        if largest.is_file() and (rehash or self.ledger.sha256(largest) is None):
            self._say(f"Verifying {largest} ({largest.stat().st_size / 1e6:,.0f} MB).")
        return list(problems_in(folder, self.files, self.ledger, rehash=rehash))

    def reachable(self) -> tuple[list[Hub], list[str]]:
        """The hubs that answer, in order of preference, and why the others do not."""
        refusals = out_of_reach(self.hubs, self.files[0], self.settings.connect_timeout_s)
        hubs = [hub for hub, refusal in zip(self.hubs, refusals, strict=True) if refusal is None]
        return hubs, [refusal for refusal in refusals if refusal is not None]

    def _download(self, hubs: Sequence[Hub], reasons: list[str]) -> Hub | None:
        """Fetch what our cache lacks; the hub it came from, or ``None`` with the ``reasons`` added why not."""
        if not hubs:
            return None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with locked(self.folder / ".lock", self._say):
                for hub in hubs:
                    # Asked anew each time: another process, or the hub before, may have brought some of them.
                    lacking = [file for file in self.files if list(problems_in(self.folder, (file,), self.ledger))]
                    if not lacking:
                        return hub
                    try:
                        fetch(hub, lacking, self.folder, self.ledger, timeout_s=self.settings.connect_timeout_s)
                    except (ModelNotFound, ModelCorrupt) as fault:
                        reasons.append(str(fault))
                    else:
                        return hub
        except OSError as fault:
            reasons.append(f"{self.folder} cannot be written ({fault.strerror or fault}); choose another cache folder")
        return None


@dataclass(frozen=True, slots=True)
class Known:
    """A model that ``--model`` can name by any of its lower-case ``names``; the first is shown. ``find`` is told if it may download."""

    names: tuple[str, ...]
    kind: Kind
    find: Callable[[Models, bool], Found]
    hidden: bool = False


_MINIATURE_FOLDER: Final = Path(__file__).parent / "miniature"
_MINIATURE: Final = Found(
    Kind.SENSEVOICE,
    _MINIATURE_FOLDER,
    "package",
    "This is the miniature: it shows emotions and sound events, but knows a few hundred words of synthetic voices only, and no person's.",
)
_SCRIPTED: Final = Found(Kind.SCRIPTED, None, "test engine", "This is a test engine: it makes up its words.")

KNOWN: Final = (
    Known(
        ("sensevoice", "sensevoicesmall", "iic/sensevoicesmall", "funaudiollm/sensevoicesmall"),
        Kind.SENSEVOICE,
        lambda models, download: models.sensevoice(download=download),
    ),
    Known(
        ("sensevoice-int8",),
        Kind.SENSEVOICE_INT8,
        lambda models, download: replace(models.sensevoice(download=download), kind=Kind.SENSEVOICE_INT8),
    ),
    Known(("bundled", "moonshine", "moonshine-tiny-en"), Kind.BUNDLED, lambda models, download: models.bundled(f"This is {_LACKS}.")),
    Known(("miniature",), Kind.SENSEVOICE, lambda models, download: models.miniature()),
    Known(("scripted",), Kind.SCRIPTED, lambda models, download: _SCRIPTED, hidden=True),
)


def known(name: str) -> Known | None:
    """The row of ``KNOWN`` that ``name`` names, in upper or lower case."""
    return next((row for row in KNOWN if name.lower() in row.names), None)
