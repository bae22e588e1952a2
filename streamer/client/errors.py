"""Why a server did not let a client in, or what ended its session."""

from typing import ClassVar

from streamer.errors import ConnectionFailed


class Refused(ConnectionFailed):
    """The server answered the handshake with this HTTP status. ``retry_after_s`` is when it may be asked again, where it said so."""

    code = "refused"
    hint: ClassVar[str] = ""

    def __init__(self, url: str, status: int, said: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{url} refused the connection ({status}): {said or 'it gave no reason'}{self.hint}")
        self.status, self.retry_after_s = status, retry_after_s


class Unauthorized(Refused):
    """No key, or one that the server does not know."""

    code = "unauthorized"
    hint = "; pass key=, as the one who runs the server gave it"


class Forbidden(Refused):
    """The key is known, and does not allow this."""

    code = "forbidden"


class NotFound(Refused):
    """There is a server, and nothing at this path."""

    code = "not_found"
    hint = "; the native wire is at /ws"


class CannotResume(Refused):
    """The session cannot be gone on with; a new one can be begun."""

    code = "cannot_resume"


class Unavailable(Refused):
    """Loading, full or stopping: another time it may work."""

    code = "unavailable"


class SessionFailed(ConnectionFailed):
    """The server ended the session with an error that the same audio or the same settings would meet again. ``reason`` is its code."""

    code = "session_failed"

    def __init__(self, reason: str, said: str) -> None:
        super().__init__(f"the server ended the session ({reason}): {said or 'it gave no reason'}")
        self.reason = reason


REFUSALS = {401: Unauthorized, 403: Forbidden, 404: NotFound, 410: CannotResume, 429: Unavailable, 503: Unavailable}
HOPELESS = (Unauthorized, Forbidden, NotFound)
"""Trying again would not help."""


def refused(url: str, status: int, said: str, retry_after: str | None) -> Refused:
    """The error for a status."""
    seconds = float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdecimal() and len(retry_after) < 7 else None
    return REFUSALS.get(status, Refused)(url, status, said, seconds)
