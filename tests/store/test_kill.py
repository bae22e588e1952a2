"""Kill -9: a client that has received a final will find it in the store, whenever the process was killed."""

import asyncio
import random
import signal
import sys

import pytest

from streamer.store import Wanted
from streamer.store.sqlite import SqliteStore
from tests.store.processes import WORDS, serve, speak

ROUNDS = 4


def test_what_a_client_received_is_in_the_store_whenever_the_server_is_killed(tmp_path):
    """Every server goes on with the file that its killed forerunner left."""
    path = tmp_path / "t.db"

    async def until_killed(process, url, after_s):
        speaking = [asyncio.create_task(speak(url, words)) for words in WORDS]
        await asyncio.sleep(after_s)
        process.send_signal(signal.SIGKILL)
        return await asyncio.gather(*speaking)

    heard = []
    for _ in range(ROUNDS):
        after_s = random.uniform(0.3, 1.5)
        with serve(f"sqlite:{path}") as (process, url):
            heard += asyncio.run(until_killed(process, url, after_s))
    assert sum(len(finals) for _, finals, _ in heard) > 20 * ROUNDS, "they were to be killed while much was said"
    store = SqliteStore(path)
    for session_id, finals, _ in heard:
        stored = store.read(session_id) if finals else None
        assert finals == (list(stored.finals)[: len(finals)] if stored else [])
        assert not stored or stored.listed.closed_ms is None
    assert store._connect().execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert len(store.list(Wanted(limit=200))) >= sum(bool(finals) for _, finals, _ in heard)


@pytest.mark.skipif(sys.platform != "linux", reason="a port is shared as Linux shares it")
def test_several_gateways_keep_their_sessions_in_one_file(tmp_path):
    async def speak_all(url):
        return await asyncio.gather(*(speak(url, words, pause_s=0.005) for words in WORDS))

    with serve(f"sqlite:{tmp_path}/t.db", "--workers", "2") as (process, url):
        heard = asyncio.run(speak_all(url))
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    store = SqliteStore(tmp_path / "t.db")
    for session_id, finals, goodbye in heard:
        stored = store.read(session_id)
        assert list(stored.finals) == finals
        assert stored.listed.totals == goodbye["totals"]
    assert [len(finals) for _, finals, _ in heard] == [20] * len(WORDS)
