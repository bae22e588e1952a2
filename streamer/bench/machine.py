"""On what the figures were measured, and a table as Markdown."""

import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

PACKAGES: Final = ("torch", "onnxruntime", "websockets", "uvloop", "numpy")


def machine() -> dict[str, Any]:
    """Processor, cores this process may use, memory, and versions. Loads nothing; a GPU is named by the engine that uses it."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": dict(_versions()),
    }


def gpu_name(device: str) -> str | None:
    """The device's own name, where an engine that runs on CUDA has loaded torch."""
    torch = sys.modules.get("torch")
    return str(torch.cuda.get_device_name(device)) if torch and device.startswith("cuda") else None


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; ``None`` is shown as a dash, and numbers to the right."""
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join("---:" if _numeric(rows, n) else "---" for n in range(len(head))) + "|"]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def spread(values: Mapping[str, float | None]) -> str:
    """Percentiles in one cell."""
    return " / ".join(_cell(value) for value in values.values())


def _numeric(rows: Sequence[Sequence[object]], column: int) -> bool:
    return all(isinstance(row[column], int | float | None) for row in rows)


def _cell(value: object) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
        case _:
            return str(value)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = (
        [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    )
    return names[0] if names else platform.processor() or platform.machine()


def _versions() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
