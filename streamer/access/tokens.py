"""Short-lived tokens for browsers: signed with a secret of the server, made of a key, and void when that key is revoked."""

import logging
import os
import secrets
import stat
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jwt

from streamer.access import Scope, read_scopes
from streamer.access.keys import MOST_SESSIONS, Key
from streamer.errors import ConfigurationError

logger: Final = logging.getLogger(__name__)

ALGORITHM: Final = "HS256"
AUDIENCE: Final = "streamer"
SECRET_BYTES: Final = 32  # as many as the signature has
LEEWAY_S: Final = 5  # between the clocks of the machines that share a secret
MOST_EXPIRES_S: Final = 3_600
MOST_QUOTA_S: Final = 10**9
NOT_OURS: Final = "the token is not one of this server's"
USUAL_EXPIRES_S: Final = 60


class BadToken(Exception):
    """A sentence for the client, which never holds the token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What one says. ``quota_s`` are seconds of audio in all its sessions together, ``sessions`` how many at a time."""

    name: str
    key_id: str
    id: str
    expires: float
    scopes: frozenset[Scope]
    quota_s: float | None = None
    sessions: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody asks of a token to be minted."""

    scopes: frozenset[Scope] = frozenset({Scope.TRANSCRIBE})
    expires_s: int = USUAL_EXPIRES_S
    quota_s: float | None = None
    sessions: int | None = None

    def fault(self, key: Key) -> str | None:
        """Why ``key`` may not have it minted."""
        allowed = key.scopes - {Scope.MINT}
        if not self.scopes or not self.scopes <= allowed:
            asked = ",".join(sorted(self.scopes)) or "nothing"
            return f"a token of {key.name} may have of {','.join(sorted(allowed)) or 'nothing'}, and {asked} was asked for"
        if not 1 <= self.expires_s <= MOST_EXPIRES_S:
            return f"a token lasts {self.expires_s} s, expected 1 to {MOST_EXPIRES_S}"
        if self.quota_s is not None and not 0 < self.quota_s <= MOST_QUOTA_S:
            return f"quota_s is {self.quota_s:g}, expected seconds of audio above 0"
        if self.sessions is not None and not 1 <= self.sessions <= MOST_SESSIONS:
            return f"sessions is {self.sessions}, expected 1 or more"
        return None


class Tokens:
    """Mints and reads them."""

    def __init__(self, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        self._secret, self._clock = secret, clock

    @property
    def now(self) -> float:
        """By the clock that tokens end by, in seconds since 1970."""
        return self._clock()

    def mint(self, key: Key, wish: Wish) -> str:
        """``wish`` has no fault."""
        now = int(self._clock())
        claims: dict[str, Any] = {
            "aud": AUDIENCE,
            "sub": key.name,
            "kid": key.id,
            "jti": uuid.uuid4().hex,
            "iat": now,
            "exp": now + wish.expires_s,
            "scope": ",".join(sorted(wish.scopes)),
        }
        more = {"quota_s": wish.quota_s, "sessions": wish.sessions}
        return jwt.encode(claims | {name: value for name, value in more.items() if value is not None}, self._secret, ALGORITHM)

    def read(self, text: str) -> Token:
        """Raises ``BadToken``."""
        try:
            claims = jwt.decode(
                text,
                self._secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                options={"require": ["exp", "iat", "sub", "kid", "jti", "scope"], "verify_exp": False, "verify_iat": False},
            )
            token = Token(
                name=claims["sub"],
                key_id=str(claims["kid"]),
                id=str(claims["jti"]),
                expires=float(claims["exp"]),
                scopes=read_scopes(claims["scope"]) - {Scope.MINT},
                quota_s=claims.get("quota_s"),
                sessions=claims.get("sessions"),
            )
        except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError, RecursionError):
            raise BadToken(NOT_OURS) from None
        if token.expires + LEEWAY_S < self._clock():
            raise BadToken("the token has expired; mint another one with the key it came from")
        return token


def read_secret(path: Path) -> bytes:
    """The secret of a file, which is made if it is not there. Raises ``ConfigurationError``."""
    try:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                stream.write(secrets.token_hex(SECRET_BYTES) + "\n")
        secret = path.read_bytes().strip()
        others = path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    except OSError as error:
        raise ConfigurationError(
            f"the secret of the tokens cannot be had from {path} ({error.strerror}); name a file that can be read, "
            "or one that can be made, with STREAMER_TOKEN_SECRET"
        ) from None
    if len(secret) < SECRET_BYTES:
        raise ConfigurationError(
            f"{path} holds {len(secret)} bytes, expected a secret of {SECRET_BYTES} or more; remove it and one is made"
        )
    if others and os.name == "posix":
        logger.warning("%s can be read by others on this machine: `chmod 600` it", path)
    return secret
