"""Plivo's audio streams: mu-law at 8 kHz or linear PCM at 8 or 16 kHz, times since 1970, ``extraHeaders`` as one text."""

from collections.abc import Mapping
from typing import Any, Final

from streamer.wires import Route, first_of
from streamer.wires.carrier import Carrier, Opening
from streamer.wires.loose import mapping, pairs, texts

PATH: Final = "/plivo"


class Plivo(Carrier):
    def read_start(self, message: Mapping[str, Any]) -> Opening:
        start = mapping(message, "start")
        media = mapping(start, "mediaFormat")
        return Opening(
            call=start.get("callId"),
            encoding=media.get("encoding", "audio/x-l16"),
            sample_rate=media.get("sampleRate", 8_000),
            tracks=texts(start.get("tracks")),
            parameters=pairs(message.get("extra_headers")),
        )


ROUTE: Final = Route(name="plivo", paths=(PATH,), subprotocol=first_of(), open=Plivo)
