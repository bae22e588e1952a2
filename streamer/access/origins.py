"""Which pages may speak to the server. A browser lets any page of any site open a socket to any address, this machine's too, so it is the
server that has to look where the page came from. Whoever sends no ``Origin`` is no browser."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
ANY: Final = "*"
PRIVATE_NAMES: Final = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
"""Endings of names that the public DNS gives to nobody."""


def read_origins(text: str) -> tuple[str, ...]:
    """``https://a.example,https://b.example:8443``. Raises ``ValueError``."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        url = urlsplit(part)
        if part not in (ANY, "null") and not (url.scheme and url.netloc and url.path in ("", "/")) and part != "file://":
            raise ValueError(part)
        found.append(part.rstrip("/") if url.netloc else part)
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """``allowed`` beside the server's own. ``trusting``: everybody needs a key, so that a page of a made-up name gains nothing."""

    allowed: Sequence[str] = ()
    trusting: bool = False

    def fault(self, headers: Mapping[str, str]) -> str | None:
        """Why this page may not speak to us."""
        origin = headers.get("origin")
        if origin is None or ANY in self.allowed or origin.lower() in map(str.lower, self.allowed):
            return None
        own, host = _place(origin), headers.get("host", "")
        if own is None or own != _place(f"{origin.partition('://')[0]}://{host}"):
            return f"a page of {origin[:100]} may not use this server; if it should, add it to STREAMER_ORIGINS"
        return self.host_fault(headers)

    def host_fault(self, headers: Mapping[str, str]) -> str | None:
        """Why this server may not be spoken to by this name.

        A site may let its own name point at 127.0.0.1, after which the browser takes us for that site. It cannot do so with an address,
        nor with a name that it does not own.
        """
        if self.trusting or ANY in self.allowed:
            return None
        host = headers.get("host", "")
        name = (_place(f"//{host}") or ("",))[0]
        listed = {urlsplit(origin).hostname for origin in self.allowed}
        if name in listed or "." not in name or name.endswith(PRIVATE_NAMES) or _is_address(name):
            return None
        return f"this server is not known as {host[:100]}; if it should be, add its address, as in https://{name}, to STREAMER_ORIGINS"


def _place(url: str) -> tuple[str, int | None] | None:
    """Host and port. The scheme is not looked at: a proxy may have taken the TLS off."""
    try:
        found = urlsplit(url.lower())
        return (found.hostname, found.port or PORTS.get(found.scheme)) if found.hostname else None
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
