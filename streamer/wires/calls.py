"""What is read at ``/calls/<id>`` by whoever follows a session: the native messages, with the session and the name of the channel."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

import msgpack

from streamer.core.events import (
    ErrorSent,
    Flushed,
    Message,
    SessionConfigured,
    SessionCreated,
    Sound,
    Synced,
)
from streamer.core.events import Final as FinalMessage
from streamer.wires import Handshake, Payload, Refused, Route
from streamer.wires.native import AGREED, MESSAGE_TYPES
from streamer.wires.plain import plain, to_json

LONGEST_ID: Final = 256  # characters; carriers' own have about 40
OWN: Final = (Flushed, Synced)
"""Answers to what the session's own client asked, which are nobody else's."""
KEPT: Final = (SessionCreated, SessionConfigured, FinalMessage, Sound, ErrorSent)
"""What a follower who comes later is told too."""


class Following:
    """One follower. ``packed`` is MessagePack. Raises ``Refused`` for an id that no call has."""

    headers: Final[Mapping[str, str]] = {}

    def __init__(self, handshake: Handshake) -> None:
        self.call = read_id(unquote(handshake.path.rpartition("/")[2]))
        self._packed = AGREED(handshake.offered) == "msgpack"

    def encode(self, text: str) -> Payload:
        """A message that is JSON, as this follower reads it."""
        if not self._packed:
            return text
        packed: bytes = msgpack.packb(json.loads(text))
        return packed


def read_id(text: str) -> str:
    """Raises ``Refused`` for what is no id."""
    if not 0 < len(text) <= LONGEST_ID:
        raise Refused(400, f"the id of a call has {len(text)} characters, expected 1 to {LONGEST_ID}")
    return text


def told(session_id: str, names: Mapping[int, str], message: Message) -> str:
    """A session's message as its followers read it, in JSON."""
    found: dict[str, Any] = {"type": MESSAGE_TYPES[type(message)], "session_id": session_id, **plain(message)}
    name = names.get(found.get("channel", -1))
    if name:
        found["channel_name"] = name
    return to_json(found)


ROUTE: Final = Route(name="calls", paths=("/calls/*",), subprotocol=AGREED, open=Following)
