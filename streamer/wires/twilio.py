"""Twilio's Media Streams, ``<Start><Stream>`` and ``<Connect><Stream>``: mu-law at 8 kHz, numbers as text.

Twilio takes no query in a stream's address; its ``<Parameter>`` elements come as ``customParameters``.
"""

from collections.abc import Mapping
from typing import Any, Final

from streamer.wires import Route, first_of
from streamer.wires.carrier import Carrier, Opening
from streamer.wires.loose import mapping, pairs, texts

PATH: Final = "/twilio"


class Twilio(Carrier):
    def read_start(self, message: Mapping[str, Any]) -> Opening:
        start = mapping(message, "start")
        media = mapping(start, "mediaFormat")
        return Opening(
            call=start.get("callSid"),
            encoding=media.get("encoding", "audio/x-mulaw"),
            sample_rate=media.get("sampleRate", 8_000),
            channels=media.get("channels", 1),
            tracks=texts(start.get("tracks")),
            parameters=pairs(start.get("customParameters")),
        )


ROUTE: Final = Route(name="twilio", paths=(PATH,), subprotocol=first_of(), open=Twilio)
