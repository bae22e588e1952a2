"""Who may do what on a server: keys, tokens made of them, origins, and how many sessions each may have. No sockets, no loop."""

from enum import StrEnum
from typing import Final


class Scope(StrEnum):
    """What a key or a token opens. Asked for in one place, ``Guard.admit``."""

    TRANSCRIBE = "transcribe"
    """Sessions, over any wire."""
    FOLLOW = "follow"
    """Other people's sessions, at ``/calls/<id>``."""
    MINT = "mint"
    """Tokens of its own name. No token has it."""
    METRICS = "metrics"
    TRANSCRIPTS = "transcripts"
    """Stored ones."""


USUAL: Final = frozenset({Scope.TRANSCRIBE, Scope.FOLLOW, Scope.MINT})
"""Of a key for which nothing else was said."""


def read_scopes(text: str) -> frozenset[Scope]:
    """``transcribe,follow``. Raises ``ValueError`` with the one that is none."""
    return frozenset(Scope(part.strip()) for part in text.split(",") if part.strip())


def scope_of(path: str) -> Scope:
    """What a path asks for."""
    match path.split("/")[1:2]:
        case ["metrics"]:
            return Scope.METRICS
        case ["calls"]:
            return Scope.FOLLOW
        case ["api"]:
            return Scope.TRANSCRIPTS
        case _:
            return Scope.TRANSCRIBE
