"""What is SQLite's own: the file, its log, its index, and being written to by several processes."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.errors import StoreUnavailable
from streamer.store import Append, StoreFailed, Wanted, folded
from streamer.store.address import open_store, read_address
from streamer.store.sqlite import SqliteStore
from tests.store.said import OPENED_MS, final, spoken

ROOT = Path(__file__).parents[2]


class Small(SqliteStore):
    """On a disk that is full after so many pages."""

    pages = 1_000_000

    def _connect(self):
        database = super()._connect()
        database.execute(f"PRAGMA max_page_count = {self.pages}")
        return database


def test_the_file_is_its_owners_alone_and_its_log_too(tmp_path):
    store = SqliteStore(tmp_path / "t.db")
    store.write(spoken("s", "one"))
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()} == {
        "t.db": "0o600",
        "t.db-shm": "0o600",
        "t.db-wal": "0o600",
    }
    store.close()


def test_every_commit_is_synced_to_the_disk(tmp_path):
    database = SqliteStore(tmp_path / "t.db")._connect()
    settings = [database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    database.close()
    assert settings == ["wal", 2]


def test_a_full_disk_is_said_and_what_was_stored_stays_and_room_is_used_again(tmp_path):
    store = Small(tmp_path / "t.db")
    store.write(spoken("s", "one", closed=False))
    store.close()
    store.pages = 1
    with pytest.raises(StoreFailed, match=r"t\.db: database or disk is full"):
        store.write([Append("s", final(n, "x" * 3_000), OPENED_MS) for n in range(1, 200)])
    store.close()
    store.pages = 1_000_000
    assert store.write([Append("s", final(300, "two"), OPENED_MS)]) == [None]
    assert [one["text"] for one in store.read("s").finals] == ["one", "two"]
    store.close()


def test_what_was_written_without_an_index_of_words_is_in_it_later(tmp_path):
    store = SqliteStore(tmp_path / "t.db", index=False)
    store.write(spoken("s", "the quick fox"))
    store.close()
    store = SqliteStore(tmp_path / "t.db")
    assert store._indexed
    assert "MATCH" in store._matching(["quick"])[0]
    assert [row.found for row in store.list(Wanted(query="quick"))] == [1]


TEXT = st.text(alphabet="aAbBß天氣éÉİıs %_\\\"'-*^:()", max_size=12)


@settings(max_examples=60)
@given(texts=st.lists(TEXT, min_size=1, max_size=5), query=TEXT)
def test_the_index_finds_what_reading_everything_finds(tmp_path_factory, texts, query):
    path = tmp_path_factory.mktemp("index") / "t.db"
    store = SqliteStore(path)
    store.write(spoken("s", *texts))
    wanted = Wanted(query=query)
    found = [row.found for row in store.list(wanted)]
    store.close()
    expected = sum(all(word in folded(text) for word in wanted.words) for text in texts) if wanted.words else 0
    assert found == ([expected] if expected or not wanted.words else [])


def test_deleted_words_are_not_in_the_file_any_more(tmp_path):
    store = SqliteStore(tmp_path / "t.db")
    store.write(spoken("s", "a very secret sentence"))
    store.write(spoken("t", "a harmless one"))
    store.delete(["s"])
    bytes_left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"secret sentence" not in bytes_left
    assert b"harmless" in bytes_left
    store.close()


def test_a_file_of_a_newer_version_is_left_alone(tmp_path):
    SqliteStore(tmp_path / "t.db")
    with sqlite3.connect(tmp_path / "t.db") as database:
        database.execute("PRAGMA user_version = 2")
    database.close()
    with pytest.raises(StoreUnavailable, match=r"was written by a newer streamer \(version 2 of the tables, this one knows 1\)"):
        open_store(f"sqlite:{tmp_path}/t.db")


@pytest.mark.parametrize(
    ("make", "create", "sentence"),
    [
        (lambda path: None, False, "there is no such file"),
        (lambda path: path.write_bytes(b"this is no database" * 100), True, "file is not a database"),
        (lambda path: path.mkdir(), True, "Is a directory"),
    ],
)
def test_what_cannot_be_opened_is_said(tmp_path, make, create, sentence):
    make(tmp_path / "t.db")
    with pytest.raises(StoreUnavailable, match=rf"the transcripts cannot be reached: {tmp_path}/t\.db: {sentence}"):
        open_store(f"sqlite:{tmp_path}/t.db", create=create)


def test_an_address_is_read_or_refused():
    assert [read_address(text) for text in ("", "sqlite:a.db", "postgresql://u@h/d")] == [None, "sqlite:a.db", "postgresql://u@h/d"]
    for wrong in ("a.db", "sqlite:", "mysql://h/d"):
        with pytest.raises(ValueError, match=wrong):
            read_address(wrong)


def test_several_processes_write_to_one_file(tmp_path):
    code = f"""
import sys
from streamer.store.sqlite import SqliteStore
from tests.store.said import spoken
from pathlib import Path
store = SqliteStore(Path({str(tmp_path / "t.db")!r}))
for operation in spoken(sys.argv[1], *["words"] * 50):
    assert store.write([operation]) == [None]
store.close()
"""
    writers = [subprocess.Popen([sys.executable, "-c", code, f"s{n}"], cwd=ROOT, stderr=subprocess.PIPE) for n in range(3)]
    faults = [writer.communicate(timeout=100)[1] for writer in writers]
    assert faults == [b""] * 3
    rows = SqliteStore(tmp_path / "t.db").list(Wanted(query="words"))
    assert sorted((row.session.session_id, row.found) for row in rows) == [("s0", 50), ("s1", 50), ("s2", 50)]
