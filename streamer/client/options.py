"""What a caller asks for, checked before anything is sent, and how it stands in ``start``."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from streamer.core.events import AudioFormat, Settings
from streamer.errors import ConfigurationError, InvalidSetting
from streamer.wires.native import SETTING_FIELDS


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as the server would check them; and their names, which it would ignore where it does not know them."""
    values: dict[str, Any] = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    for name, value in values.items():
        if name not in SETTING_FIELDS or name == "resume":
            known = ", ".join(name for name in SETTING_FIELDS if name != "resume")
            raise ConfigurationError(f"{name!r} is no setting, expected one of {known}")
        expected, check = SETTING_FIELDS[name]
        if not check(value):
            raise InvalidSetting(name, value, expected)
    Settings(**values)
    return values


def start_fields(shape: AudioFormat) -> dict[str, Any]:
    """The format's fields of ``start``, without those that are empty."""
    told = {"format" if each.name == "encoding" else each.name: getattr(shape, each.name) for each in fields(shape)}
    return {name: value for name, value in told.items() if value}
