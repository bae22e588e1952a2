"""The file of keys: one line for each, of which only the hash is known, or the public half.

    # name     sha256 of the key                                                          what it opens, and how often
    reception  sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08    scopes=transcribe,mint sessions=4
    jigasi     public:MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=        scopes=transcribe audience=jitsi

A key is 256 random bits, so a plain SHA-256 is right: nobody can try them all, however fast the hash. A slow one protects what people
choose, and would cost every handshake its time.
"""

import hashlib
import hmac
import logging
import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamer.access import USUAL, Scope, read_scopes
from streamer.access.public import PublicKey, read_public_key
from streamer.access.watched import state_of
from streamer.errors import ConfigurationError

logger: Final = logging.getLogger(__name__)

PREFIX: Final = "streamer_"  # so that scanners, and people, know one when they see it
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
HASH: Final = re.compile(r"sha256:([0-9a-f]{64})")
PUBLIC: Final = "public:"
MOST_SESSIONS: Final = 1_000_000  # at a time, of a key or a token
USUAL_OF_PUBLIC: Final = USUAL - {Scope.MINT}  # whoever has the private half signs what they need
HEAD: Final = (
    "# streamer's keys: name, hash or public half, scopes, sessions at a time. Made by `streamer keys add`; no key itself is here.\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """``sha256`` is in hexadecimal; ``sessions`` at a time, or ``None`` for the server's own bound.

    One that is known by its public half has no text: it lets nobody in but by what is signed with the private half. Its ``sha256`` is that
    of the public half's DER, and ``audience`` is what those tokens say in ``aud``, where it is not ours.
    """

    name: str
    sha256: str
    scopes: frozenset[Scope] = USUAL
    sessions: int | None = None
    public: PublicKey | None = None
    audience: str | None = None

    @property
    def id(self) -> str:
        """Tells it from another of the same name, and tells nothing else."""
        return self.sha256[:12]

    def __str__(self) -> str:
        more = f" sessions={self.sessions}" if self.sessions is not None else ""
        more += f" audience={self.audience}" if self.audience is not None else ""
        known_by = f"{PUBLIC}{self.public}" if self.public else f"sha256:{self.sha256}"
        return f"{self.name} {known_by} scopes={','.join(sorted(self.scopes))}{more}"


def new_key(name: str, *, scopes: frozenset[Scope] = USUAL, sessions: int | None = None) -> tuple[Key, str]:
    """A key and its text, which exists only here. Raises ``ConfigurationError`` for a name that cannot be one."""
    _require_name(name)
    text = PREFIX + secrets.token_urlsafe(32)
    return Key(name=name, sha256=sha256_of(text), scopes=scopes, sessions=sessions), text


def signing_key(
    name: str, public: PublicKey, *, scopes: frozenset[Scope] = USUAL_OF_PUBLIC, sessions: int | None = None, audience: str | None = None
) -> Key:
    """One that is known by its public half. Raises ``ConfigurationError`` for what it cannot have."""
    _require_name(name)
    if Scope.MINT in scopes:
        raise ConfigurationError(f"{name} is known by its public half, which mints nothing: leave {Scope.MINT} out of its scopes")
    if audience is not None and audience.split() != [audience]:
        raise ConfigurationError(f"{name} has the audience {audience!r}, expected one word without a space")
    sha256 = hashlib.sha256(public.der).hexdigest()
    return Key(name=name, sha256=sha256, scopes=scopes, sessions=sessions, public=public, audience=audience)


def _require_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise ConfigurationError(f"a key cannot be called {name!r}, expected up to 64 letters, digits or . _ @ - with no space")


def sha256_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_key(line: str) -> Key:
    """One line of the file. Raises ``ValueError`` with what is wrong, without its hash."""
    name, *parts = line.split()
    if not NAME.fullmatch(name):
        raise ValueError("it does not begin with a name")
    fields = dict(part.partition("=")[::2] for part in parts[1:])
    sessions = fields.pop("sessions", None)
    if sessions is not None and not 1 <= int(sessions) <= MOST_SESSIONS:
        raise ValueError(f"{name} has sessions={sessions}, expected 1 or more")
    known_by, bound = parts[0] if parts else "", int(sessions) if sessions else None
    if known_by.startswith(PUBLIC):
        return _read_signing(name, known_by.removeprefix(PUBLIC), bound, fields)
    found = HASH.fullmatch(known_by)
    if not found:
        raise ValueError(f"{name} has no sha256:… of 64 hexadecimal digits, and no {PUBLIC}… in base64")
    scopes = read_scopes(fields.pop("scopes", ",".join(USUAL)))
    if fields:
        raise ValueError(f"{name} has {', '.join(fields)}, expected scopes= and sessions=")
    return Key(name=name, sha256=found[1], scopes=scopes, sessions=bound)


def _read_signing(name: str, half: str, sessions: int | None, fields: dict[str, str]) -> Key:
    """Raises ``ValueError``."""
    try:
        public = read_public_key(half)
    except ValueError as error:
        raise ValueError(f"{name} has a {PUBLIC}… that cannot be used: {error}") from None
    scopes, audience = read_scopes(fields.pop("scopes", ",".join(USUAL_OF_PUBLIC))), fields.pop("audience", None)
    if fields:
        raise ValueError(f"{name} has {', '.join(fields)}, expected scopes=, sessions= and audience=")
    try:
        return signing_key(name, public, scopes=scopes, sessions=sessions, audience=audience)
    except ConfigurationError as error:
        raise ValueError(str(error)) from None


class Keys:
    """The keys of a file, read again whenever it changes, so that a key can be added or revoked while the server runs.

    Raises ``ConfigurationError`` where it cannot be read at the beginning. Later, a line that cannot be read opens nothing, and a file
    that is gone opens nothing at all; either is logged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = state_of(path)
        self._keys: dict[str, Key] = {}
        try:
            self._keys = by_name(load(path))
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"the keys cannot be read from {path} ({_why(error)}), expected a file that it may read, made by `streamer keys add`"
            ) from None

    def find(self, text: str) -> Key | None:
        """The key with this text. Looks at all of them, and as long at each, so that the time tells nothing."""
        hashed, found = sha256_of(text), None
        for key in self.all:
            if key.public is None and hmac.compare_digest(key.sha256, hashed):
                found = key
        return found

    def named(self, name: str, key_id: str) -> Key | None:
        """The key of this name, unless it is another by now."""
        self._refresh()
        key = self._keys.get(name)
        return key if key and key.id == key_id else None

    def signer(self, name: str | None) -> tuple[Key, PublicKey] | None:
        """The key of this name and its public half, where it is known by that."""
        self._refresh()
        key = self._keys.get(name or "")
        return (key, key.public) if key and key.public else None

    @property
    def all(self) -> Iterable[Key]:
        self._refresh()
        return self._keys.values()

    def _refresh(self) -> None:
        state = state_of(self.path)
        if state and state == self._seen:
            return
        try:
            text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            if self._keys:
                logger.error("the keys in %s cannot be read (%s): nobody is let in until they can", self.path, _why(error))
            self._seen, self._keys = None, {}
            return
        keys = []
        for number, line in _lines(text):
            try:
                keys.append(read_key(line))
            except ValueError as error:
                logger.error("line %d of %s opens nothing: %s", number, self.path, error)
        self._seen, self._keys = state, by_name(keys)
        logger.info("%d keys were read from %s", len(self._keys), self.path)


def load(path: Path) -> list[Key]:
    """All keys of a file. Raises ``OSError``, and ``ValueError`` with the number of the line."""
    found = []
    for number, line in _lines(path.read_text(encoding="utf-8")):
        try:
            found.append(read_key(line))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    return found


def save(path: Path, keys: Iterable[Key]) -> None:
    """Write the file anew, at once. A new one is its owner's alone; who may read an old one still may. Raises ``OSError``."""
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        stream.write(HEAD + "".join(f"{key}\n" for key in keys))
    if path.exists():
        old = path.stat()
        fresh.chmod(old.st_mode & 0o777)
        with suppress(PermissionError, AttributeError):  # of others only root may make it; Windows has no such thing
            os.chown(fresh, old.st_uid, old.st_gid)
    fresh.replace(path)


def by_name(keys: Iterable[Key]) -> dict[str, Key]:
    return {key.name: key for key in keys}


def _lines(text: str) -> list[tuple[int, str]]:
    lines = enumerate(text.splitlines(), 1)
    return [(number, line) for number, line in lines if line.strip() and not line.lstrip().startswith("#")]


def _why(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
