"""Carriers' wires in tests."""

from streamer.wires import Handshake


def opened(kind, **query):
    """A wire whose address had this query."""
    values = {name: [value] for name, value in query.items()}
    return kind(Handshake(session_id="s", at="2026-01-31T12:00:00Z", path="/", query=values))


def heard(wire, messages):
    """The inputs that messages become."""
    return [event for message in messages for event in wire.decode(message)]
