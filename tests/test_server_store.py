"""A server that keeps transcripts, over real sockets: nothing is sent before it is stored, nothing overtakes it, and failure is told."""

import asyncio
import json
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from streamer.keeper import Keeper
from streamer.store import Wanted
from streamer.store.sqlite import SqliteStore
from tests.driving import speech
from tests.serving import serving
from tests.store.slow import Slow, keeper_of
from tests.test_server import Loud, talk

TWO = speech("." * 20 + "#" * 60 + "." * 40 + "#" * 80 + "." * 40)
"""Two sentences; the second one is long enough for partials."""


@pytest.fixture
def store(tmp_path):
    store = Slow(tmp_path / "t.db")
    yield store
    store.close()


@pytest.fixture
def server(store):
    with serving(judge=Loud(), keeper=keeper_of(store), heartbeat_s=0.2) as running:
        yield running


def of(messages, kind):
    """Without what the wire may add to number them."""
    return [{name: value for name, value in message.items() if name != "seq"} for message in messages if message["type"] == kind]


def lasting(messages):
    """Without what depends on the time."""
    return [(m["type"], m.get("segment")) for m in messages if m["type"] not in ("heartbeat", "partial")]


def test_finals_are_stored_as_they_were_sent_with_all_that_is_known_of_their_session(server, store):
    start = {"type": "start", "channels": 2, "channel_names": ["agent", "customer"], "language": "en"}
    got, _ = talk(server.socket, start, TWO.repeat(2).tobytes(), {"type": "stop"})
    stored = store.read(got[0]["session_id"])

    assert len(stored.finals) == 4
    assert list(stored.finals) == of(got, "final")
    about = stored.listed.session
    assert (about.wire, about.model, about.format["channel_names"], about.settings["language"]) == (
        "native",
        "scripted",
        ["agent", "customer"],
        "en",
    )
    assert stored.listed.totals == got[-1]["totals"]
    assert about.opened_ms <= stored.listed.closed_ms < about.opened_ms + 60_000


def test_every_final_is_in_the_store_when_its_client_gets_it(server, store):
    store.pause_s = 0.05

    async def conversation():
        async with connect(server.socket, compression=None) as socket:
            await socket.send('{"type": "start"}')
            await socket.send(TWO.tobytes())
            await socket.send('{"type": "stop"}')
            session_id = json.loads(await socket.recv())["session_id"]
            seen = []
            with suppress(ConnectionClosed):
                async for text in socket:
                    message = json.loads(text)
                    if message["type"] == "final":
                        seen.extend(final in store.read(session_id).finals for final in of([message], "final"))
            return seen

    assert asyncio.run(conversation()) == [True, True]


def test_nothing_overtakes_a_final_that_is_being_stored_and_the_goodbye_comes_last(server, store):
    expected, _ = talk(server.socket, {"type": "start"}, TWO.tobytes(), {"type": "stop"})

    async def conversation():
        got = []
        async with connect(server.socket, compression=None) as socket:
            await socket.send('{"type": "start"}')
            store.free.clear()
            await socket.send(TWO.tobytes())
            await socket.send('{"type": "stop"}')
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    async for text in socket:
                        got.append(json.loads(text))
            held = list(got)
            store.free.set()
            with suppress(ConnectionClosed):
                async for text in socket:
                    got.append(json.loads(text))
            return held, got, socket.close_code

    held, got, code = asyncio.run(conversation())
    assert lasting(held)[-1] == ("speech.ended", 0)
    assert [message["segment"] for message in of(held, "partial") if message["segment"]] == []
    assert lasting(got) == lasting(expected)
    assert code == 1000


def test_a_store_that_fails_loses_no_client_anything_but_the_storing_and_each_is_told(server, store):
    store.broken = "the disk is full"
    got, code = talk(server.socket, {"type": "start"}, TWO.tobytes(), {"type": "stop"})
    sentence = "the transcripts that the server keeps lack this final: the disk is full; what you received is all there is of it"

    assert [kind for kind, _ in lasting(got)][2:] == [
        *("speech.started", "speech.ended", "final", "warning"),
        *("speech.started", "speech.ended", "final", "warning", "closed"),
    ]
    assert {(one["code"], one["message"]) for one in of(got, "warning")} == {("not_stored", sentence)}
    assert code == 1000
    assert server.get("/readyz")[0] == 200
    assert server.metric("streamer_store_failures_total") == 2
    store.broken = None
    again, _ = talk(server.socket, {"type": "start"}, TWO.tobytes(), {"type": "stop"})
    assert of(again, "warning") == []
    assert list(store.read(again[0]["session_id"]).finals) == of(again, "final")
    assert server.metric("streamer_store_seconds_count") == 4


