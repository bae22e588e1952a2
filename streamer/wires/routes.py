"""Which wire is spoken where. A path belongs to one wire, but for those who offer a subprotocol that another has claimed there."""

from collections.abc import Sequence
from typing import Final

from streamer.wires import (
    Route,
    audio_fork,
    audiohook,
    calls,
    deepgram,
    exotel,
    funasr,
    funasr_commands,
    jambonz,
    native,
    openai_realtime,
    plivo,
    sherpa_offline,
    sherpa_online,
    skynet,
    telnyx,
    twilio,
    vonage,
    vosk,
    wyoming,
)

ROUTES: Final = (
    native.ROUTE,
    deepgram.ROUTE,
    openai_realtime.ROUTE,
    funasr.ROUTE,
    funasr_commands.ROUTE,
    vosk.ROUTE,
    sherpa_online.ROUTE,
    sherpa_offline.ROUTE,
    sherpa_offline.TEXT_ROUTE,
    wyoming.ROUTE,
    skynet.ROUTE,
    twilio.ROUTE,
    telnyx.ROUTE,
    plivo.ROUTE,
    exotel.ROUTE,
    audiohook.ROUTE,
    jambonz.ROUTE,
    audio_fork.ROUTE,
    vonage.ROUTE,
    calls.ROUTE,
)
BY_NAME: Final = {route.name: route for route in ROUTES}
BY_PATH: Final = {path: route for route in ROUTES for path in route.paths}


def route_to(path: str, offered: Sequence[str]) -> Route | None:
    """The wire for who asks for a path and offers these subprotocols, if there is one."""
    claimed = (route for route in ROUTES if path in route.claims and route.claims[path] in offered)
    before, _, last = path.rpartition("/")
    return next(claimed, BY_PATH.get(path)) or (BY_PATH.get(before + "/*") if last else None)
