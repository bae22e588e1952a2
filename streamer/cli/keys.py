"""``streamer keys``: make, list and revoke the keys of a file. A server that uses the file sees it without being told."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from streamer.access import USUAL, Scope, read_scopes

if TYPE_CHECKING:
    from streamer.access.keys import Key
    from streamer.settings import Settings

SCOPES = ", ".join(Scope)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", help="without one: list them")
    add = actions.add_parser("add", help="make a key, and show it this once; or take the public half of one")
    add.add_argument("name", metavar="NAME", help="whose it is")
    usual = f"{','.join(sorted(USUAL))}; with --public-key without mint"
    add.add_argument("--scope", type=scopes, metavar="SCOPE,…", help=f"what it opens, of {SCOPES} (default: {usual})")
    add.add_argument("--sessions", type=int, metavar="N", help="at a time (default: STREAMER_MAX_SESSIONS_PER_KEY)")
    add.add_argument("--public-key", type=Path, metavar="FILE", help="PEM: whoever has the private half signs tokens, and no key is made")
    add.add_argument("--audience", metavar="WORD", help="with --public-key, what those tokens say in aud (default: streamer)")
    revoke = actions.add_parser("revoke", help="forget a key: sessions and tokens of it end too")
    revoke.add_argument("name", metavar="NAME")
    listing = actions.add_parser("list", help="names, what they open, and the beginnings of their hashes")
    for action in (parser, add, revoke, listing):
        default = None if action is parser else argparse.SUPPRESS  # so that it may stand before the action and after it
        action.add_argument("--file", type=Path, metavar="FILE", default=default, help="the file of keys (default: STREAMER_KEYS)")


def scopes(text: str) -> frozenset[Scope]:
    try:
        return read_scopes(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not some of {SCOPES}, with commas between") from None


def run(arguments: argparse.Namespace, settings: "Settings") -> int:
    """Raises ``ConfigurationError``."""
    from streamer.access.keys import load, save
    from streamer.errors import ConfigurationError

    path = arguments.file or settings.access.keys
    if path is None:
        raise ConfigurationError("no file of keys is named: give --file FILE, or set STREAMER_KEYS")
    try:
        keys = load(path) if arguments.action != "add" or path.exists() else []
        match arguments.action:
            case "add":
                add(arguments, keys, path, sys.stdout)
            case "revoke":
                save(path, without(arguments.name, keys, path))
                print(f"{arguments.name} is revoked.")
            case _:
                show(keys, sys.stdout)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be used as a file of keys ({error})") from None
    return 0


def add(arguments: argparse.Namespace, keys: "list[Key]", path: Path, out: TextIO) -> None:
    """A key that was not there. Where one is made, its text is written to ``out`` alone."""
    from streamer.access.keys import new_key, save
    from streamer.errors import ConfigurationError

    if any(key.name == arguments.name for key in keys):
        raise ConfigurationError(f"{path} has a key called {arguments.name} already; revoke it first, or choose another name")
    if arguments.sessions is not None and arguments.sessions < 1:
        raise ConfigurationError(f"--sessions is {arguments.sessions}, expected 1 or more")
    if arguments.public_key is not None:
        key = signing(arguments)
        save(path, [*keys, key])
        out.write(f"{key.name} is added: {asked_of(key)}.\n")
        return
    if arguments.audience is not None:
        raise ConfigurationError("--audience is what tokens say that somebody else signs; it needs --public-key FILE")
    key, text = new_key(arguments.name, scopes=arguments.scope or USUAL, sessions=arguments.sessions)
    save(path, [*keys, key])
    out.write(f"{text}\n")
    print(f"This is the key of {key.name}. It is shown this once: {path} holds its hash only.", file=sys.stderr)


def signing(arguments: argparse.Namespace) -> "Key":
    """Of the public half in a file. Raises ``ConfigurationError``."""
    from streamer.access.keys import USUAL_OF_PUBLIC, signing_key
    from streamer.access.public import read_public_pem
    from streamer.errors import ConfigurationError

    file = arguments.public_key
    try:
        public = read_public_pem(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read ({error.strerror}), expected a public key in PEM") from None
    except ValueError as error:
        raise ConfigurationError(f"{file} cannot be used as a public key: {error}") from None
    options = {"sessions": arguments.sessions, "audience": arguments.audience}
    return signing_key(arguments.name, public, scopes=USUAL_OF_PUBLIC if arguments.scope is None else arguments.scope, **options)


def asked_of(key: "Key") -> str:
    """What a token has to say that is signed with the private half; nothing for a key that has a text."""
    from streamer.access.tokens import AUDIENCE

    public = key.public
    return f"{public.kind}, tokens with alg {public.algorithm}, kid {key.name}, aud {key.audience or AUDIENCE}" if public else ""


def without(name: str, keys: "list[Key]", path: Path) -> "list[Key]":
    from streamer.errors import ConfigurationError

    left = [key for key in keys if key.name != name]
    if len(left) == len(keys):
        names = ", ".join(key.name for key in keys) or "none"
        raise ConfigurationError(f"{path} has no key called {name}; it has {names}")
    return left


def show(keys: "list[Key]", out: TextIO) -> None:
    rows = [("NAME", "OPENS", "SESSIONS", "SHA256")]
    for key in keys:
        sessions = "" if key.sessions is None else str(key.sessions)
        rows.append((key.name, ",".join(sorted(key.scopes)), sessions, f"{key.sha256[:12]}…  {asked_of(key)}"))
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    out.writelines("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows)
