"""Files from a model hub: with a progress bar, resumed where they broke off, and given their name only when they are verified."""

import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from streamer.engine.hub import Hub, client_of, said
from streamer.engine.weights import Ledger, WeightFile, check, total_size
from streamer.errors import ModelCorrupt, ModelNotFound

_STALL_S: Final = 20.0
"""A transfer that brings nothing for so long is broken. Longer than a hub's slow first byte, shorter than patience."""
_FRUITLESS: Final = 4
"""Attempts in a row that bring nothing new, with growing pauses, before a transfer that had begun is given up."""
_SPARE_BYTES: Final = 64 << 20
"""What a download leaves free on the disk."""

Progress = Callable[[int], None]
"""Told how many bytes of the current file are here."""


class _Broken(Exception):
    """This transfer ended before its end; another attempt may bring the rest."""


def fetch(
    hub: Hub,
    files: Sequence[WeightFile],
    folder: Path,
    ledger: Ledger,
    *,
    timeout_s: float,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Bring ``files`` into ``folder``, with a progress bar on stderr; raise ``ModelNotFound`` or ``ModelCorrupt`` when the hub fails.

    What has arrived stays in ``<name>.part``, also after Ctrl-C, and the next attempt goes on from there, from whichever hub.
    """
    arrived = {file: _size(_part(folder, file)) for file in files}
    _require_room(folder, total_size(files) - sum(arrived.values()))
    with client_of(hub, timeout_s, stall_s=_STALL_S) as client, _bar(hub, total_size(files), sum(arrived.values())) as bar:
        done = 0
        for file in files:

            def progress(count: int, before: int = done) -> None:
                bar.update(before + count - bar.n)

            _fetch_file(client, hub, file, folder, progress, sleep)
            ledger.record(folder / file.name, file.sha256)
            done += file.size


def _part(folder: Path, file: WeightFile) -> Path:
    return folder / f"{file.name}.part"


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _require_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE_BYTES:
        raise ModelNotFound(
            f"{folder} has {free / 1e6:,.0f} MB free, and the download needs {(needed + _SPARE_BYTES) / 1e6:,.0f} MB; "
            "make room, or choose another cache folder"
        )


def _bar(hub: Hub, total: int, initial: int) -> Any:
    from tqdm import tqdm

    terminal = sys.stderr.isatty()
    return tqdm(
        desc=f"SenseVoiceSmall from {hub.name}",
        total=total,
        initial=initial,
        unit="B",
        unit_scale=True,
        mininterval=0.2 if terminal else 10.0,  # a log file needs no animation
        leave=terminal,
        file=sys.stderr,
    )


def _fetch_file(client: httpx.Client, hub: Hub, file: WeightFile, folder: Path, progress: Progress, sleep: Callable[[float], None]) -> None:
    part, target = _part(folder, file), folder / file.name
    while True:
        resumed = 0 < _size(part)
        _fill(client, hub, file, part, progress, sleep)
        try:
            check(part, file, shown=target)
        except ModelCorrupt as fault:
            part.unlink()
            if resumed:  # what an earlier attempt had left may be at fault: once more, from the beginning
                continue
            raise ModelCorrupt(f"{hub.name} ({hub.host}) sent a wrong file: {fault}") from fault
        part.replace(target)
        return


def _fill(client: httpx.Client, hub: Hub, file: WeightFile, part: Path, progress: Progress, sleep: Callable[[float], None]) -> None:
    """Attempt after attempt until ``part`` has the file's size. A hub that never sends a byte gets one attempt only."""
    if _size(part) > file.size:
        part.unlink()
    most, fruitless, began = _size(part), 0, False
    while _size(part) < file.size:
        try:
            _transfer(client, hub, file, part, progress)
        except (httpx.TransportError, _Broken) as fault:
            began = began or _size(part) > most
            fruitless = 0 if _size(part) > most else fruitless + 1
            most = max(most, _size(part))
            if not began or fruitless >= _FRUITLESS:
                raise ModelNotFound(
                    f"{hub.name} ({hub.host}) broke off {file.name} at {_size(part):,} of {file.size:,} bytes: {said(fault)}; "
                    "`streamer models pull sensevoice` goes on from there"
                ) from fault
            sleep(math.exp2(fruitless))
        except (httpx.HTTPError, httpx.InvalidURL) as fault:
            raise ModelNotFound(f"{hub.name} ({hub.host}) could not be asked for {file.name}: {said(fault)}") from fault


def _transfer(client: httpx.Client, hub: Hub, file: WeightFile, part: Path, progress: Progress) -> None:
    """One request: what is missing of ``part``, or all of it from a server that knows no ranges."""
    have = _size(part)
    with client.stream("GET", f"{hub.url}/{file.name}", headers={"Range": f"bytes={have}-"} if have else {}) as response:
        status = response.status_code
        if have and status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink()
            return
        if status in (429, 500, 502, 503, 504):
            raise _Broken(f"HTTP {status}")
        if status == httpx.codes.PARTIAL_CONTENT and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            raise _Broken(f"asked for bytes from {have:,}, answered {response.headers.get('Content-Range')!r}")
        if status not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            raise ModelNotFound(f"{hub.name} ({hub.host}) answered HTTP {status} for {file.name}")
        if status == httpx.codes.OK:
            have = 0
        length = response.headers.get("Content-Length", "")
        if length.isdigit() and "Content-Encoding" not in response.headers and have + int(length) != file.size:
            raise ModelCorrupt(
                f"{hub.name} ({hub.host}) offers {file.name} with {have + int(length):,} bytes, expected {file.size:,}: "
                "another version, or a page of a network that wants a login"
            )
        with part.open("ab" if have else "wb") as stream:
            for block in response.iter_bytes():
                have += stream.write(block)
                if have > file.size:
                    break  # the check that follows says so
                progress(have)
            stream.flush()
            os.fsync(stream.fileno())  # the name it gets promises that all of it is on the disk
    if have < file.size:
        raise _Broken("the transfer ended early")
