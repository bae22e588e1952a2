"""The judges by name. Each is imported when it is chosen."""

from typing import Final

from streamer.errors import ConfigurationError
from streamer.vad import Judge

NAMES: Final = ("silero", "webrtc")
DEFAULT: Final = "silero"


def choose_judge(name: str = DEFAULT) -> Judge:
    """A judge that is ready. Raises ``ConfigurationError`` for another name, and where its package is missing."""
    match name:
        case "silero":
            from streamer.vad.silero import Silero

            return Silero()
        case "webrtc":
            from streamer.vad.webrtc import WebRtc

            return WebRtc()
        case _:
            raise ConfigurationError(f"the voice detector is {name!r}, expected one of {', '.join(NAMES)}")
