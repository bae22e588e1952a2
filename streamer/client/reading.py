"""The wire's objects as typed messages. What a newer server adds is ignored, and what an older one leaves out is neutral."""

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Final

from streamer.core.events import Message
from streamer.errors import SessionError
from streamer.wires.native import MESSAGE_TYPES

TYPES: Final[Mapping[str, type[Message]]] = {name: kind for kind, name in MESSAGE_TYPES.items()}
NEUTRAL: Final[Mapping[Any, Any]] = {str: "", int: 0, float: 0.0, bool: False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(Message):
    """A message that this client does not know; a newer one may. ``fields`` is all of it."""

    kind: str
    fields: Mapping[str, Any]


def typed(message: Mapping[str, Any]) -> Message:
    """Never raises: what cannot be read is ``Unknown``."""
    kind = TYPES.get(message["type"])
    if kind is not None:
        try:
            built: Message = _build(kind, message)
            return built
        except (TypeError, ValueError, SessionError):
            pass
    return Unknown(kind=message["type"], fields=message)


def _build(kind: Any, given: Mapping[str, Any]) -> Any:
    values = {}
    for name, hint, required in _fields(kind):
        if name in given:
            values[name] = _value(hint, given[name])
        elif required:
            values[name] = _neutral(hint)
    return kind(**values)


@cache
def _fields(kind: Any) -> tuple[tuple[str, Any, bool], ...]:
    hints = typing.get_type_hints(kind)
    return tuple((each.name, hints[each.name], each.default is MISSING and each.default_factory is MISSING) for each in fields(kind))


def _value(hint: Any, value: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        known = [part for part in typing.get_args(hint) if part is not type(None)]
        return _value(known[0], value) if len(known) == 1 else value
    if origin is tuple:
        item = typing.get_args(hint)[0]
        return tuple(_value(item, each) for each in value)
    if is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise TypeError(f"expected an object, not {value!r}")
        return _build(hint, value)
    return value


def _neutral(hint: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return None
    if origin is tuple:
        return ()
    if is_dataclass(hint):
        return _build(hint, {})
    return NEUTRAL.get(hint, {})
