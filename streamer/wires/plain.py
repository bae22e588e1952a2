"""Messages and the values in them, as JSON and MessagePack want them."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Final, cast


@cache
def _field_names(kind: Any) -> tuple[str, ...]:
    """Of a dataclass; of another type, none. The types of values in messages are few."""
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()


def plain(value: object) -> dict[str, Any]:
    """What JSON and MessagePack do not know, one layer of it: a message, a dataclass in it, or a mapping."""
    if names := _field_names(cast(Any, type(value))):
        return {name: getattr(value, name) for name in names}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be told to a client")


_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=plain)


def to_json(value: object) -> str:
    """Compact, and not only of what JSON knows."""
    return _JSON.encode(value)


def read_json(data: str | bytes) -> Any:
    """A client's JSON. Raises ``ValueError`` or ``RecursionError``.

    Halves of characters are refused too: JSON can write them, and UTF-8 could not say them again.
    """
    text = data if isinstance(data, str) else data.decode()
    value = json.loads(text)
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode()
    return value
