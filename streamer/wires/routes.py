"""Which wire is spoken where. A path belongs to one wire."""

from typing import Final

from streamer.wires import deepgram, native

ROUTES: Final = (native.ROUTE, deepgram.ROUTE)
BY_PATH: Final = {path: route for route in ROUTES for path in route.paths}