def test_a_session_that_began_while_the_store_was_broken_is_kept_from_there_on(server, store):
    async def conversation():
        got = []
        async with connect(server.socket, compression=None) as socket:
            store.broken = "the disk is full"
            await socket.send('{"type": "start"}')
            await socket.send(TWO[: 16 * 2_400].tobytes())
            while not of(got, "warning"):
                got.append(json.loads(await socket.recv()))
            store.broken = None
            await socket.send(TWO[16 * 2_400 :].tobytes())
            await socket.send('{"type": "stop"}')
            with suppress(ConnectionClosed):
                async for text in socket:
                    got.append(json.loads(text))
        return got

    got = asyncio.run(conversation())
    assert len(of(got, "final")) == 2
    assert list(store.read(got[0]["session_id"]).finals) == of(got, "final")[1:]


def test_a_store_that_hangs_is_not_waited_for_for_ever(server, store, monkeypatch):
    monkeypatch.setattr("streamer.keeper.WAIT_S", 0.3)
    store.free.clear()
    got, _ = talk(server.socket, {"type": "start"}, TWO.tobytes(), {"type": "stop"})
    store.free.set()

    assert len(of(got, "final")) == 2
    assert [one["code"] for one in of(got, "warning")] == ["not_stored"] * 2
    assert server.metric("streamer_store_failures_total") == 2


def test_who_does_not_want_to_be_kept_is_not(server, store):
    got, _ = talk(server.socket, {"type": "start", "store": False}, TWO.tobytes(), {"type": "stop"})

    assert len(of(got, "final")) == 2
    assert of(got, "session.configured")[0]["settings"]["store"] is False
    assert store.list(Wanted()) == []


def test_what_is_said_after_a_client_has_changed_its_mind_is_not_kept(server, store):
    got, _ = talk(
        server.socket,
        {"type": "start"},
        TWO[: 16 * 2_400].tobytes(),
        {"type": "flush"},
        {"type": "configure", "store": False},
        TWO[16 * 2_400 :].tobytes(),
        {"type": "stop"},
    )
    assert len(of(got, "final")) == 2
    assert list(store.read(got[0]["session_id"]).finals) == of(got, "final")[:1]


def test_a_session_that_is_deleted_while_it_goes_on_stays_deleted_and_is_told(server, store):
    async def conversation():
        got = []
        async with connect(server.socket, compression=None) as socket:
            await socket.send('{"type": "start"}')
            await socket.send(TWO[: 16 * 2_400].tobytes())
            while not of(got, "final"):
                got.append(json.loads(await socket.recv()))
            assert store.delete([got[0]["session_id"]])
            await socket.send(TWO[16 * 2_400 :].tobytes())
            await socket.send('{"type": "stop"}')
            with suppress(ConnectionClosed):
                async for text in socket:
                    got.append(json.loads(text))
        return got

    got = asyncio.run(conversation())
    assert ["its transcript has been deleted meanwhile" in one["message"] for one in of(got, "warning")] == [True]
    assert store.read(got[0]["session_id"]) is None


def test_other_wires_are_kept_under_their_name(server, store):
    async def conversation():
        url = server.url.replace("http", "ws", 1) + "/v1/listen?encoding=linear16&sample_rate=16000"
        async with connect(url, compression=None) as socket:
            await socket.send(TWO.tobytes())
            await socket.send('{"type": "CloseStream"}')
            with suppress(ConnectionClosed):
                return [json.loads(text) async for text in socket]

    got = asyncio.run(conversation())
    (row,) = store.list(Wanted())
    said = [one["channel"]["alternatives"][0]["transcript"] for one in got if one["type"] == "Results"]
    assert row.session.wire == "deepgram"
    assert [final["text"] for final in store.read(row.session.session_id).finals] == said


def test_a_server_that_stops_has_stored_what_it_said(tmp_path):
    with serving(judge=Loud(), keeper=Keeper(f"sqlite:{tmp_path}/t.db")) as server:
        got, _ = talk(server.socket, {"type": "start"}, TWO.tobytes(), {"type": "stop"})
    (row,) = SqliteStore(tmp_path / "t.db").list(Wanted())
    assert (row.finals, row.totals) == (2, got[-1]["totals"])


def test_old_sessions_are_deleted_when_a_server_starts(tmp_path):
    from tests.store.said import spoken

    store = SqliteStore(tmp_path / "t.db")
    store.write(spoken("old", "words", opened_ms=1_000))
    store.close()
    with serving(keeper=Keeper(f"sqlite:{tmp_path}/t.db", days=30)) as server:
        server.call(asyncio.sleep(0.5))
    assert store.list(Wanted()) == []
