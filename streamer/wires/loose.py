"""Values in messages of which nobody promises the type: what they should be, or nothing."""

from collections.abc import Mapping
from typing import Any, Final

LARGEST: Final = 10**15  # of a number, well beyond milliseconds since 1970
LONGEST: Final = 256  # characters of a text that names something


def mapping(message: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object in another; empty where there is none."""
    found = message.get(name)
    return found if isinstance(found, dict) else {}


def texts(value: object) -> list[str]:
    """The strings of a list; none where it is no list."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def integer(value: object) -> int | None:
    """A number that may be text, as some carriers write theirs."""
    match value:
        case bool():
            return None
        case int() if abs(value) < LARGEST:
            return value
        case float() if abs(value) < LARGEST:
            return int(value)
        case str() if value.isascii() and value.isdecimal() and len(value) < len(str(LARGEST)):
            return int(value)
        case _:
            return None


def pairs(value: object) -> dict[str, str]:
    """Parameters as an object, or as one text: ``a=1;b=2``, with commas or ``&`` as well."""
    if isinstance(value, dict):
        return {name: one for name, one in value.items() if isinstance(one, str)}
    if not isinstance(value, str):
        return {}
    found = (pair.partition("=") for pair in value.replace(",", ";").replace("&", ";").split(";"))
    return {name.strip(): one.strip() for name, equals, one in found if equals}


def in_text(value: object) -> str | None:
    """A text that names something, if it is one."""
    return value[:LONGEST] if isinstance(value, str) and value else None
