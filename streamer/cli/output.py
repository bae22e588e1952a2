"""Where transcripts go: standard output, one file, or a folder of files."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Final, Protocol, TextIO

from streamer.errors import ConfigurationError
from streamer.transcript import FORMATS, Line, Transcript, as_object, jsonl_line

ONE_EACH: Final = ("srt", "vtt")  # subtitles are numbered and timed by their own recording


class Output(Protocol):
    """Takes the transcripts in the order of the files. Whatever cannot be written raises ``ConfigurationError``."""

    def line(self, source: str, line: Line) -> None:
        """One final more of the recording whose turn it is, before its end."""

    def end(self, transcript: Transcript) -> None:
        """All of it."""

    def close(self) -> None:
        """No more is coming."""


Room = Callable[[], AbstractContextManager[None]]
"""Entered while standard output is written to, so that whatever else is shown on the terminal makes room."""


def open_output(files: Sequence[Path], name: str | None, output: str | None, room: Room) -> Output:
    """Choose by what was asked for. Raises ``ConfigurationError`` before anything is decoded."""
    target = Path(output or "-")
    suffix = target.suffix[1:].lower()
    name = name or (suffix if suffix in FORMATS else "txt")
    if target == Path("-"):
        _require_one(files, name, "--output FOLDER")
        return Stream(None, name, several=len(files) > 1, room=room)
    if target.is_dir() or str(output).endswith("/") or (not suffix and len(files) > 1):
        return Folder(target, name, files)
    _require_one(files, name, "a folder in place of the file")
    if not target.absolute().parent.is_dir():
        raise ConfigurationError(f"--output is {target}, but there is no folder {target.absolute().parent}; make it first")
    _spare_inputs(files, [target])
    return Stream(target, name, several=len(files) > 1, room=nullcontext)


def _require_one(files: Sequence[Path], name: str, instead: str) -> None:
    if len(files) > 1 and name in ONE_EACH:
        raise ConfigurationError(f"{len(files)} files cannot share one {name}: give {instead}")


def _spare_inputs(files: Sequence[Path], targets: Sequence[Path]) -> None:
    inputs = {file.resolve() for file in files}
    for target in targets:
        if target.resolve() in inputs:
            raise ConfigurationError(f"the transcript would overwrite its own recording, {target}; give another --output")


class Stream:
    """All transcripts in one stream: standard output, or a file that is created when there is something to write.

    txt and jsonl are written line by line, so that a long recording can be read while it is transcribed, and is not lost when stopped.
    """

    def __init__(self, target: Path | None, name: str, *, several: bool, room: Room) -> None:
        self._target, self._name, self._several, self._room = target, name, several, room
        self._file: TextIO | None = None
        self._written: str | None = None  # whose lines were written as they came
        self._objects: list[object] = []

    def line(self, source: str, line: Line) -> None:
        match self._name:
            case "jsonl":
                self._write(jsonl_line(source, line))
            case "txt" if line.text:
                self._head(source)
                self._write(line.text + "\n")
            case _:
                return
        self._written = source

    def end(self, transcript: Transcript) -> None:
        if self._written == transcript.source:
            self._written = None
        elif self._name == "json" and self._several:
            self._objects.append(as_object(transcript))
        else:
            if self._name == "txt":
                self._head(transcript.source)
            self._write(FORMATS[self._name](transcript))

    def close(self) -> None:
        if self._objects:
            self._write(json.dumps(self._objects, ensure_ascii=False, indent=2) + "\n")
        if self._file:
            self._file.close()

    def _head(self, source: str) -> None:
        if self._several and self._written != source:
            self._write(f"== {source} ==\n")

    def _write(self, text: str) -> None:
        if self._target and not self._file:
            with _writing(self._target):
                self._file = self._target.open("w", encoding="utf-8")
        stream = self._file or sys.stdout
        with self._room():
            stream.write(text)
            stream.flush()


class Folder:
    """One file each, named like its recording, written when it is complete."""

    def __init__(self, folder: Path, name: str, files: Sequence[Path]) -> None:
        self._folder, self._name = folder, name
        stems = Counter(file.stem for file in files)
        # talk.mp3 and talk.wav would both be talk.txt.
        self._targets = {str(file): folder / f"{file.stem if stems[file.stem] == 1 else file.name}.{name}" for file in files}
        for target, count in Counter(self._targets.values()).items():
            if count > 1:
                raise ConfigurationError(f"{count} recordings would all be written to {target}; transcribe them one folder at a time")
        _spare_inputs(files, list(self._targets.values()))

    def line(self, source: str, line: Line) -> None:
        """Nothing yet: a file is written when it is complete."""

    def end(self, transcript: Transcript) -> None:
        target = self._targets[transcript.source]
        with _writing(target):
            self._folder.mkdir(parents=True, exist_ok=True)
            target.write_text(FORMATS[self._name](transcript), encoding="utf-8")

    def close(self) -> None:
        """Each file was closed when it was written."""


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"{target} cannot be written: {error.strerror}; give another --output") from error
