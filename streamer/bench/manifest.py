"""A folder of recordings with a ``manifest.csv``: what can be scored, and what cannot with the reason.

Columns are found by name, in any order: ``file`` (or path, audio, filename, wav), ``kind``, ``label`` (or transcript, text),
``lang`` (or language). Others are not read: what the file really is decides, not what the manifest says of its rate or codec.
"""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from streamer.bench.labels import Labels, Row, Unusable, language_code, read_labels
from streamer.core.events import Samples
from streamer.errors import ConfigurationError, MediaError
from streamer.media import decode_file

NAME: Final = "manifest.csv"
COLUMNS: Final = {
    "file": ("file", "path", "audio", "filename", "wav", "audio_filepath"),
    "kind": ("kind", "type"),
    "label": ("label", "labels", "transcript", "text", "sentence"),
    "lang": ("lang", "language", "locale"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A recording's audio, int16 ``[channels, n]`` at 16 kHz, and a sentence where it is not all there."""

    samples: Samples
    warning: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One recording. ``load`` raises ``MediaError``."""

    name: str
    labels: Labels
    load: Callable[[], Sound]


@dataclass(frozen=True, slots=True)
class Corpus:
    """What is to be measured. ``skipped`` tells of each thing left out why."""

    items: tuple[Item, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)


def read_manifest(folder: Path) -> Corpus:
    """Raises ``ConfigurationError`` where there is no manifest that can be read at all."""
    path = folder / NAME
    if not path.is_file():
        raise ConfigurationError(f"{folder} has no {NAME}; expected a folder with one, whose columns are file, kind, label and lang")
    try:
        # Whatever is wrong with one line must not cost the others.
        text = path.read_text(encoding="utf-8-sig", errors="replace").replace("\0", "")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}; check that you may read it") from error
    head = text.split("\n", 1)[0]
    delimiter = max(",\t;", key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = {name.strip().lower(): name for name in reader.fieldnames or () if name}
    found = {ours: next((columns[name] for name in names if name in columns), None) for ours, names in COLUMNS.items()}
    if found["file"] is None:
        raise ConfigurationError(f"{path} has the columns {', '.join(columns) or 'none'}; expected one named file")
    items: dict[str, Item] = {}
    skipped: dict[str, str] = {}
    for number, line in enumerate(reader, 2):
        cells = {ours: (line.get(name) or "").strip() if name else "" for ours, name in found.items()}
        name = cells["file"].replace("\\", "/") or f"line {number}"
        if name in items:
            skipped[f"{name} (line {number})"] = "it is in the manifest already"
            continue
        try:
            items[name] = _item(folder, name, cells)
        except Unusable as reason:
            skipped[name] = str(reason)
    return Corpus(tuple(items.values()), skipped)


def _item(folder: Path, name: str, cells: Mapping[str, str]) -> Item:
    if not cells["file"]:
        raise Unusable("it names no file")
    path = folder / name
    kind = cells["kind"] or "transcript"
    language = language_code(cells["lang"])
    labels = read_labels(Row(path, folder, kind, cells["label"], language))
    return Item(name=name, labels=labels, load=partial(load, path, apart=labels.apart))


def load(path: Path, *, apart: bool = False) -> Sound:
    """All of a file, its channels mixed into one or kept ``apart``. Raises ``MediaError``."""
    with decode_file(path, channels=None if apart else 1) as audio:
        blocks = list(audio)
        warning = audio.warning
    if not blocks:
        raise MediaError(f"{path} holds no sound, expected at least a fraction of a second; was it copied to the end?")
    return Sound(np.concatenate(blocks, axis=1), warning)
