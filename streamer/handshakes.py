"""A request to what a wire is told of it."""

import time
import uuid
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qs

from websockets.exceptions import InvalidHeader
from websockets.headers import parse_subprotocol
from websockets.http11 import Request

from streamer.access.credentials import without_secret_headers, without_secret_query, without_secrets
from streamer.wires import Handshake


def read_handshake(request: Request) -> Handshake:
    """All that the client has said, its key too."""
    path, _, query = request.path.partition("?")
    return replace(
        without_request(),
        path=path,
        query=parse_qs(query, keep_blank_values=True),
        headers={name.lower(): value for name, value in request.headers.raw_items()},
        offered=offered(request),
    )


def without_request() -> Handshake:
    """Of a plain TCP stream, which says nothing at first."""
    now_ms = time.time_ns() // 1_000_000
    at = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Handshake(session_id=uuid.uuid4().hex[:12], at=at, unix_ms=now_ms, path="")


def for_a_wire(handshake: Handshake) -> Handshake:
    """Without secrets: a wire has no use for a key, and might quote it."""
    return replace(
        handshake,
        headers=without_secret_headers(handshake.headers),
        query=without_secret_query(handshake.query),
        offered=without_secrets(handshake.offered),
    )


def offered(request: Request) -> list[str]:
    """Subprotocols. None where the header cannot be read: the library refuses such a handshake itself, with 400."""
    with suppress(InvalidHeader):
        return [name for header in request.headers.get_all("Sec-WebSocket-Protocol") for name in parse_subprotocol(header)]
    return []
