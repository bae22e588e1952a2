"""The model that the benches of comparison put before several runtimes, which read its weights each in its own way."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.errors import ConfigurationError

if TYPE_CHECKING:
    from streamer.settings import Settings


def sensevoice_folder(settings: "Settings", wanted: str | None) -> Path:
    """Of a SenseVoice with its ``model.pt``: the wanted one, or that which would be served. Raises ``ConfigurationError``."""
    from streamer.engine.models import Kind, Models

    models = Models(settings.models, say=lambda sentence: print(sentence, file=sys.stderr, flush=True))
    found = models.find(wanted or settings.model)
    if found.kind is not Kind.SENSEVOICE or found.path is None:
        raise ConfigurationError(f"the model to compare is {found.kind}, expected a SenseVoice with its model.pt: name one with --model")
    return found.path
