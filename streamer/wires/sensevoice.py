"""What our model knows beyond the words, as it rides along on wires that let other fields through."""

from typing import Any

from streamer.core.events import Final, Partial


def heard(message: Partial | Final) -> dict[str, Any]:
    """Language, emotion and events with their probabilities; of a final also what was read, and why nothing is shown."""
    found: dict[str, Any] = {"language": message.language, "emotion": message.emotion, "events": message.events}
    if isinstance(message, Final):
        found |= {"raw_text": message.raw_text, "itn": message.itn, "withheld": message.withheld}
    return found
