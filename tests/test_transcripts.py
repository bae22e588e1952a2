"""Kept transcripts over HTTP: lists, searches, downloads, deletion, and who is let in."""

import http.client
import json

import pytest

from streamer.access import Scope
from streamer.access.guard import Guard
from streamer.access.keys import Keys, new_key, save
from streamer.store.sqlite import SqliteStore
from tests.serving import serving
from tests.store.said import OPENED_MS, spoken
from tests.store.slow import keeper_of


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = SqliteStore(tmp_path_factory.mktemp("store") / "t.db")
    names = {"channels": 1, "channel_names": ["agent"]}
    for n in range(4):
        store.write(spoken(f"s{n}", "Good morning.", f"This is meeting {n}.", opened_ms=OPENED_MS + 60_000 * n, format=names))
    return store


@pytest.fixture(scope="module")
def server(store):
    with serving(keeper=keeper_of(store)) as running:
        yield running


def ask(server, path, method="GET", **headers):
    """Status, headers and body."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def listed(server, query=""):
    status, _, body = ask(server, "/api/transcripts" + query)
    assert status == 200
    return json.loads(body)


def test_the_list_says_what_a_reader_chooses_by(server):
    known = listed(server)
    assert [row["session_id"] for row in known["transcripts"]] == ["s3", "s2", "s1", "s0"]
    assert known["next"] is None
    assert known["transcripts"][3] == {
        "session_id": "s0",
        "opened": "2026-09-21T14:13:20.000Z",
        "closed": "2026-09-21T14:13:22.000Z",
        "duration_ms": 2_000,
        "wire": "native",
        "call": None,
        "model": "scripted",
        "finals": 2,
        "recorded": False,
        "found": 0,
        "excerpt": "Good morning.",
        "excerpt_ms": 0,
    }


def test_a_long_list_comes_in_pieces(server):
    first = listed(server, "?limit=3")
    second = listed(server, f"?limit=3&before={first['next']}")
    assert [[row["session_id"] for row in piece["transcripts"]] for piece in (first, second)] == [["s3", "s2", "s1"], ["s0"]]
    assert second["next"] is None


def test_a_search_finds_what_was_said(server):
    (row,) = listed(server, "?q=MEETING+2")["transcripts"]
    assert (row["session_id"], row["excerpt"], row["excerpt_ms"], row["found"]) == ("s2", "This is meeting 2.", 1_000, 1)
    assert listed(server, "?q=%E4%BD%A0%E5%A5%BD")["transcripts"] == []


@pytest.mark.parametrize(
    ("kind", "content_type", "text"),
    [
        ("txt", "text/plain; charset=utf-8", "Good morning.\nThis is meeting 1.\n"),
        (
            "srt",
            "application/x-subrip; charset=utf-8",
            "1\n00:00:00,000 --> 00:00:00,900\nGood morning.\n\n2\n00:00:01,000 --> 00:00:01,900\nThis is meeting 1.\n",
        ),
        (
            "vtt",
            "text/vtt; charset=utf-8",
            "WEBVTT\n\n00:00:00.000 --> 00:00:00.900\nGood morning.\n\n00:00:01.000 --> 00:00:01.900\nThis is meeting 1.\n",
        ),
    ],
)
def test_a_session_is_downloaded_as_text_and_subtitles(server, kind, content_type, text):
    status, headers, body = ask(server, f"/api/transcripts/s1.{kind}")
    assert (status, headers["Content-Type"], body) == (200, content_type, text)
    assert headers["Content-Disposition"] == f'attachment; filename="s1.{kind}"'
    assert headers["Cache-Control"] == "no-store"


def test_json_has_all_that_is_kept(server, store):
    known = json.loads(ask(server, "/api/transcripts/s1.json")[2])
    stored = store.read("s1")
    assert [{"type": "final", **segment} for segment in known.pop("segments")] == list(stored.finals)
    assert known == {
        "session_id": "s1",
        "opened": "2026-09-21T14:14:20.000Z",
        "closed": "2026-09-21T14:14:22.000Z",
        "duration_ms": 2_000,
        "wire": "native",
        "call": None,
        "model": "scripted",
        "finals": 2,
        "recorded": False,
        "format": {"channels": 1, "channel_names": ["agent"]},
        "settings": {},
        "totals": {"audio_ms": 2_000},
        "text": "Good morning.\nThis is meeting 1.",
    }


def test_a_session_is_deleted_by_its_own_method_and_by_no_other(server, store):
    store.write(spoken("gone", "words", opened_ms=1_000))
    for method in ("GET", "POST", "PUT"):
        assert ask(server, "/api/transcripts/gone", method)[0] == 404
    assert ask(server, "/api/transcripts/gone.txt", "POST")[0] == 405
    assert ask(server, "/api/transcripts", "DELETE")[0] == 405
    assert store.read("gone")
    assert ask(server, "/api/transcripts/gone", "DELETE")[::2] == (200, "gone is deleted\n")
    assert ask(server, "/api/transcripts/gone", "DELETE")[0] == 404
    assert store.read("gone") is None


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("/api/transcripts/nobody.txt", 404, "no transcript 'nobody' is kept; it was never, or it was deleted\n"),
        ("/api/transcripts/s1.doc", 404, "nothing is at /api/transcripts/s1.doc; a transcript is at /api/transcripts/ID.txt, "),
        ("/api/transcripts/..%2f..%2fetc.txt", 404, "nothing is at /api/transcripts/../../etc.txt; "),
        ("/api/transcripts?limit=0", 400, "limit is '0', expected 1 to 199\n"),
        ("/api/transcripts?limit=x", 400, "limit is 'x', expected 1 to 199\n"),
        ("/api/transcripts?before=x", 400, "before is 'x', expected what a list gave as next\n"),
        (f"/api/transcripts?q={'x' * 201}", 400, "the query has 201 characters, expected at most 200\n"),
    ],
)
def test_what_cannot_be_answered_is_said(server, path, status, sentence):
    found, _, body = ask(server, path)
    assert (found, body[: len(sentence)]) == (status, sentence)


def test_only_people_on_this_machine_are_let_in(server):
    for headers in ({"Host": "evil.example"}, {"Host": "192.168.0.7:8765"}, {"X_Forwarded_For": "1.2.3.4"}):
        for path, method in (("/api/transcripts", "GET"), ("/transcripts", "GET"), ("/api/transcripts/s1", "DELETE")):
            status, _, body = ask(server, path, method, **headers)
            assert (status, body[:46]) == (403, "transcripts are shown on this machine only, at")
    for host in ("localhost:8765", "[::1]:8765", "127.0.0.1"):
        assert ask(server, "/api/transcripts", Host=host)[0] == 200


def test_a_server_that_others_reach_shows_none(store):
    with serving(host="0.0.0.0", keeper=keeper_of(store)) as open_server:
        status, _, body = ask(open_server, "/api/transcripts/s1.txt")
    assert (status, body) == (
        403,
        "transcripts are shown on this machine only, and this server listens on 0.0.0.0; read them with streamer transcripts\n",
    )


def test_a_server_that_keeps_none_says_how_it_would():
    with serving() as plain:
        status, _, body = ask(plain, "/api/transcripts")
    assert (status, body) == (404, "this server keeps no transcripts; streamer serve --store sqlite:PATH would\n")


def test_a_store_that_is_gone_is_said_and_the_server_stays_ready(tmp_path):
    store = SqliteStore(tmp_path / "t.db")
    with serving(keeper=keeper_of(store)) as server:
        (tmp_path / "t.db").unlink()
        status, _, body = ask(server, "/api/transcripts")
        assert (status, "unable to open database file" in body) == (503, True)
        assert ask(server, "/readyz")[0] == 200


def test_with_keys_they_are_shown_to_whoever_has_one_for_them(store, tmp_path):
    reader, key = new_key("reader", scopes=frozenset({Scope.TRANSCRIPTS}))
    speaker, other = new_key("speaker")
    save(tmp_path / "keys", [reader, speaker])
    with serving(keeper=keeper_of(store), guard=Guard(keys=Keys(tmp_path / "keys"))) as running:
        assert ask(running, "/transcripts")[0] == 200  # the page itself says nothing
        assert ask(running, "/api/transcripts")[0] == 401
        assert ask(running, "/api/transcripts", X_API_Key=other)[0] == 403
        assert ask(running, "/api/transcripts/s1", "DELETE", X_API_Key=other)[0] == 403
        status, _, body = ask(running, "/api/transcripts", X_API_Key=key, X_Forwarded_For="203.0.113.9")
        assert (status, len(json.loads(body)["transcripts"]) > 0) == (200, True)
        allowed = [json.loads(ask(running, "/access?for=transcripts", X_API_Key=which)[2])["allowed"] for which in (key, other)]
        assert allowed == [True, False]
