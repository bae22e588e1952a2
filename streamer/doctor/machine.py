"""The machine and the packages: Python, cores, memory, decoders, the port, the disk."""

import importlib
import os
import platform
import shutil
import socket
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from streamer import __version__
from streamer.doctor import Line, fail, ok, warn
from streamer.engine.device import installed

NEEDED_MEMORY_GB: Final = 2.5
"""SenseVoiceSmall in 32 bit, torch, and room to load it."""

PACKAGES: Final = (
    ("numpy", "numpy"),
    ("webrtcvad", "webrtcvad-wheels"),
    ("soxr", "soxr"),
    ("msgpack", "msgpack"),
    ("websockets", "websockets"),
    ("uvloop", "uvloop"),
    ("prometheus_client", "prometheus-client"),
)
"""What is imported, and the package that brings it."""

DECODERS: Final = ("mp3", "aac", "flac", "opus", "vorbis")


def python(found: Sequence[int] = sys.version_info[:3]) -> Iterator[Line]:
    """Python and our own version."""
    said = f"{'.'.join(map(str, found))} ({sys.executable}), streamer {__version__}"
    if tuple(found) >= (3, 11):
        yield ok(said)
    else:
        yield fail(said, "streamer needs Python 3.11 or newer; make a new virtual environment with one")


def machine(cores: float | None = None, memory_bytes: int | None = None, cgroup: Path = Path("/sys/fs/cgroup")) -> Iterator[Line]:
    """System, cores and memory, as far as this process may use them. ``None`` asks the system."""
    cores = min(cores or _cores(), _cgroup_cores(cgroup))
    memory = min(memory_bytes or _memory(), _cgroup_memory(cgroup))
    yield ok(platform.platform())
    if cores >= 2:
        yield ok(f"{cores:g} cores", cores=cores)
    else:
        yield warn(f"{cores:g} cores", "the socket and the model share it: give this machine or container 2 or more", cores=cores)
    gb = memory / 1e9
    if gb >= NEEDED_MEMORY_GB:
        yield ok(f"{gb:.1f} GB memory", memory_gb=gb)
    else:
        yield warn(
            f"{gb:.1f} GB memory", f"SenseVoiceSmall needs about {NEEDED_MEMORY_GB} GB; `--model bundled` needs 0.5 GB", memory_gb=gb
        )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> int:
    if sys.platform == "win32":
        return sys.maxsize  # not told by the standard library: then it is not judged
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _cgroup_cores(cgroup: Path) -> float:
    quota, period = (_words(cgroup / "cpu.max") or ["max", "100000"])[:2]
    return float("inf") if quota == "max" else int(quota) / int(period)


def _cgroup_memory(cgroup: Path) -> float:
    limit = (_words(cgroup / "memory.max") or ["max"])[0]
    return float("inf") if limit == "max" else int(limit)


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except OSError:
        return []


def packages(needed: Sequence[tuple[str, str]] = PACKAGES) -> Iterator[Line]:
    """Everything light that the server imports, each by itself."""
    good = []
    for module, package in needed:
        if module == "uvloop" and sys.platform == "win32":
            continue  # it has no build for Windows, and asyncio's own loop serves there
        try:
            importlib.import_module(module)
        except ImportError as fault:
            yield fail(f"{module} cannot be imported: {fault}", f"`pip install --force-reinstall {package}`")
        else:
            good.append(f"{module} {_version(package)}")
    if good:
        yield ok(", ".join(good))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(version unknown)"


def funasr() -> Iterator[Line]:
    """The package that holds SenseVoiceSmall's model class; its import pulls in much else that can be broken."""
    if not installed("torch"):
        yield ok("funasr is not installed: only torch needs it")
        return
    importlib.import_module("funasr")
    yield ok(f"funasr {_version('funasr')}")


def decoders(needed: Sequence[str] = DECODERS) -> Iterator[Line]:
    """What PyAV's ffmpeg can decode."""
    import av
    from av.codec.codec import UnknownCodecError

    lacking = []
    for name in needed:
        try:
            av.Codec(name, "r")
        except UnknownCodecError:
            lacking.append(name)
    said = f"PyAV {av.__version__}"
    if lacking:
        yield warn(
            f"{said} cannot decode {', '.join(lacking)}", "such files are refused; `pip install --force-reinstall av` brings a full build"
        )
    else:
        yield ok(f"{said} decodes {', '.join(needed)}")


def port(host: str, number: int) -> Iterator[Line]:
    """Whether the server could listen where it is told to."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host or None, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        socket.create_server(address[:2], family=family).close()  # of IPv6's four the first two do
    except OSError as fault:
        if fault.errno in (getattr(os, "EADDRINUSE", 98), 48, 98, 10048):
            yield warn(f"{host}:{number} is taken", "fine if this is streamer itself; else stop the other program or choose another --port")
        else:
            yield fail(f"{host}:{number} cannot be listened on: {fault.strerror or fault}", "choose another --host or --port")
    else:
        yield ok(f"{host}:{number} is free")


def disk(cache: Path, needed_bytes: int) -> Iterator[Line]:
    """Room and permission where weights are kept. ``needed_bytes`` is what a download would take."""
    place = next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())
    free_gb = shutil.disk_usage(place).free / 1e9
    if not place.is_dir() or not os.access(place, os.W_OK):
        yield warn(
            f"cache {cache} cannot be written", "weights cannot be fetched, and are verified anew at each start: mend its permissions"
        )
    elif free_gb * 1e9 < needed_bytes:
        yield warn(
            f"cache {cache} has {free_gb:.1f} GB free", f"a download needs {needed_bytes / 1e9:.1f} GB: make room there", free_gb=free_gb
        )
    else:
        yield ok(f"cache {cache} has {free_gb:.1f} GB free", free_gb=free_gb)
