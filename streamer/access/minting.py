"""A token over HTTP, in three ways to ask: ours, Deepgram's and OpenAI's. Pure: from a path and a body to what is answered."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from streamer.access import Scope
from streamer.access.guard import Asked, Denied, Guard
from streamer.access.tokens import Wish

TOKENS: Final = "/tokens"
DEEPGRAM: Final = "/v1/auth/grant"
OPENAI: Final = "/v1/realtime/client_secrets"
PATHS: Final = frozenset({TOKENS, DEEPGRAM, OPENAI})
DEEPGRAM_S: Final = 30  # what each of them gives where no time was asked for
OPENAI_S: Final = 600
FIELDS: Final = ("expires_in", "scope", "quota_s", "sessions")


def answer(guard: Guard, asked: Asked, path: str, body: bytes, clock: Callable[[], float] = time.time) -> dict[str, Any] | Denied:
    """The body of a 200, or why there is no token. ``path`` is one of ``PATHS``."""
    try:
        message = json.loads(body) if body.strip() else {}
        if not isinstance(message, dict):
            raise ValueError("expected an object")
        wish = _wish(path, message)
    except (ValueError, TypeError, RecursionError) as error:
        return Denied(status=400, sentence=f"the body cannot be read: {error}"[:300], word="mint")
    token = guard.mint(asked, wish)
    if isinstance(token, Denied):
        return token
    match path:
        case "/v1/auth/grant":
            return {"access_token": token, "expires_in": wish.expires_s}
        case "/v1/realtime/client_secrets":
            return {
                "value": token,
                "expires_at": int(clock()) + wish.expires_s,
                "session": message.get("session") or {"type": "transcription"},
            }
        case _:
            told = {"scope": sorted(wish.scopes), "quota_s": wish.quota_s, "sessions": wish.sessions}
            return {"token": token, "expires_in": wish.expires_s, **told}


def _wish(path: str, message: Mapping[str, Any]) -> Wish:
    """Raises ``ValueError``."""
    if path == DEEPGRAM:
        return Wish(expires_s=_integer(message, "ttl_seconds", DEEPGRAM_S))
    if path == OPENAI:
        after = message.get("expires_after")
        return Wish(expires_s=_integer(after if isinstance(after, dict) else {}, "seconds", OPENAI_S))
    strange = [name for name in message if name not in FIELDS]
    if strange:
        raise ValueError(f"{strange[0]!r} is not known, expected {', '.join(FIELDS)}")
    wish = Wish()
    scopes, quota_s = message.get("scope"), message.get("quota_s")
    if isinstance(quota_s, bool) or not isinstance(quota_s, int | float | None):
        raise ValueError(f"quota_s is {quota_s!r}, expected seconds of audio")
    if scopes is not None:
        wish = replace(wish, scopes=_scopes(scopes))
    return replace(
        wish,
        expires_s=_integer(message, "expires_in", wish.expires_s),
        quota_s=quota_s,
        sessions=_integer(message, "sessions", 0) if message.get("sessions") is not None else None,
    )


def _scopes(value: Any) -> frozenset[Scope]:
    names = value.replace(",", " ").split() if isinstance(value, str) else value
    try:
        return frozenset(Scope(name) for name in names)
    except (ValueError, TypeError):
        raise ValueError(f"scope is {value!r}, expected some of {', '.join(Scope)}") from None


def _integer(message: Mapping[str, Any], name: str, default: int) -> int:
    value = message.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise ValueError(f"{name} is {value!r}, expected a whole number")
    return int(value)
