"""A folder with a SenseVoice checkpoint, as both hubs publish it, to the parts of a torch engine, through upstream's own classes.

No code of the checkpoint is ever run: weights are unpickled as tensors alone.
"""

import contextlib
import logging
import pickle
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamer.engine.folder import PULL, Description, describe, existing
from streamer.engine.frontend import Layout
from streamer.engine.tensors import without_wrapper
from streamer.engine.vocabulary import Vocabulary
from streamer.errors import ModelCorrupt

if TYPE_CHECKING:
    import torch


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
    import torch

    found = describe(folder)
    model = _filled(_empty(found, folder), found.weights)
    return Checkpoint(
        name=found.name,
        model=model.to(device),
        vocabulary=found.vocabulary,
        cmvn=torch.from_numpy(found.cmvn),
        layout=found.layout,
    )


def _empty(found: Description, folder: Path) -> Any:
    """The model without weights: on the meta device nothing is allocated that the checkpoint would only replace."""
    import torch

    with _undisturbed():
        from funasr.models.sense_voice.model import SenseVoiceSmall
    config, layout = found.config, found.layout
    try:
        with torch.device("meta"):
            return SenseVoiceSmall(
                encoder=config["encoder"],
                encoder_conf=config["encoder_conf"],
                input_size=layout.stack * layout.mels,
                vocab_size=found.vocabulary.size,
                **(config.get("model_conf") or {}),
            )
    except (AssertionError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ModelCorrupt(f"{folder / 'config.yaml'} describes no model that can be built ({error!r}). {PULL}") from error


def read_state(path: Path) -> Any:
    """The weights in a file, on the CPU: a dictionary of tensors, if it is what it should be.

    Raises ``ModelNotFound`` where there is none, and ``ModelCorrupt`` where it cannot be read.
    """
    import torch

    existing(path.parent, path.name)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, LookupError, pickle.UnpicklingError) as error:
        first = str(error).splitlines()[0] if str(error) else repr(error)
        raise ModelCorrupt(f"{path} ({path.stat().st_size} bytes) cannot be read as weights ({first}). {PULL}") from error
    return without_wrapper(state)


def _filled(model: Any, path: Path) -> Any:
    import torch

    state = read_state(path)
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
