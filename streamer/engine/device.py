"""Which devices a server's engines run on, and how exactly they multiply there."""

import re
from enum import StrEnum
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from streamer.errors import ConfigurationError

if TYPE_CHECKING:
    import torch


class Precision(StrEnum):
    """How matrix products are computed: as upstream does; with 10 bits of mantissa for their factors; with 7, and half the memory."""

    FLOAT32 = "float32"
    TF32 = "tf32"
    BFLOAT16 = "bfloat16"


PRECISIONS: Final = ("auto", *Precision)
AMPERE: Final = (8, 0)
"""The first compute capability with TF32 and bfloat16."""

EXPECTED: Final = "auto, cpu, cuda, cuda:N or cuda:all, or several of them with commas between"
NAME: Final = re.compile(r"auto|cpu|cuda(:(\d+|all))?")


def device_names(text: str) -> list[str]:
    """The names in a list such as ``cuda:0,cuda:1``; none where one of them is no device's name."""
    names = [name.strip() for name in text.split(",")]
    return names if all(map(NAME.fullmatch, names)) else []


def devices(text: str) -> tuple[str, ...]:
    """One name for each engine; ``cuda:all`` is every CUDA device that torch sees. Raises ``ConfigurationError``."""
    names = device_names(text)
    if not names:
        raise ConfigurationError(f"--device is {text!r}, expected {EXPECTED}.")
    return tuple(device for name in names for device in (_every_cuda() if name == "cuda:all" else (name,)))


def _every_cuda() -> tuple[str, ...]:
    if not installed("torch"):
        raise ConfigurationError("--device is 'cuda:all', and torch is not installed: pip install '.[torch]'")
    import torch

    count = torch.cuda.device_count()
    if not count:
        raise ConfigurationError("--device is 'cuda:all', but torch sees no CUDA device; use --device cpu. `streamer doctor` says why.")
    return tuple(f"cuda:{number}" for number in range(count))


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


def choose_precision(name: str, device: "torch.device") -> Precision:
    """``auto`` to what docs/performance.md finds best there; anything else must be possible. Raises ``ConfigurationError``."""
    import torch

    fast = device.type == "cuda" and torch.cuda.get_device_capability(device) >= AMPERE
    if name == "auto":
        return Precision.TF32 if fast else Precision.FLOAT32
    if name not in tuple(Precision):
        raise ConfigurationError(f"--precision is {name!r}, expected {', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}.")
    if name != Precision.FLOAT32 and not fast:
        raise ConfigurationError(f"--precision is {name!r}, which {device} cannot do (Ampere or newer can); expected auto or float32.")
    return Precision(name)


def triton_fault(device: "torch.device") -> str | None:
    """What keeps Triton from compiling our kernels for this device; ``None`` where it can."""
    if not installed("triton"):
        return "triton is not installed: pip install triton"
    import torch

    from streamer.engine import kernels

    try:
        with torch.cuda.device(device):
            kernels.best(torch.empty(1, dtype=torch.int32, device=device), torch.empty(1, device=device), torch.zeros(1, 2, device=device))
    except Exception as error:  # noqa: BLE001 - a compiler may fail in any way; the slower pass is there
        reason = (str(error) or "no reason given").splitlines()[0]
        return f"Triton cannot compile a kernel ({type(error).__name__}: {reason}); it needs a C compiler such as gcc"
    return None
