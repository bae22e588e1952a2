"""What is PostgreSQL's own: it may go away and come back while it is in use."""

import pytest

from streamer.errors import StoreUnavailable
from streamer.keeper import Keeper
from streamer.store import Append, StoreFailed
from streamer.store.address import open_store
from streamer.store.postgres import PostgresStore
from tests.serving import serving
from tests.store.said import OPENED_MS, final, spoken
from tests.test_server import Loud, talk
from tests.test_server_store import TWO, of


def test_a_database_that_was_restarted_is_used_again_without_a_loss(postgres, postgres_url):
    store = PostgresStore(postgres_url)
    store.write(spoken("s", "one", closed=False))
    postgres.stop()
    try:
        with pytest.raises(StoreFailed, match=r"^PostgreSQL: .*streamer-pg-"):
            store.write([Append("s", final(1, "lost"), OPENED_MS)])
    finally:
        postgres.start()
    assert store.write([Append("s", final(2, "two"), OPENED_MS)]) == [None]
    postgres.stop()
    postgres.start()
    assert store.write([Append("s", final(3, "three"), OPENED_MS)]) == [None]
    assert [one["text"] for one in store.read("s").finals] == ["one", "two", "three"]
    store.close()


def test_commits_are_told_when_they_are_on_the_disk_and_nothing_waits_for_ever(postgres_url):
    database = PostgresStore(postgres_url)._connect()
    settings = [database.execute(f"SHOW {name}").fetchone()[0] for name in ("synchronous_commit", "statement_timeout")]
    database.close()
    assert settings == ["on", "4s"]


def test_a_user_who_may_not_have_the_index_searches_all_the_same(postgres, postgres_url):
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as database:
        database.execute("DROP EXTENSION IF EXISTS pg_trgm CASCADE")
        database.execute("DROP ROLE IF EXISTS plain")
        database.execute("CREATE ROLE plain LOGIN")
        database.execute("DROP DATABASE IF EXISTS plain")
        database.execute("CREATE DATABASE plain")
        database.execute("REVOKE ALL ON DATABASE plain FROM PUBLIC")
        database.execute("GRANT CONNECT ON DATABASE plain TO plain")
    own = postgres_url.replace("/postgres?", "/plain?")
    with psycopg.connect(own, autocommit=True) as database:
        database.execute("GRANT CREATE, USAGE ON SCHEMA public TO plain")
    store = PostgresStore(own.replace("streamer@", "plain@"))
    store.write(spoken("s", "the quick fox"))
    assert store.read("s").finals[0]["text"] == "the quick fox"
    store.close()


def test_a_server_that_is_not_there_is_said():
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with pytest.raises(StoreUnavailable, match=r"the transcripts cannot be reached: PostgreSQL: .*nowhere"):
        open_store("postgresql://streamer@/postgres?host=/nowhere")


def test_a_server_keeps_its_transcripts_there_and_says_so_while_the_database_is_away(postgres, postgres_url):
    """Ready all the while; what is said after the database has come back is kept again."""
    with serving(judge=Loud(), keeper=Keeper(postgres_url)) as server:
        first, _ = talk(server.socket, {"type": "start"}, TWO.tobytes(), {"type": "stop"})
        postgres.stop()
        try:
            away, code = talk(server.socket, {"type": "start"}, TWO.tobytes(), {"type": "stop"})
            assert (server.get("/readyz")[0], server.get("/api/transcripts")[0]) == (200, 503)
        finally:
            postgres.start()
        again, _ = talk(server.socket, {"type": "start"}, TWO.tobytes(), {"type": "stop"})
    assert (len(of(away, "final")), [one["code"] for one in of(away, "warning")], code) == (2, ["not_stored"] * 2, 1000)
    store = PostgresStore(postgres_url)
    assert [list(store.read(got[0]["session_id"]).finals) for got in (first, again)] == [of(first, "final"), of(again, "final")]
    assert store.read(away[0]["session_id"]) is None
