"""The guard at the port: requests to what it is asked, and its refusals to HTTP. Tokens are minted here too."""

import json
import logging
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from websockets.http11 import Request, Response

from streamer.access import Scope, minting, scope_of
from streamer.access.guard import Asked, Denied, Guard
from streamer.access.seats import Granted
from streamer.direct import DirectConnection
from streamer.metrics import Metrics
from streamer.pages import respond
from streamer.wires import Handshake

logger: Final = logging.getLogger(__name__)

ACCESS: Final = "/access"
"""Where a page asks whether what it has would let it in."""


class Door:
    """Where an answer may be ``None``, somebody may come in."""

    def __init__(self, guard: Guard, metrics: Metrics) -> None:
        self._guard, self._metrics = guard, metrics

    def enter(self, socket: DirectConnection, handshake: Handshake, scope: Scope) -> Granted | Response:
        """Who asks for a WebSocket, where that one may have it."""
        asked = _asked(socket, handshake, websocket=True)
        granted = self._guard.admit(asked, scope)
        if isinstance(granted, Denied):
            return self._refused(asked, granted)
        socket.valid = partial(self._guard.still_valid, granted)
        return granted

    def seat(self, socket: DirectConnection, handshake: Handshake, granted: Granted) -> Response | None:
        """A place for the session of who was let in. It is given back when the socket is gone, or the session that takes it over."""
        asked = _asked(socket, handshake, websocket=True)
        seat = self._guard.seat(granted, asked)
        if isinstance(seat, Denied):
            return self._refused(asked, seat)
        socket.seat = seat
        return None

    def ask(self, socket: DirectConnection, handshake: Handshake) -> Response | None:
        """For plain HTTP."""
        asked = _asked(socket, handshake)
        granted = self._guard.admit(asked, scope_of(handshake.path))
        return self._refused(asked, granted) if isinstance(granted, Denied) else None

    def answer(self, socket: DirectConnection, handshake: Handshake, request: Request) -> Response | None:
        """Of the door's own paths; ``None`` where this is none of them."""
        if handshake.path == ACCESS:
            scope = Scope.TRANSCRIPTS if "transcripts" in handshake.query.get("for", ()) else Scope.TRANSCRIBE
            granted = self._guard.admit(_asked(socket, handshake), scope)
            why = granted.sentence if isinstance(granted, Denied) else None
            return _json({"allowed": why is None, "why": why, "keyed": self._guard.keyed})
        if handshake.path not in minting.PATHS:
            return None
        if request.method != "POST" or socket.post is None:
            return respond(HTTPStatus.METHOD_NOT_ALLOWED, "a token is asked for with POST\n", Allow="POST")
        if socket.post.too_large:
            return respond(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too large\n")
        asked = _asked(socket, handshake)
        found = minting.answer(self._guard, asked, handshake.path, socket.post.body)
        if isinstance(found, Denied):
            error = {"type": "invalid_request_error", "code": found.word, "message": found.sentence}
            return self._refused(asked, found, {"error": error})  # OpenAI's SDK reads no other
        return _json(found)

    def _refused(self, asked: Asked, denied: Denied, body: Mapping[str, Any] | None = None) -> Response:
        """Says the sentence, in ``body`` where there is one."""
        self._metrics.refused.labels(denied.word).inc()
        logger.info("%s is refused: %s", self._guard.address_of(asked), denied.sentence)
        status = HTTPStatus(denied.status)
        response = _json(body, status) if body else respond(status, denied.sentence + "\n")
        response.headers.update(denied.headers)
        return response


def _json(body: Mapping[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Response:
    return respond(status, json.dumps(body) + "\n", "application/json", Cache_Control="no-store")


def _asked(socket: DirectConnection, handshake: Handshake, *, websocket: bool = False) -> Asked:
    remote = socket.remote_address
    return Asked(
        peer=remote[0] if remote else "",
        headers=handshake.headers,
        offered=handshake.offered,
        query=handshake.query,
        socket=websocket,
    )
