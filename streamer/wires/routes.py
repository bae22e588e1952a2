"""Which wire is spoken where. A path belongs to one wire."""

from typing import Final

from streamer.wires import deepgram, native, openai_realtime

ROUTES: Final = (native.ROUTE, deepgram.ROUTE, openai_realtime.ROUTE)
BY_PATH: Final = {path: route for route in ROUTES for path in route.paths}
