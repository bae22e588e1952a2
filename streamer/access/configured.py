"""What an operator sets about access, and what is made of it. Refuses to begin where everybody could come in and nobody said so."""

import ipaddress
import logging
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamer.access.board import Board
from streamer.access.certificates import tls_with
from streamer.access.guard import Guard, Network
from streamer.access.keys import Keys
from streamer.access.tokens import Tokens, read_secret
from streamer.errors import ConfigurationError

logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessSettings:
    """``token_secret`` is beside the keys where it is not named. Bounds of sessions are the whole server's, 0 for none."""

    keys: Path | None = None
    token_secret: Path | None = None
    origins: tuple[str, ...] = ()
    proxies: tuple[Network, ...] = ()
    """Whose ``X-Forwarded-For`` is believed."""
    insecure: bool = False
    """Everybody who reaches the port may come in."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    max_sessions_per_key: int = 0
    max_sessions_per_address: int = 0

    @property
    def secret(self) -> Path | None:
        """The file of the tokens' secret, where there are keys."""
        return self.token_secret or (self.keys.with_name(self.keys.name + ".secret") if self.keys else None)


def build_guard(settings: AccessSettings, board: Board | None = None) -> Guard:
    """``board`` counts for all processes of the server, where there are several. Raises ``ConfigurationError``."""
    secret = settings.secret
    return Guard(
        keys=Keys(settings.keys) if settings.keys else None,
        tokens=Tokens(read_secret(secret)) if settings.keys and secret else None,
        origins=settings.origins,
        proxies=settings.proxies,
        sessions_per_key=settings.max_sessions_per_key,
        sessions_per_address=settings.max_sessions_per_address,
        board=board,
    )


def build_tls(settings: AccessSettings) -> ssl.SSLContext | None:
    """``None`` where no certificate is named. Raises ``ConfigurationError``."""
    if settings.tls_cert is None:
        if settings.tls_key is not None:
            raise ConfigurationError(f"STREAMER_TLS_KEY is {settings.tls_key}, and STREAMER_TLS_CERT names no certificate for it")
        return None
    return tls_with(settings.tls_cert, settings.tls_key)


def require_safe(settings: AccessSettings, host: str, streams: Iterable[str], say: Callable[[str], None] = logger.warning) -> None:
    """``streams`` are the wires that are plain TCP. Raises ``ConfigurationError`` where strangers could come in unasked."""
    if is_loopback(host):
        return
    if settings.keys is None:
        if settings.insecure:
            say(f"everybody who reaches {host or 'this machine'} may use this server, because it was started with --insecure")
            return
        raise ConfigurationError(
            f"listening on {host or 'all addresses'} without keys would let in everybody who reaches this machine. Make a key with "
            "`streamer keys add NAME --file FILE` and give --keys FILE; or listen on 127.0.0.1, which only this machine reaches; "
            "or say --insecure, where something else keeps strangers out"
        )
    if named := sorted(streams):
        raise ConfigurationError(
            f"{' and '.join(named)} cannot carry a key, so with keys it is served to this machine alone, and --host is {host}. "
            "Leave it out of --listen, or serve it by another `streamer serve` on 127.0.0.1, or with --insecure in a network of its own"
        )
    if settings.tls_cert is None:
        say("keys and audio travel in the clear: give --tls-cert, or put a proxy with TLS before this server")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it. A name that is not ``localhost`` may be anything."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read_proxies(text: str) -> tuple[Network, ...]:
    """``127.0.0.1,10.0.0.0/8``. Raises ``ValueError``."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
