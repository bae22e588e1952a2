"""torch, the NVIDIA driver, whether they match, and whether each GPU counts correctly."""

import re
import subprocess
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Final

from streamer.doctor import Line, Verdict, fail, ok, warn
from streamer.engine.device import installed, triton_fault

if TYPE_CHECKING:
    import torch

_TOLERANCE: Final = 5e-3
"""Of the largest value. TF32 keeps ten bits, 1e-3; a GPU that counts wrongly is off by far more."""
_SIDE: Final = 512
NEEDED_GPU_MEMORY_GB: Final = 3.5  # 2.9 with everything recorded (docs/performance.md), and what CUDA itself takes

Run = Callable[[list[str]], str]
"""Runs a program and gives its output; raises ``OSError`` where there is none, ``subprocess.SubprocessError`` where it fails."""


@dataclass(frozen=True, slots=True)
class Driver:
    """What nvidia-smi says. ``cuda`` is the newest CUDA version that the driver serves; ``fault`` is why it says nothing."""

    version: str = ""
    cuda: str = ""
    gpus: tuple[str, ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Build:
    """What torch says. ``cuda`` is the version it was built for, ``None`` for a CPU build; ``usable`` whether it finds a GPU now."""

    version: str
    cuda: str | None
    usable: bool
    complaint: str = ""


def run_program(command: list[str]) -> str:
    """A ``Run`` that gives up after ten seconds: nvidia-smi hangs on some broken drivers."""
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout


def read_driver(run: Run = run_program) -> Driver | None:
    """The driver, or ``None`` on a machine without nvidia-smi."""
    try:
        table = run(["nvidia-smi", "--query-gpu=driver_version,name", "--format=csv,noheader"])
        rows = [row.split(",", 1) for row in table.splitlines() if "," in row]
        cuda = re.search(r"CUDA\s+(?:\w+\s+)?Version:\s*([\d.]+)", run(["nvidia-smi"]))
    except subprocess.CalledProcessError as fault:
        return Driver(fault=" ".join((fault.stdout or fault.stderr or "").split()) or str(fault))
    except subprocess.TimeoutExpired as fault:
        return Driver(fault=f"nvidia-smi did not end within {fault.timeout:g} s")
    except OSError:
        return None
    if not rows:
        return Driver(fault="nvidia-smi lists no GPU")
    return Driver(rows[0][0].strip(), cuda[1] if cuda else "", tuple(name.strip() for _, name in rows))


def read_build(torch: ModuleType) -> Build:
    """What this torch was built for, and whether it finds a GPU; its complaint about the driver comes as a warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        usable = torch.cuda.is_available()
    complaint = " ".join(str(caught[0].message).split()) if caught else ""
    return Build(torch.__version__, torch.version.cuda, usable, complaint)


def match(build: Build, driver: Driver | None, device: str) -> Iterator[Line]:
    """Whether torch and the driver fit. Where they do not, only a wish for CUDA makes it a failure: the CPU still serves."""
    bad = Verdict.FAIL if device.startswith("cuda") else Verdict.WARN
    built = f"torch {build.version}, built for {f'CUDA {build.cuda}' if build.cuda else 'the CPU'}"
    if driver is None and not build.usable:
        if device.startswith("cuda"):
            yield fail(f"{built}; no NVIDIA driver here", "install the driver (in Docker: run with `--gpus all`), or use --device cpu")
        else:
            yield ok(f"{built}; no NVIDIA driver here, so the CPU does the work")
        return
    seen = f"driver {driver.version} (up to CUDA {driver.cuda or 'unknown'})" if driver and not driver.fault else "driver"
    if build.usable:
        yield ok(f"{built}; {seen}")
    elif driver and driver.fault:
        yield Line(bad, f"{built}; nvidia-smi: {driver.fault}", "reload or reinstall the NVIDIA driver, often a reboot after its update")
    elif build.cuda is None:
        yield Line(
            bad, f"{built}, but {seen} serves a GPU that it cannot use", "install a CUDA build: https://pytorch.org/get-started/locally"
        )
    elif driver and driver.cuda and _major(driver.cuda) < _major(build.cuda):
        yield Line(
            bad,
            f"{built}, but {seen} is too old for it",
            f"update the driver, or install a torch built for CUDA {_major(driver.cuda)}: https://pytorch.org/get-started/locally",
        )
    else:
        yield Line(bad, f"{built}; {seen}; torch finds no GPU: {build.complaint or 'it does not say why'}", "see CUDA_VISIBLE_DEVICES")


def _major(number: str) -> int:
    return int(number.split(".")[0])


def accelerator(device: str) -> Iterator[Line]:
    """All of the above on this machine, then each GPU in turn."""
    if not installed("torch"):
        if device.startswith("cuda"):
            yield fail(f"torch is not installed, and --device is {device!r}", "`pip install '.[torch]'`, or use --device cpu")
        else:
            yield ok("torch is not installed: ONNX Runtime does the work, on the CPU")
        return
    import torch

    build = read_build(torch)
    yield from match(build, read_driver(), device)
    for index in range(torch.cuda.device_count() if build.usable else 0):
        name = f"cuda:{index}"
        free, total = torch.cuda.mem_get_info(index)
        yield counts(name, torch.cuda.get_device_name(index), chosen=device in ("auto", "cuda", name))
        yield room(name, free / 1e9, total / 1e9)
        yield kernels(name, triton_fault(torch.device(name)))


def counts(
    device: str, called: str, *, chosen: bool, multiply: "Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None" = None
) -> Line:
    """Allocate two matrices on ``device`` and compare their product with the CPU's in 64 bit. Not ``chosen``: a fault is only a warning."""
    import torch

    bad = Verdict.FAIL if chosen else Verdict.WARN
    random = torch.Generator().manual_seed(1)
    a, b = (torch.randn(_SIDE, _SIDE, generator=random) for _ in range(2))
    expected = a.double() @ b.double()
    try:
        product = (multiply or torch.matmul)(a.to(device), b.to(device)).cpu().double()
    except RuntimeError as fault:  # torch's way to say out of memory, no kernel for this GPU, and everything else
        said = str(fault).splitlines()[0]
        return Line(
            bad, f"{device} {called} cannot multiply: {said}", "free its memory, install a torch built for this GPU, or use --device cpu"
        )
    error = float((product - expected).abs().max() / expected.abs().max())
    if not error < _TOLERANCE:  # also when it is not a number
        return Line(bad, f"{device} {called} counts wrongly: off by {error:.2g} of the largest value", "do not use this GPU: --device cpu")
    return ok(f"{device} {called} counts correctly, to {error:.1e}", error=error)


def room(device: str, free_gb: float, total_gb: float) -> Line:
    """Whether the model and its batches fit into what other programs have left."""
    said = f"{device} has {free_gb:.1f} of {total_gb:.1f} GB free"
    if free_gb < NEEDED_GPU_MEMORY_GB:
        return warn(
            said, f"the model wants {NEEDED_GPU_MEMORY_GB:g} GB: stop other programs on it (nvidia-smi lists them)", free_gb=free_gb
        )
    return ok(said, free_gb=free_gb)


def kernels(device: str, fault: str | None) -> Line:
    """Whether the engine's own kernels can be compiled."""
    if fault:
        return warn(f"{device} is used at a fraction of its speed, because {fault}", "mend that, and the engine uses its own kernels")
    return ok(f"{device} compiles the engine's kernels")
