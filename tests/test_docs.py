"""Pages that can be checked are checked: the protocol against the code, the README against the settings."""

import inspect
import re
from dataclasses import fields
from pathlib import Path

from streamer import errors, record, tape
from streamer.access import Scope
from streamer.access.credentials import HEADERS, PREFIXES, QUERY
from streamer.access.minting import PATHS
from streamer.core import session
from streamer.core.events import AudioFormat, Capabilities, Encoding, Event, Itn, Language, Settings, Word
from streamer.core.richtext import EMOTION_TAGS, LANGUAGE_TAGS
from streamer.limits import Limits
from streamer.settings import VARIABLES
from streamer.wires.native import CLIENT_MESSAGES, FORMAT_FIELDS, MESSAGE_TYPES

ROOT = Path(__file__).parents[1]
PROTOCOL = (ROOT / "docs/protocol.md").read_text()


def section(title):
    """The text under ``### `title` `` up to the next heading."""
    return re.search(rf"^### `{re.escape(title)}`\n(.*?)(?=^##|\Z)", PROTOCOL, re.M | re.S)[1]


def rows(text):
    """The cells of a table's rows, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return [[*(cell.strip("`") for cell in row[:-1]), row[-1]] for row in cells]


def test_the_page_names_every_message_of_either_side_and_no_other():
    client, server = PROTOCOL.split("## From the server")
    assert re.findall(r"^### `(.*)`", client, re.M) == list(CLIENT_MESSAGES)
    assert sorted(re.findall(r"^### `(.*)`", server, re.M)) == sorted(MESSAGE_TYPES.values())


def test_every_field_of_every_server_message_is_on_the_page_in_its_order():
    for kind, name in MESSAGE_TYPES.items():
        assert [row[0] for row in rows(section(name))] == [field.name for field in fields(kind)], name


def test_every_field_of_every_client_message_is_on_the_page():
    for name, known in CLIENT_MESSAGES.items():
        assert [row[0] for row in rows(section(name))] == list(known), name


def test_the_defaults_on_the_page_are_those_of_the_code():
    shape, settings = AudioFormat(), Settings()
    for name, _, default, meaning in rows(section("start")):
        if name == "format":
            assert default == shape.encoding
            assert all(f"`{encoding}`" in meaning for encoding in Encoding)
        else:
            value = getattr(shape if name in FORMAT_FIELDS else settings, name)
            assert default == str(list(value) if isinstance(value, tuple) else value).lower(), name


def test_the_parts_of_objects_are_on_the_page():
    text = section("final") + section("session.created") + section("session.configured")
    for kind in (Capabilities, Word, Language, Event, Itn, AudioFormat, Settings):
        assert [field.name for field in fields(kind) if f"`{field.name}`" not in text] == [], kind
    for label in (*LANGUAGE_TAGS.values(), *EMOTION_TAGS.values()):
        assert f"`{label}`" in text
    assert list(Limits().told) == re.findall(r"`(\w+)`", next(row[2] for row in rows(section("session.created")) if row[0] == "limits"))


def test_every_error_a_client_can_meet_is_on_the_page_with_its_close_code():
    told = {row[0]: (row[1], row[2]) for row in rows(PROTOCOL.partition("## Errors and close codes")[2])}
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.SessionError)]
    expected = {
        kind.code: ("no", "") if kind.close_code is None else ("yes", str(kind.close_code))
        for kind in kinds
        if kind is not errors.SessionError
    }
    expected[errors.TranscriptionFailed.code] = ("no", "")

    assert told == expected


def test_every_warning_is_on_the_page():
    codes = set(re.findall(r'Warned\(code="(\w+)"', inspect.getsource(session) + inspect.getsource(record) + inspect.getsource(tape)))

    assert codes == set(re.findall(r"`(\w+)`", next(row[2] for row in rows(section("warning")) if row[0] == "code")))


def test_the_environment_variables_of_the_readme_are_those_of_the_code():
    readme = (ROOT / "README.md").read_text()
    table = [row for row in rows(readme) if row and row[0].startswith("STREAMER_")]

    assert table == [[variable.name, variable.default, variable.meaning] for variable in VARIABLES]


def test_the_scopes_and_the_ways_to_a_token_on_the_page_are_those_of_the_code():
    security = (ROOT / "docs/security.md").read_text()
    keys, tokens = security.split("## Tokens\n")

    assert [row[0] for row in rows(keys.partition("| scope |")[2].partition("\n\n")[0].join(("| scope |", "")))] == list(Scope)
    assert set(re.findall(r"^\| `(/[\w/]+)`", tokens, re.M)) == PATHS
    for scheme in (*HEADERS, *PREFIXES, *(f"?{name}=" for name in QUERY)):
        assert scheme in keys.replace("X-API-Key", "x-api-key"), scheme


def test_the_readme_opens_with_its_two_commands():
    lines = (ROOT / "README.md").read_text().splitlines()

    assert [line.split("#")[0].strip() for line in lines[:8] if line.startswith("make ")] == ["make run", "make test"]
