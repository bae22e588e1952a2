"""Typed messages: what the server says is what the client reads, and neither has to be the newer one."""

import json

import pytest

from streamer.client.reading import TYPES, Unknown, typed
from streamer.core.events import AudioFormat, Closed, ErrorSent, Final, Flushed, SessionConfigured, SessionCreated, Settings, Word
from streamer.wires.native import Native
from tests.driving import Driver, speech

SPOKEN = Driver().start().hear(speech("." * 10 + "#" * 40 + "." * 60)).stop().sent


@pytest.mark.parametrize("sent", SPOKEN, ids=lambda message: type(message).__name__)
def test_what_a_session_sends_is_what_is_read(sent):
    (text,) = Native().encode(sent)
    assert typed(json.loads(text)) == sent


def test_messages_of_all_kinds_were_among_them():
    assert {Final, SessionCreated, SessionConfigured, Closed} <= {type(message) for message in SPOKEN}


def test_a_message_of_a_newer_server_is_unknown_and_whole():
    assert typed({"type": "speaker", "name": "Ada"}) == Unknown(kind="speaker", fields={"type": "speaker", "name": "Ada"})


def test_fields_of_a_newer_server_are_ignored():
    assert typed({"type": "flushed", "seq": 7, "id": 3, "mood": "good"}) == Flushed(id=3)
    word = {"text": "a", "begin_ms": 1, "end_ms": 2, "confidence": None, "speaker": 4}
    assert typed({"type": "final", "words": [word]}).words == (Word(text="a", begin_ms=1, end_ms=2, confidence=None),)


@pytest.mark.parametrize("name", TYPES)
def test_what_an_older_server_leaves_out_is_neutral(name):
    assert isinstance(typed({"type": name}), TYPES[name])


def test_neutral_values_are_those_of_their_types():
    final = typed({"type": "final", "segment": 3, "text": "yes"})
    assert (final.segment, final.text, final.begin_ms, final.words, final.language, final.withheld) == (3, "yes", 0, (), None, None)
    assert typed({"type": "error", "message": "no"}) == ErrorSent(code="", message="no", fatal=False)
    assert typed({"type": "session.configured"}) == SessionConfigured(format=AudioFormat(), settings=Settings())


def test_a_language_that_this_client_does_not_know_does_not_break_it():
    message = {"type": "session.configured", "format": {}, "settings": {"language": "tlh"}}
    assert typed(message) == Unknown(kind="session.configured", fields=message)


@pytest.mark.parametrize("fields", [{"words": 3}, {"language": "en"}, {"words": [None]}])
def test_nonsense_is_unknown(fields):
    assert isinstance(typed({"type": "final", **fields}), Unknown)
