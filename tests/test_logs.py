"""What a line of the log holds, and what it never does."""

import json
import logging

import numpy as np

from streamer.logs import JsonFormatter, TextFormatter
from tests.serving import serving
from tests.test_server import SENTENCE, Loud, talk


def record(message="session %s closed", *arguments, error=None, **fields):
    made = logging.LogRecord("streamer.connection", logging.INFO, "connection.py", 1, message, arguments or ("s1",), error)
    made.created, made.msecs = 1_700_000_000.25, 250.0
    if fields:
        made.fields = fields
    return made


def test_json_is_one_object_a_line_with_the_fields_beside_the_message():
    line = JsonFormatter().format(record(session="s1", seconds=2.5, code=None))

    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "info",
        "logger": "streamer.connection",
        "message": "session s1 closed",
        "session": "s1",
        "seconds": 2.5,
        "code": None,
    }


def test_an_exception_stays_on_the_line():
    try:
        raise ValueError("poison")
    except ValueError as error:
        line = JsonFormatter().format(record(error=(ValueError, error, error.__traceback__)))

    assert "\n" not in line
    assert "ValueError: poison" in json.loads(line)["exception"]


def test_text_has_the_fields_behind_the_message():
    text = TextFormatter("%(levelname)s %(message)s").format(record(session="s1", seconds=2.5, code=1000))

    assert text == "INFO session s1 closed: seconds=2.5 code=1000"
    assert TextFormatter("%(message)s").format(record("ready, %d", 1)) == "ready, 1"


def test_a_session_has_one_line_when_it_opens_and_one_with_its_numbers_when_it_closes(caplog):
    caplog.set_level(logging.INFO, "streamer")
    with serving(judge=Loud()) as server:
        got, _ = talk(
            server.socket + "?call=secret-call", {"type": "start"}, np.concatenate([SENTENCE, SENTENCE]).tobytes(), {"type": "stop"}
        )

    opened, closed = [entry.fields for entry in caplog.records if hasattr(entry, "fields")]
    assert list(opened) == ["session", "wire", "peer"]
    assert opened["wire"] == "native"
    assert opened["peer"].startswith("127.0.0.1:")
    assert {name: closed[name] for name in ("session", "wire", "reason", "code", "audio_ms", "finals", "errors")} == {
        "session": opened["session"],
        "wire": "native",
        "reason": "stop",
        "code": 1000,
        "audio_ms": 4_800,
        "finals": 2,
        "errors": 0,
    }
    assert 0 <= closed["final_lag_p95_ms"] < 5_000
    assert closed["seconds"] > 0
    secrets = [got[0]["resume_token"], "secret-call", *(message["text"] for message in got if message["type"] == "final")]
    assert [secret for secret in secrets if secret in caplog.text or secret in str(closed)] == []
