"""Where a key or a token may stand in a handshake: in a header, a subprotocol or the query. Browsers can only do the last two."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Final

SCHEMES: Final = ("bearer", "bearer;", "token")
"""Before the key in ``Authorization``: everybody's, xiaozhi's, Deepgram's."""
HEADERS: Final = ("x-api-key", "api-key")
NEXT: Final = ("token", "bearer")
"""Subprotocols after which Deepgram's browsers offer their key as another one."""
PREFIXES: Final = ("streamer-key.", "openai-insecure-api-key.")
"""Of subprotocols that hold a key: ours, and that of OpenAI's browsers."""
QUERY: Final = ("token", "api_key", "access_token", "auth_token")
"""The last is Skynet's."""
SECRET_HEADERS: Final = frozenset({"authorization", *HEADERS, "cookie", "sec-websocket-protocol"})


def credential_in(headers: Mapping[str, str], offered: Sequence[str], query: Mapping[str, Sequence[str]]) -> str | None:
    """The first that is there, headers before subprotocols before the query. Names of headers are lower case."""
    found = (
        _authorization(headers.get("authorization", "")),
        *(headers.get(name, "").strip() for name in HEADERS),
        next((secret for _, secret in _secrets(offered)), ""),
        *(query[name][-1].strip() for name in QUERY if query.get(name)),
    )
    return next(filter(None, found), None)


def without_secrets(offered: Sequence[str]) -> list[str]:
    """The subprotocols that may be agreed on and shown: those that hold a key are never said back."""
    places = {place for place, _ in _secrets(offered)}
    return [name for place, name in enumerate(offered) if place not in places]


def without_secret_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in SECRET_HEADERS}


def without_secret_query(query: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    return {name: values for name, values in query.items() if name not in QUERY}


def _secrets(offered: Sequence[str]) -> list[tuple[int, str]]:
    """Their places among the offered ones, and what they hold."""
    found = []
    for place, name in enumerate(offered):
        prefix = next((prefix for prefix in PREFIXES if name.startswith(prefix)), None)
        if prefix:
            found.append((place, name.removeprefix(prefix)))
        elif place == 1 and offered[0].lower() in NEXT:
            found.append((place, name))
    return found


def _authorization(value: str) -> str:
    first, _, rest = value.strip().partition(" ")
    if not rest:
        return first  # AssemblyAI's clients say no scheme
    if first.lower() in SCHEMES:
        return rest.strip()
    if first.lower() == "basic":  # what libraries make of ws://anybody:KEY@host
        try:
            return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""
