"""How the commands come by an engine: find the model, load it, and say on standard error what takes time."""

import sys
from collections.abc import Callable
from functools import partial

from streamer.engine import Engine
from streamer.engine.device import devices
from streamer.engine.load import load_engine
from streamer.engine.models import Models
from streamer.settings import Settings


def build(settings: Settings, device: str) -> Engine:
    """Find and load the model, in the thread that will own it, so that the page and /healthz answer meanwhile."""
    found = Models(settings.models, say=lambda sentence: print(sentence, file=sys.stderr, flush=True)).find(settings.model)
    return load_engine(found, device, precision=settings.precision, graphs=settings.graphs)


def builds(settings: Settings) -> "list[Callable[[], Engine]]":
    """One for each device. Raises ``ConfigurationError`` where they are no devices."""
    return [partial(build, settings, device) for device in devices(settings.device)]
