"""``streamer transcripts``: lists, searches, shows, exports, deletes and expires, of a store that a server may be writing to meanwhile."""

import json
import re
import time
import wave
from argparse import ArgumentParser

import pytest

from streamer.cli import transcripts as command
from streamer.engine.models import ModelSettings
from streamer.errors import ConfigurationError, StoreUnavailable
from streamer.settings import Settings, read_settings
from streamer.store import Append, Open, Wanted
from streamer.store.recordings import Piece, Recordings
from streamer.store.sqlite import SqliteStore
from tests.store.said import OPENED_MS, final, session, spoken


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path / "t.db")
    names = {"channels": 2, "channel_names": ["agent", "customer"]}
    store.write(spoken("plain", "Good morning.", "", "The quick brown fox.", wire="deepgram"))
    said = [final(0, "Hello.", channel=0), final(1, "A fox!", channel=1, begin_ms=3_700_000, end_ms=3_701_000)]
    store.write([Open(session("call", format=names, opened_ms=OPENED_MS + 1)), *(Append("call", one, OPENED_MS) for one in said)])
    yield store
    store.close()


@pytest.fixture
def run(store, tmp_path, capsys):
    """Runs the command; gives its exit code, its output and its errors."""

    def call(*arguments, **settings):
        parser = ArgumentParser()
        command.add_arguments(parser)
        known = Settings(models=ModelSettings(cache=tmp_path, offline=True), **{"store": f"sqlite:{store.path}", **settings})
        code = command.run(parser.parse_args(arguments), known)
        return code, *capsys.readouterr()

    return call


def rows(out):
    """The cells of a table but for the times, which are told in the reader's own zone."""
    table = [re.split(r"  +", line) for line in out.splitlines()]
    return [[line[0], *line[2:]] for line in table]


def test_a_list_has_a_line_for_each_session(run):
    code, out, _ = run("list")
    assert code == 0
    assert rows(out) == [
        ["SESSION", "LENGTH", "FINALS", "WIRE"],
        ["call", "1:01:41", "2", "native", "Hello."],
        ["plain", "0:03", "3", "deepgram", "Good morning."],
    ]
    assert [row[0] for row in rows(run("list", "--limit", "1")[1])] == ["SESSION", "call"]


def test_a_search_says_how_often_and_shows_what_was_found(run):
    code, out, _ = run("search", "FOX", "quick")
    assert code == 0
    assert rows(out) == [
        ["SESSION", "LENGTH", "FINALS", "FOUND", "WIRE"],
        ["plain", "0:03", "3", "1", "deepgram", "The quick brown fox."],
    ]
    assert run("search", "nowhere")[:2] == (0, "Nothing was found.\n")


def test_a_long_list_is_read_in_pieces(run, store):
    store.write([operation for n in range(230) for operation in spoken(f"s{n:03}", "words", opened_ms=n)])
    assert len(run("list", "--limit", "225")[1].splitlines()) == 226
    assert len(run("list", "--limit", "1000")[1].splitlines()) == 233


def test_one_is_shown_with_times_and_with_speakers_where_there_are_several(run):
    assert run("show", "plain")[:2] == (0, "   0:00  Good morning.\n   0:02  The quick brown fox.\n")
    assert run("show", "call")[:2] == (0, "   0:00  agent: Hello.\n1:01:40  customer: A fox!\n")


def test_one_is_exported_in_the_form_that_is_asked_for_or_that_the_file_is_named_after(run, tmp_path, store):
    assert run("export", "call")[:2] == (0, "agent: Hello.\ncustomer: A fox!\n")
    assert run("export", "plain", "--output", str(tmp_path / "x.vtt"))[:2] == (0, "")
    assert (tmp_path / "x.vtt").read_text().startswith("WEBVTT\n\n00:00:00.000 --> 00:00:00.900\nGood morning.\n")
    code, out, _ = run("export", "plain", "--format", "json")
    assert [segment["text"] for segment in json.loads(out)["segments"]] == ["Good morning.", "", "The quick brown fox."]
    with pytest.raises(ConfigurationError, match="nowhere/x.txt cannot be written: No such file or directory"):
        run("export", "plain", "--output", str(tmp_path / "nowhere/x.txt"))


def test_audio_is_exported_where_there_is_any(run, tmp_path, store):
    assert run("export", "plain", "--output", str(tmp_path / "x.wav"))[0] == 1
    Recordings.beside(store.path).write(Piece("plain", 1, 0, b"\1\0\2\0", True))
    assert run("export", "plain", "--output", str(tmp_path / "x.wav"))[:2] == (0, "")
    with wave.open(str(tmp_path / "x.wav")) as reading:
        assert reading.readframes(9) == b"\1\0\2\0"


def test_what_is_not_there_is_said_and_is_a_failure(run, store):
    for action in ("show", "export", "delete"):
        code, out, err = run(action, "nobody")
        assert (code, out, err) == (1, "", "no transcript 'nobody' is kept; streamer transcripts list shows those that are\n")


def test_several_are_deleted_at_once(run, store):
    assert run("delete", "plain", "nobody", "call")[:2] == (1, "plain is deleted.\ncall is deleted.\n")
    assert store.list(Wanted()) == []
    assert run("list")[:2] == (0, "No session has been kept yet.\n")


def test_old_sessions_expire_after_days_that_somebody_has_named(run, store):
    now = time.time_ns() // 1_000_000
    store.write(spoken("old", "words", opened_ms=now - 9 * 86_400_000))
    store.write(spoken("young", "words", opened_ms=now - 7 * 86_400_000))
    store.write(spoken("older", "words", opened_ms=now - 11 * 86_400_000))
    for others in ("plain", "call"):
        store.delete([others])
    assert run("expire", "--days", "10")[:2] == (0, "1 session that ended more than 10 days ago is deleted.\n")
    assert run("expire", store_days=8)[:2] == (0, "1 session that ended more than 8 days ago is deleted.\n")
    assert [row.session.session_id for row in store.list(Wanted())] == ["young"]
    with pytest.raises(ConfigurationError, match="nothing says after how many days"):
        run("expire")


def test_the_store_is_named_by_the_option_or_the_environment(run, tmp_path):
    with pytest.raises(ConfigurationError, match="no store was named; say --store sqlite:PATH or postgresql"):
        run("list", store=None)
    with pytest.raises(StoreUnavailable, match=r"none\.db: there is no such file"):
        run("list", "--store", f"sqlite:{tmp_path}/none.db")
    assert not (tmp_path / "none.db").exists()
    assert read_settings({"STREAMER_STORE": "sqlite:/x/t.db", "STREAMER_STORE_DAYS": "30"}, tmp_path).store == "sqlite:/x/t.db"
    with pytest.raises(ConfigurationError, match="STREAMER_STORE is 't.db', expected sqlite:PATH or postgresql"):
        read_settings({"STREAMER_STORE": "t.db"}, tmp_path)
