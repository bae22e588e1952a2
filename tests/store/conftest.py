"""Every kind of store, empty."""

import pytest

from streamer.store.postgres import PostgresStore
from streamer.store.sqlite import SqliteStore
from tests.store.cluster import cluster

TABLES = "streamer_finals, streamer_sessions, streamer_version"


@pytest.fixture(scope="session")
def postgres():
    with cluster() as running:
        yield running


@pytest.fixture
def postgres_url(postgres):
    """Of a database in which nobody has been yet."""
    import psycopg

    with psycopg.connect(postgres.url, autocommit=True) as database:
        database.execute(f"DROP TABLE IF EXISTS {TABLES}")
    return postgres.url


@pytest.fixture(params=["sqlite", "sqlite without index", "postgres"])
def store(request, tmp_path):
    if request.param == "postgres":
        store = PostgresStore(request.getfixturevalue("postgres_url"))
    else:
        store = SqliteStore(tmp_path / "t.db", index=request.param == "sqlite")
    yield store
    store.close()
