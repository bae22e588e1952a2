"""``streamer token``: a short-lived token of a key, printed alone so that a script can take it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.access import Scope
from streamer.access.tokens import MOST_EXPIRES_S, USUAL_EXPIRES_S
from streamer.cli.keys import scopes

if TYPE_CHECKING:
    from streamer.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the key that it is of; revoking that ends it")
    parser.add_argument("--scope", type=scopes, default=frozenset({Scope.TRANSCRIBE}), metavar="SCOPE,…", help="default: transcribe")
    parser.add_argument(
        "--expires", type=int, default=USUAL_EXPIRES_S, metavar="S", help=f"seconds until it opens nothing more, at most {MOST_EXPIRES_S}"
    )
    parser.add_argument("--quota-s", type=float, metavar="S", help="seconds of audio in all its sessions together")
    parser.add_argument("--sessions", type=int, metavar="N", help="at a time")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="the file of keys (default: STREAMER_KEYS)")


def run(arguments: argparse.Namespace, settings: "Settings") -> int:
    """Raises ``ConfigurationError``."""
    from dataclasses import replace

    from streamer.access.keys import Keys
    from streamer.access.tokens import Tokens, Wish, read_secret
    from streamer.errors import ConfigurationError

    access = replace(settings.access, keys=arguments.keys or settings.access.keys)
    if access.keys is None or access.secret is None:
        raise ConfigurationError("no file of keys is named: give --keys FILE, or set STREAMER_KEYS")
    keys = {key.name: key for key in Keys(access.keys).all}
    key = keys.get(arguments.name)
    if key is None:
        raise ConfigurationError(f"{access.keys} has no key called {arguments.name}; it has {', '.join(keys) or 'none'}")
    wish = Wish(scopes=arguments.scope, expires_s=arguments.expires, quota_s=arguments.quota_s, sessions=arguments.sessions)
    if fault := wish.fault(key):
        raise ConfigurationError(fault)
    print(Tokens(read_secret(access.secret)).mint(key, wish))
    return 0
