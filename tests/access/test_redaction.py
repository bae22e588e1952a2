"""No key and no token in a line of the log, whatever wrote it."""

import logging

import pytest

from streamer.access.keys import new_key
from streamer.access.redaction import Redacting, redact

KEY = "streamer_" + "Aa0-_" * 8 + "xyz"  # of the shape that a key has
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJkZXNrIn0.c2lnbmF0dXJl"


def test_a_key_has_the_shape_that_is_looked_for():
    assert len(new_key("desk")[1]) == len(KEY)
    assert redact(new_key("desk")[1]) == "[secret]"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"GET /ws?token={KEY} HTTP/2.0", "GET /ws?token=[secret] HTTP/2.0"),
        ("GET /v1/listen?model=m&api_key=abc&x=1", "GET /v1/listen?model=m&api_key=[secret]&x=1"),
        ("GET /streaming-whisper/ws/a?auth_token=abc HTTP/1.1", "GET /streaming-whisper/ws/a?auth_token=[secret] HTTP/1.1"),
        (f"Authorization: Bearer {JWT}", "Authorization: Bearer [secret]"),
        ("'authorization': 'Token abc'", "'authorization': 'Token [secret]'"),
        ("X-API-Key: abc", "X-API-Key: [secret]"),
        ("realtime, openai-insecure-api-key.abc", "realtime, openai-insecure-api-key.[secret]"),
        ("json, streamer-key.a.b.c, x", "json, streamer-key.[secret], x"),
        (f"somewhere {KEY} else", "somewhere [secret] else"),
        (f"somewhere {JWT} else", "somewhere [secret] else"),
        ("session 0123456789ab opened from 127.0.0.1:4711", "session 0123456789ab opened from 127.0.0.1:4711"),
        ("every token counts", "every token counts"),
    ],
)
def test_secrets_are_taken_out_and_nothing_else(text, shown):
    assert redact(text) == shown


def test_a_traceback_is_clean_too():
    try:
        raise ValueError(f"invalid HTTP request line: GET /ws?token={KEY}")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", None, (ValueError, error, error.__traceback__))
    text = Redacting("%(message)s").format(record)

    assert KEY not in text
    assert "invalid HTTP request line: GET /ws?token=[secret]" in text
