"""Exotel's Stream and Voicebot applets: linear PCM in packets of about 100 ms, one track where nothing else is said."""

from collections.abc import Mapping
from typing import Any, Final

from streamer.wires import Route, first_of
from streamer.wires.carrier import Carrier, Opening
from streamer.wires.loose import mapping, pairs

PATH: Final = "/exotel"


class Exotel(Carrier):
    def read_start(self, message: Mapping[str, Any]) -> Opening:
        start = mapping(message, "start")
        media = mapping(start, "media_format")
        return Opening(
            call=start.get("call_sid"),
            encoding=media.get("encoding") or "audio/x-raw",
            sample_rate=media.get("sample_rate", 8_000),
            parameters=pairs(start.get("custom_parameters")),
        )


ROUTE: Final = Route(name="exotel", paths=(PATH,), subprotocol=first_of(), open=Exotel)
