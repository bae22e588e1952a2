"""A folder with a SenseVoice checkpoint, as both hubs publish it, to the parts of an engine, through upstream's own classes.

No code of the checkpoint is ever run: weights are unpickled as tensors alone, and the configuration only chooses sizes.
"""

import contextlib
import json
import logging
import pickle
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streamer.core.events import SAMPLE_RATE
from streamer.engine.frontend import Layout
from streamer.engine.vocabulary import Vocabulary
from streamer.errors import ModelCorrupt, ModelNotFound

if TYPE_CHECKING:
    import torch

PULL: Final = "Pull the model again with `streamer models pull`, or name another folder with --model."
CLASSES: Final = {"model": "SenseVoiceSmall", "encoder": "SenseVoiceEncoderSmall", "frontend": "WavFrontend"}
FILTERBANK: Final = {"fs": SAMPLE_RATE, "window": "hamming", "frame_length": 25, "frame_shift": 10}
FULL_SIZE: Final = {"output_size": 512, "num_blocks": 50, "tp_blocks": 20}
WRAPPERS: Final = ("state_dict", "model_state_dict", "model")
"""Under which of these training scripts put the weights; upstream looks there too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """``model`` is upstream's ``SenseVoiceSmall``, float32, in evaluation mode; ``cmvn`` is ``[2, stack * mels]``."""

    name: str
    model: Any
    vocabulary: Vocabulary
    cmvn: "torch.Tensor"
    layout: Layout


def load(folder: Path, device: "torch.device") -> Checkpoint:
    """Read the folder. Raises ``ModelNotFound`` where a file is missing and ``ModelCorrupt`` where one is not what it should be."""
    if not folder.is_dir():
        raise ModelNotFound(f"{folder} is not a folder; expected one with config.yaml and model.pt. {PULL}")
    config = _config(_existing(folder, "config.yaml"))
    names = _file_names(folder)
    vocabulary = Vocabulary(_existing(folder, names["bpemodel"]))
    layout = _layout(config, folder)
    weights = _existing(folder, names["init_param"])
    cmvn_path = _existing(folder, names["cmvn_file"])
    with _undisturbed():
        from funasr.frontends.wav_frontend import load_cmvn
        from funasr.models.sense_voice.model import SenseVoiceSmall
    try:
        cmvn = load_cmvn(str(cmvn_path))
    except (IndexError, ValueError) as error:
        raise ModelCorrupt(f"{cmvn_path} cannot be read as means and variances ({error}). {PULL}") from error
    if tuple(cmvn.shape) != (2, layout.stack * layout.mels):
        raise ModelCorrupt(f"{cmvn_path} has shape {tuple(cmvn.shape)}, expected {(2, layout.stack * layout.mels)}. {PULL}")
    model = _filled(_empty(SenseVoiceSmall, config, vocabulary, layout, folder), weights)
    name = "SenseVoiceSmall" if FULL_SIZE.items() <= config["encoder_conf"].items() else folder.resolve().name
    return Checkpoint(name=name, model=model.to(device), vocabulary=vocabulary, cmvn=cmvn, layout=layout)


def _config(path: Path) -> dict[str, Any]:
    """The configuration, once it is sure to be that of a SenseVoice."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError  # type: ignore[import-untyped]  # its types are a package of their own

    try:
        config = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    except (OmegaConfBaseException, YAMLError, OSError, UnicodeDecodeError) as error:
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


def _file_names(folder: Path) -> dict[str, str]:
    """What the files are called: ``configuration.json`` says so, and these are upstream's names where there is none."""
    names = {"init_param": "model.pt", "bpemodel": "bpe.model", "cmvn_file": "am.mvn"}
    path = folder / "configuration.json"
    if not path.is_file():
        return names
    try:
        metas = json.loads(path.read_text(encoding="utf-8"))["file_path_metas"]
        given = {**metas, **metas.get("tokenizer_conf", {}), **metas.get("frontend_conf", {})}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelCorrupt(f"{path} does not say what the model's files are called ({error!r}). {PULL}") from error
    return {key: Path(str(given.get(key, name))).name for key, name in names.items()}


def _existing(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise ModelNotFound(f"{folder} has no {name}; found {', '.join(sorted(p.name for p in folder.iterdir())) or 'nothing'}. {PULL}")
    return path


def _empty(kind: Any, config: Mapping[str, Any], vocabulary: Vocabulary, layout: Layout, folder: Path) -> Any:
    """The model without weights: on the meta device nothing is allocated that the checkpoint would only replace."""
    import torch

    try:
        with torch.device("meta"):
            return kind(
                encoder=config["encoder"],
                encoder_conf=config["encoder_conf"],
                input_size=layout.stack * layout.mels,
                vocab_size=vocabulary.size,
                **(config.get("model_conf") or {}),
            )
    except (AssertionError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ModelCorrupt(f"{folder / 'config.yaml'} describes no model that can be built ({error!r}). {PULL}") from error


def _filled(model: Any, path: Path) -> Any:
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, LookupError, pickle.UnpicklingError) as error:
        first = str(error).splitlines()[0] if str(error) else repr(error)
        raise ModelCorrupt(f"{path} ({path.stat().st_size} bytes) cannot be read as weights ({first}). {PULL}") from error
    for wrapper in WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    for key, wanted in model.state_dict().items():
        found = state.get(key) if isinstance(state, dict) else None
        if not isinstance(found, torch.Tensor) or found.shape != wanted.shape:
            shape = tuple(found.shape) if isinstance(found, torch.Tensor) else "absent"
            raise ModelCorrupt(f"{path}: {key} is {shape}, expected {tuple(wanted.shape)}; it does not fit its config.yaml. {PULL}")
    model.load_state_dict(state, strict=False, assign=True)
    return model.float().eval().requires_grad_(False)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Importing funasr prints notices to stdout, where our results go, and sets up the root logger if nobody has done so yet."""
    root, placeholder = logging.getLogger(), logging.NullHandler()
    root.addHandler(placeholder)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        root.removeHandler(placeholder)
