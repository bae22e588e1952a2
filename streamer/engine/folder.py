"""What a folder with SenseVoice weights tells beside them: sizes, normalisation, vocabulary. Read alike for every engine, without torch.

The configuration only chooses sizes: nothing that it names is ever imported or run.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamer.core.events import SAMPLE_RATE
from streamer.engine.frontend import Layout
from streamer.engine.vocabulary import Vocabulary
from streamer.errors import ModelCorrupt, ModelNotFound

PULL: Final = "Pull the model again with `streamer models pull`, or name another folder with --model."
CLASSES: Final = {"model": "SenseVoiceSmall", "encoder": "SenseVoiceEncoderSmall", "frontend": "WavFrontend"}
FILTERBANK: Final = {"fs": SAMPLE_RATE, "window": "hamming", "frame_length": 25, "frame_shift": 10}
FULL_SIZE: Final = {"output_size": 512, "num_blocks": 50, "tp_blocks": 20}
DEFAULTS: Final = {
    "output_size": 256,
    "attention_heads": 4,
    "linear_units": 2048,
    "num_blocks": 6,
    "tp_blocks": 0,
    "kernel_size": 11,
    "sanm_shfit": 0,
    "normalize_before": True,
    "concat_after": False,
}
"""Of upstream's encoder, where config.yaml says nothing."""
EPSILON: Final = 1e-5
"""Of its normalisations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Of the encoder: its first layer is one of ``blocks``, ``last_blocks`` follow after a normalisation."""

    width: int
    heads: int
    hidden: int
    blocks: int
    last_blocks: int
    kernel: int
    left: int
    """Rows before its own that the memory block sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """``cmvn`` is ``[2, stack * mels]``: what to add to a row of features and then what to multiply it by.

    ``config`` has its ``encoder_conf``; ``files`` are those that it was read from, and ``weights`` is where the weights should be.
    """

    name: str
    config: Mapping[str, Any]
    vocabulary: Vocabulary
    cmvn: npt.NDArray[np.float32]
    layout: Layout
    files: tuple[Path, ...]
    weights: Path


def describe(folder: Path) -> Description:
    """Read the folder. Raises ``ModelNotFound`` where a file is missing and ``ModelCorrupt`` where one is not what it should be."""
    if not folder.is_dir():
        raise ModelNotFound(f"{folder} is not a folder; expected one with config.yaml and model.pt. {PULL}")
    names = _file_names(folder)
    files = tuple(existing(folder, name) for name in ("config.yaml", names["bpemodel"], names["cmvn_file"]))
    config = _config(files[0])
    layout = _layout(config, folder)
    return Description(
        name="SenseVoiceSmall" if FULL_SIZE.items() <= config["encoder_conf"].items() else folder.resolve().name,
        config=config,
        vocabulary=Vocabulary(files[1]),
        cmvn=_cmvn(files[2], layout),
        layout=layout,
        files=files,
        weights=folder / names["init_param"],
    )


def sizes_of(found: Description) -> Sizes:
    """What ``encoder_conf`` says. Raises ``ModelCorrupt`` where no model can be built of it."""
    config = DEFAULTS | dict(found.config["encoder_conf"])
    counts = [config[name] for name in ("output_size", "attention_heads", "linear_units", "num_blocks", "kernel_size")]
    whole = all(isinstance(count, int) and count > 0 for count in counts)
    if not whole or counts[0] % counts[1] or not config["normalize_before"] or config["concat_after"]:
        place = found.weights.parent / "config.yaml"
        raise ModelCorrupt(f"{place} describes no model that can be built (encoder_conf is {found.config['encoder_conf']}). {PULL}")
    width, heads, hidden, blocks, kernel = counts
    return Sizes(
        width=width,
        heads=heads,
        hidden=hidden,
        blocks=blocks,
        last_blocks=config["tp_blocks"],
        kernel=kernel,
        left=(kernel - 1) // 2 + config["sanm_shfit"],
    )


def existing(folder: Path, name: str) -> Path:
    """The file of this name. Raises ``ModelNotFound``."""
    path = folder / name
    if not path.is_file():
        raise ModelNotFound(f"{folder} has no {name}; found {', '.join(sorted(p.name for p in folder.iterdir())) or 'nothing'}. {PULL}")
    return path


def _config(path: Path) -> dict[str, Any]:
    """The configuration, once it is sure to be that of a SenseVoice."""
    import yaml  # type: ignore[import-untyped]  # its types are a package of their own

    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise ModelCorrupt(f"{path} cannot be read ({error}). {PULL}") from error
    if not isinstance(config, dict):
        raise ModelCorrupt(f"{path} holds no settings. {PULL}")
    for key, expected in CLASSES.items():
        if config.get(key) != expected:
            raise ModelCorrupt(f"{path}: {key} is {config.get(key)!r}, expected {expected!r}; this is another kind of model. {PULL}")
    if not isinstance(config.get("encoder_conf"), dict):
        raise ModelCorrupt(f"{path}: encoder_conf is missing, expected the encoder's sizes. {PULL}")
    return {str(key): value for key, value in config.items()}


def _layout(config: Mapping[str, Any], folder: Path) -> Layout:
    wanted = FILTERBANK | (config.get("frontend_conf") or {})
    for key, expected in FILTERBANK.items():
        if wanted[key] != expected:
            raise ModelCorrupt(f"{folder / 'config.yaml'}: frontend_conf.{key} is {wanted[key]!r}, expected {expected!r}. {PULL}")
    return Layout(mels=wanted.get("n_mels", 80), stack=wanted.get("lfr_m", 1), stride=wanted.get("lfr_n", 1))


def _cmvn(path: Path, layout: Layout) -> npt.NDArray[np.float32]:
    """Kaldi's text: each of the two components has its values in brackets."""
    parts = dict(re.findall(r"<(AddShift|Rescale)>[^\[]*\[([^\]]*)\]", path.read_text(encoding="utf-8", errors="replace")))
    width = layout.stack * layout.mels
    try:
        rows = [np.array(parts[name].split(), np.float64) for name in ("AddShift", "Rescale")]
    except (KeyError, ValueError) as error:
        raise ModelCorrupt(f"{path} cannot be read as means and variances ({error!r}). {PULL}") from error
    if [len(row) for row in rows] != [width, width]:
        raise ModelCorrupt(f"{path} has {len(rows[0])} means and {len(rows[1])} variances, expected {width} of each. {PULL}")
    return np.stack(rows).astype(np.float32)


def _file_names(folder: Path) -> dict[str, str]:
    """What the files are called: ``configuration.json`` says so, and these are upstream's names where there is none."""
    tokenizers = sorted(path.name for path in folder.glob("*bpe.model"))
    names = {"init_param": "model.pt", "bpemodel": tokenizers[0] if tokenizers else "bpe.model", "cmvn_file": "am.mvn"}
    path = folder / "configuration.json"
    if not path.is_file():
        return names
    try:
        metas = json.loads(path.read_text(encoding="utf-8"))["file_path_metas"]
        given = {**metas, **metas.get("tokenizer_conf", {}), **metas.get("frontend_conf", {})}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelCorrupt(f"{path} does not say what the model's files are called ({error!r}). {PULL}") from error
    return {key: Path(str(given.get(key, name))).name for key, name in names.items()}
