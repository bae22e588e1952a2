"""From found weights to the engine that runs them."""

from typing import assert_never

from streamer.engine import Engine
from streamer.engine.models import Found, Kind
from streamer.errors import ModelNotFound


def load_engine(found: Found, device: str) -> Engine:
    """Load the model on ``device`` (``auto``, ``cpu``, ``cuda:0``), in the thread that will own it. Takes seconds; warms nothing up."""
    match found.kind:
        case Kind.SENSEVOICE:
            from streamer.engine.sensevoice import SenseVoice

            if found.path is None:
                raise ModelNotFound("SenseVoice needs the folder of its weights, and none was given")
            return SenseVoice(found.path, device=device, notice=found.notice)
        case Kind.BUNDLED:
            from streamer.engine.bundled import Bundled

            return Bundled(found.notice)
        case Kind.SCRIPTED:
            from streamer.engine.scripted import Scripted

            return Scripted()
        case _:
            assert_never(found.kind)
