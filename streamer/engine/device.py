"""Which device an engine runs on."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from streamer.errors import ConfigurationError

if TYPE_CHECKING:
    import torch


def installed(*packages: str) -> bool:
    """Whether these packages are here. Imports none of them."""
    return all(find_spec(package) for package in packages)


def means_cpu(name: str) -> bool:
    """Whether ``auto``, or what it stands for here, is the CPU."""
    if name == "auto" and installed("torch"):
        return choose_device(name).type == "cpu"
    return name in ("auto", "cpu")


def choose_device(name: str) -> "torch.device":
    """``auto`` to what is there; anything else must be there. Raises ``ConfigurationError``."""
    import torch

    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigurationError(f"--device is {name!r}, expected auto, cpu, cuda or cuda:N.") from error
    if device.type not in ("cpu", "cuda"):
        raise ConfigurationError(f"--device is {name!r}, expected auto, cpu, cuda or cuda:N.")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        raise ConfigurationError(
            f"--device is {name!r}, but torch sees {count} CUDA devices; expected one of those, or cpu. `streamer doctor` says why."
        )
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device
