"""Tokens that somebody else signs, with the private half of a key whose public half is in the file: Jitsi's "ASAP", and anybody's.

The header's ``kid`` names the key. Such a token opens what its key does, or less if it says so, and it mints nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

import jwt

from streamer.access import Scope, read_scopes
from streamer.access.keys import MOST_SESSIONS, Key, sha256_of
from streamer.access.public import PublicKey
from streamer.access.tokens import AUDIENCE, LEEWAY_S, MOST_EXPIRES_S, MOST_QUOTA_S, NOT_OURS, BadToken, Token

LATEST: Final = 10**11  # seconds since 1970 that a clock can say
SIGNATURE_ALONE: Final[Any] = {
    "require": ["exp"],
    **dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss", "verify_sub", "verify_jti"), False),
}
"""The claims are looked at here, by the server's own clock, so that a faulty one is told apart from the others."""


def kid_of(text: str) -> str | None:
    """The name that the header gives to the key it is signed with. Nothing has vouched for it yet."""
    try:
        kid = jwt.get_unverified_header(text).get("kid")
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    return kid if isinstance(kid, str) else None


def read_signed(text: str, key: Key, public: PublicKey, now: float) -> Token:
    """``public`` is the key's, ``now`` in seconds since 1970. Raises ``BadToken``, whose sentence tells more once the signature holds."""
    try:
        claims = jwt.decode(text, public.loaded, algorithms=[public.algorithm], options=SIGNATURE_ALONE)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise BadToken(NOT_OURS) from None
    _check_audience(claims, key)
    expires = _check_times(claims, key, now)
    sessions = _amount(claims, "sessions", MOST_SESSIONS)
    if sessions is not None and sessions != int(sessions):
        raise BadToken(f"the token's sessions are {sessions:g}, expected a whole number")
    return Token(
        name=key.name,
        key_id=key.id,
        id=_id(claims, key, text),
        expires=expires,
        scopes=_scopes(claims, key) - {Scope.MINT},
        quota_s=_amount(claims, "quota_s", MOST_QUOTA_S),
        sessions=int(sessions) if sessions is not None else None,
    )


def _check_audience(claims: Mapping[str, Any], key: Key) -> None:
    said, expected = claims.get("aud"), key.audience or AUDIENCE
    if said != expected and not (isinstance(said, list) and expected in said):
        raise BadToken(
            f"the token of {key.name} is for {_shown(said)} in `aud`, expected {expected!r}; sign it for that, or let the key say audience="
        )


def _check_times(claims: Mapping[str, Any], key: Key, now: float) -> float:
    """When it ends."""
    for name in ("nbf", "iat"):
        if name in claims and (ahead_s := _time(claims, name) - now) > LEEWAY_S:
            raise BadToken(f"the token of {key.name} begins {ahead_s:.0f} s from now, as its {name} says; set the clocks of both machines")
    expires = _time(claims, "exp")
    if expires + LEEWAY_S < now:
        raise BadToken(f"the token of {key.name} has expired; sign another one for each connection")
    if expires > now + MOST_EXPIRES_S + LEEWAY_S:
        raise BadToken(f"the token of {key.name} ends {expires - now:.0f} s from now, expected {MOST_EXPIRES_S} s at the most")
    return expires


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LATEST:
        raise BadToken(f"the token's {name} is {_shown(value)}, expected seconds since 1970")
    return float(value)


def _amount(claims: Mapping[str, Any], name: str, most: int) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise BadToken(f"the token's {name} is {_shown(value)}, expected a number above 0 and at most {most}")
    return value


def _scopes(claims: Mapping[str, Any], key: Key) -> frozenset[Scope]:
    """With commas between, as ours have it, or with spaces, as OAuth does."""
    said = claims.get("scope")
    if said is None:
        return key.scopes
    try:
        return read_scopes(said.replace(" ", ","))
    except (ValueError, AttributeError):
        raise BadToken(f"the token's scope is {_shown(said)}, expected some of {', '.join(Scope)}") from None


def _id(claims: Mapping[str, Any], key: Key, text: str) -> str:
    """Its own for each key, so that nobody can use up the quota of another's token.

    Where the token has none, it is made of what was signed: the signature itself can be written in more than one way.
    """
    said = claims.get("jti")
    if said is not None and not isinstance(said, str):
        raise BadToken(f"the token's jti is {_shown(said)}, expected a text")
    return sha256_of(f"{key.id} {said or text.rpartition('.')[0]}")


def _shown(value: Any) -> str:
    return repr(value)[:60]
