"""Telnyx's media streaming: PCMU, PCMA or L16, packets in any order, and a ``start`` that does not say which tracks will come.

So both have a channel, unless ``?track=`` says otherwise.
"""

from collections.abc import Mapping
from typing import Any, Final

from streamer.wires import Route, first_of
from streamer.wires.carrier import Carrier, Opening
from streamer.wires.carrier_options import BOTH
from streamer.wires.loose import mapping, pairs

PATH: Final = "/telnyx"


class Telnyx(Carrier):
    def read_start(self, message: Mapping[str, Any]) -> Opening:
        start = mapping(message, "start")
        media = mapping(start, "media_format")
        return Opening(
            call=start.get("call_control_id"),
            encoding=media.get("encoding", "PCMU"),
            sample_rate=media.get("sample_rate", 8_000),
            channels=media.get("channels", 1),
            tracks=BOTH,
            parameters=pairs(start.get("custom_parameters")),
        )


ROUTE: Final = Route(name="telnyx", paths=(PATH,), subprotocol=first_of(), open=Telnyx)
