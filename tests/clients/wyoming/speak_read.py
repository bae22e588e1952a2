"""wyoming's own reader of events and its own classes: what a file of our bytes is to them, a line of JSON each.

speak_read.py ws://unused FILE
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from wyoming.asr import Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.error import Error
from wyoming.event import read_event
from wyoming.info import Info
from wyoming.ping import Pong

KINDS = (Info, Pong, Transcript, TranscriptStart, TranscriptChunk, TranscriptStop, Error)

with Path(sys.argv[2]).open("rb") as file:
    while event := read_event(file):
        kind = next(kind for kind in KINDS if kind.is_type(event.type))
        print(json.dumps({"event": event.type, **asdict(kind.from_event(event))}))
    assert file.tell() == Path(sys.argv[2]).stat().st_size
