"""What was said in one recording, from its finals, and how to write it down: txt, json, jsonl; srt and vtt are in subtitles. Pure."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from streamer.core import events
from streamer.subtitles import Spoken, srt, vtt


@dataclass(frozen=True, slots=True, kw_only=True)
class Line(Spoken):
    """One final. ``data`` is all of it, as on the native wire, without ``type``."""

    data: Mapping[str, Any]

    @classmethod
    def of(cls, final: events.Final | Mapping[str, Any], names: Sequence[str] = ()) -> Self:
        """From a session's message, or from the wire's object. ``names`` are those of the channels, or none."""
        data = asdict(final) if isinstance(final, events.Final) else {name: value for name, value in final.items() if name != "type"}
        return cls(
            text=" ".join(data["text"].split()),
            begin_ms=data["begin_ms"],
            end_ms=data["end_ms"],
            channel=data["channel"],
            words=tuple((word["text"], word["begin_ms"]) for word in data["words"]),
            name=" ".join(names[data["channel"]].split()) if data["channel"] < len(names) else "",
            data=data,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """One recording. ``lines`` in the order in which they began; ``duration_ms`` is how much audio was heard."""

    source: str
    model: str
    duration_ms: int
    lines: tuple[Line, ...]

    @classmethod
    def of(
        cls,
        finals: Sequence[events.Final | Mapping[str, Any]],
        *,
        source: str,
        model: str,
        duration_ms: int,
        names: Sequence[str] = (),
    ) -> Self:
        lines = sorted((Line.of(final, names) for final in finals), key=lambda line: (line.begin_ms, line.channel))
        return cls(source=source, model=model, duration_ms=duration_ms, lines=tuple(lines))

    @property
    def channels(self) -> int:
        """How many channels spoke: a reader wants them named when there are several."""
        return len({line.channel for line in self.lines if line.text})

    @property
    def text(self) -> str:
        """One line per final that has words."""
        named = self.channels > 1
        return "\n".join(f"{line.speaker}: {line.text}" if named else line.text for line in self.lines if line.text)


def txt(transcript: Transcript) -> str:
    return transcript.text + "\n" if transcript.text else ""


def as_object(transcript: Transcript) -> dict[str, Any]:
    """Everything that is known, for json."""
    return {
        "file": transcript.source,
        "model": transcript.model,
        "duration_ms": transcript.duration_ms,
        "text": transcript.text,
        "segments": [dict(line.data) for line in transcript.lines],
    }


def to_json(transcript: Transcript) -> str:
    return json.dumps(as_object(transcript), ensure_ascii=False, indent=2) + "\n"


def jsonl(transcript: Transcript) -> str:
    """One object per final, each with its file, so that several transcripts can follow each other."""
    return "".join(jsonl_line(transcript.source, line) for line in transcript.lines)


def jsonl_line(source: str, line: Line) -> str:
    return json.dumps({"file": source, **line.data}, ensure_ascii=False) + "\n"


FORMATS: Final[Mapping[str, Callable[[Transcript], str]]] = {
    "txt": txt,
    "json": to_json,
    "jsonl": jsonl,
    "srt": lambda transcript: srt(transcript.lines),
    "vtt": lambda transcript: vtt(transcript.lines),
}
