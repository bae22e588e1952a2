"""How to speak to each server: what opens a session, what audio looks like, what ends it, and which messages are text."""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import numpy as np

from streamer.core.events import SAMPLE_RATE, Samples

Message = str | bytes


class Said(StrEnum):
    """What a message is to a client that waits for its text."""

    READY = "ready"  # audio may be sent
    PARTIAL = "partial"
    FINAL = "final"
    OVER = "over"  # nothing more will come


@dataclass(frozen=True, slots=True)
class Heard:
    """``text`` is all of the session's so far where ``whole``, else one more sentence of it."""

    said: Said
    text: str = ""
    whole: bool = False


class Wire(Protocol):
    path: str
    greets: bool
    """Whether the server says something before it wants audio."""

    def opening(self, samples: Samples) -> Iterator[Message]: ...
    def audio(self, samples: Samples) -> bytes: ...
    def closing(self) -> Iterator[Message]: ...
    def read(self, message: Message) -> Iterator[Heard]: ...


class Native:
    """Ours (docs/protocol.md)."""

    path, greets = "/ws", True

    def __init__(self, *, partials: bool = True) -> None:
        self._partials = partials

    def opening(self, samples: Samples) -> Iterator[Message]:
        yield json.dumps({"type": "start", "sample_rate": SAMPLE_RATE, "partials": self._partials})

    def audio(self, samples: Samples) -> bytes:
        return samples.astype("<i2").tobytes()

    def closing(self) -> Iterator[Message]:
        yield json.dumps({"type": "stop"})

    def read(self, message: Message) -> Iterator[Heard]:
        match json.loads(message):
            case {"type": "session.created"}:
                yield Heard(Said.READY)
            case {"type": "partial", "stable": stable, "unstable": unstable}:
                yield Heard(Said.PARTIAL, stable + unstable)
            case {"type": "final", "text": text}:
                yield Heard(Said.FINAL, text)
            case {"type": "closed"}:
                yield Heard(Said.OVER)


class FunasrRealtime(Native):
    """``funasr-realtime-server``: words for commands, and all sentences again in every message."""

    path, greets = "/", True

    def opening(self, samples: Samples) -> Iterator[Message]:
        yield "START"

    def closing(self) -> Iterator[Message]:
        yield "STOP"

    def read(self, message: Message) -> Iterator[Heard]:
        match json.loads(message):
            case {"event": "started"}:
                yield Heard(Said.READY)
            case {"event": "stopped"}:
                yield Heard(Said.OVER)
            case {"sentences": sentences, "partial": partial, "is_final": final}:
                text = "".join(sentence["text"] for sentence in sentences) + partial
                yield Heard(Said.FINAL if final else Said.PARTIAL, text, whole=True)


class SherpaOffline:
    """sherpa-onnx's offline server: how much will come, samples as float32, and one answer when all of them are there."""

    path, greets = "/", False

    def opening(self, samples: Samples) -> Iterator[Message]:
        yield struct.pack("<ii", SAMPLE_RATE, 4 * len(samples))

    def audio(self, samples: Samples) -> bytes:
        return (samples.astype("<f4") / np.float32(32768)).tobytes()

    def closing(self) -> Iterator[Message]:
        return iter(())

    def read(self, message: Message) -> Iterator[Heard]:
        yield Heard(Said.FINAL, json.loads(message)["text"])
        yield Heard(Said.OVER)


class WhisperLiveKit(Native):
    """``/asr`` of a server with ``--pcm-input``: what is shown now, again and again; an empty message ends it."""

    path, greets = "/asr", True

    def opening(self, samples: Samples) -> Iterator[Message]:
        return iter(())

    def closing(self) -> Iterator[Message]:
        yield b""

    def read(self, message: Message) -> Iterator[Heard]:
        match json.loads(message):
            case {"type": "config"}:
                yield Heard(Said.READY)
            case {"type": "ready_to_stop"}:  # only now is what was shown last known to be final
                yield Heard(Said.FINAL)
                yield Heard(Said.OVER)
            case {"lines": lines, **rest}:
                yield Heard(Said.PARTIAL, _shown(lines) + str(rest.get("buffer_transcription") or ""), whole=True)


def _shown(lines: list[dict[str, Any]]) -> str:
    return "".join(line.get("text") or "" for line in lines)
