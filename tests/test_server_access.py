"""Keys, tokens, origins and bounds over real sockets, in the shapes in which real clients send them."""

import asyncio
import io
import json
import logging
import socket
import ssl
import time
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from streamer.access import Scope
from streamer.access.configured import AccessSettings, build_tls
from streamer.access.guard import Guard
from streamer.access.keys import Keys, new_key, save
from streamer.access.redaction import Redacting
from streamer.access.tokens import Tokens, Wish
from streamer.wires import Route, Said, Wire, first_of
from tests.driving import speech
from tests.serving import serving
from tests.test_server import Loud, kinds, talk

SENTENCE = speech("." * 20 + "#" * 60 + "." * 40)
TOKENS = Tokens(b"0123456789abcdef0123456789abcdef")


class Place:
    """A server that asks for keys, and the keys of two of its users."""

    def __init__(self, path):
        self.path = path
        self.desk, self.key = new_key("desk")
        self.watcher, self.metrics_key = new_key("watcher", scopes=frozenset({Scope.METRICS}))
        save(path, [self.desk, self.watcher])

    def guard(self, **options):
        return Guard(keys=Keys(self.path), tokens=TOKENS, **options)

    def token(self, **wish):
        return TOKENS.mint(self.desk, Wish(**wish))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("access") / "keys")


@pytest.fixture(scope="module")
def server(place):
    with serving(judge=Loud(), guard=place.guard(origins=["https://app.example"]), heartbeat_s=0.1) as running:
        yield running


def ws(server, path="/ws"):
    return server.url.replace("http", "ws", 1) + path


def agreed(url, **options):
    """The subprotocol that was agreed on, once somebody is let in."""

    async def conversation():
        async with connect(url, compression=None, **options) as socket:
            return socket.subprotocol

    return asyncio.run(conversation())


def refused(url, **options):
    """The answer to a handshake: status, headers, sentence."""
    with pytest.raises(InvalidStatus) as found:
        agreed(url, **options)
    response = found.value.response
    return response.status_code, response.headers, response.body.decode()


def bearer(text, scheme="Bearer"):
    return {"Authorization": f"{scheme} {text}".strip()}


def test_programs_send_their_key_in_a_header(server, place):
    for headers in (bearer(place.key), bearer(place.key, "Token"), bearer(place.key, ""), {"X-API-Key": place.key}):
        got, code = talk(server.socket, {"type": "start"}, SENTENCE.tobytes(), {"type": "stop"}, additional_headers=headers)
        assert "final" in kinds(got)
        assert code == 1000


def test_xiaozhis_semicolon_opens_funasrs_wire(server, place):
    headers = bearer(place.key, "Bearer;")
    assert agreed(ws(server, "/"), subprotocols=["binary"], additional_headers=headers) == "binary"


def test_browsers_send_theirs_as_a_subprotocol_which_is_never_said_back(server, place):
    token = place.token()
    assert agreed(ws(server), subprotocols=["json", f"streamer-key.{token}"]) == "json"
    assert agreed(ws(server), subprotocols=[f"streamer-key.{token}", "msgpack"]) == "msgpack"
    listen = ws(server, "/v1/listen?encoding=linear16&sample_rate=16000")
    assert agreed(listen, subprotocols=["token", place.key]) == "token"
    assert agreed(listen, subprotocols=["bearer", token]) == "bearer"
    realtime = ws(server, "/v1/realtime?intent=transcription")
    assert agreed(realtime, subprotocols=["realtime", f"openai-insecure-api-key.{token}"]) == "realtime"


def test_or_in_the_query(server, place):
    assert agreed(ws(server, f"/ws?token={place.token()}")) is None
    assert agreed(ws(server, f"/ws?api_key={place.key}")) is None
    assert agreed(server.socket.replace("//", f"//anybody:{place.key}@")) is None


def test_who_has_none_is_told_how(server):
    status, headers, sentence = refused(server.socket)

    assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer realm="streamer"')
    assert sentence.startswith("this server asks for a key: send it as `Authorization: Bearer KEY`")


def test_a_wrong_key_an_expired_token_and_a_key_for_something_else(server, place):
    assert refused(server.socket, additional_headers=bearer("streamer_wrong"))[::2] == (
        401,
        "the key is not one of this server's, or was revoked\n",
    )
    old = Tokens(b"0123456789abcdef0123456789abcdef", lambda: 1_000.0).mint(place.desk, Wish())
    assert refused(ws(server, f"/ws?token={old}"))[::2] == (401, "the token has expired; mint another one with the key it came from\n")
    assert refused(server.socket, additional_headers=bearer(place.metrics_key))[::2] == (
        403,
        "this key of watcher does not open transcribe\n",
    )
    assert server.metric('streamer_refused_total{reason="key"}') == 0.0  # which asks without a key
    metrics = server.get("/metrics", bearer(place.metrics_key))[2]
    assert 'streamer_refused_total{reason="scope"} 1.0' in metrics


def test_a_strangers_page_is_refused_and_a_listed_one_is_not(server, place):
    options = {"additional_headers": bearer(place.key)}
    status, _, sentence = refused(server.socket, origin="https://evil.example", **options)
    assert (status, sentence) == (
        403,
        "a page of https://evil.example may not use this server; if it should, add it to STREAMER_ORIGINS\n",
    )
    assert agreed(server.socket, origin="https://app.example", **options) is None
    assert agreed(server.socket, origin=server.url, **options) is None


def test_health_is_for_everybody_and_metrics_for_who_may(server, place):
    assert server.get("/healthz")[::2] == (200, "alive\n")
    assert server.get("/readyz")[::2] == (200, "ready\n")
    assert server.get("/")[0] == 200
    assert server.get("/metrics")[0] == 401
    assert server.get("/metrics", bearer(place.key))[0] == 403
    assert "streamer_open_sessions" in server.get("/metrics", bearer(place.metrics_key))[2]


def test_a_page_can_ask_whether_it_may_come_in(server, place):
    def allowed(headers=None):
        status, found, body = server.get("/access", headers)
        assert (status, found["Cache-Control"]) == (200, "no-store")
        return json.loads(body)["allowed"]

    assert not allowed()
    assert not allowed({"X-API-Key": "nonsense"})
    assert allowed({"X-API-Key": place.token()})


def test_a_token_is_minted_over_http_and_opens_a_session(server, place):
    status, headers, body = server.post("/tokens", json.dumps({"expires_in": 30, "sessions": 1}).encode(), bearer(place.key))
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == (200, "application/json", "no-store")
    found = json.loads(body)
    assert found["expires_in"] == 30
    assert agreed(ws(server, f"/ws?token={found['token']}")) is None

    granted = json.loads(server.post("/v1/auth/grant", b"", bearer(place.key, "Token"))[2])
    assert granted["expires_in"] == 30
    assert agreed(ws(server, "/v1/listen?encoding=linear16&sample_rate=16000"), additional_headers=bearer(granted["access_token"])) is None

    secret = json.loads(server.post("/v1/realtime/client_secrets", b'{"session": {"type": "transcription"}}', bearer(place.key))[2])
    realtime = ["realtime", f"openai-insecure-api-key.{secret['value']}"]
    assert agreed(ws(server, "/v1/realtime?intent=transcription"), subprotocols=realtime) == "realtime"


def test_minting_is_refused_with_sentences(server, place):
    assert server.post("/tokens", b"{}")[0] == 401
    assert server.post("/tokens", b"{}", bearer(place.metrics_key))[0] == 403
    assert server.post("/tokens", b"{}", bearer(place.token()))[0] == 403
    status, headers, body = server.post("/tokens", b"{", bearer(place.key))
    assert (status, headers["Content-Type"]) == (400, "application/json")
    assert json.loads(body)["error"]["message"].startswith("the body cannot be read: ")
    assert server.post("/tokens", b" " * 20_000, bearer(place.key))[::2] == (413, "the body is too large\n")
    assert server.get("/tokens", bearer(place.key))[::2] == (405, "a token is asked for with POST\n")


def test_a_body_that_arrives_in_pieces_is_read_whole(server, place):
    request = (
        f"POST /tokens HTTP/1.1\r\nHost: x\r\nauthorization: Bearer {place.key}\r\ncontent-length: 18 \r\nX: 1\r\n\r\n"
        + '{"expires_in": 45}'
    ).encode()
    for cuts in ([5], [9, 60, len(request) - 3], [len(request) - 18]):
        with socket.create_connection(server.url.removeprefix("http://").split(":"), timeout=10) as raw:
            begin = 0
            for cut in [*cuts, len(request)]:
                raw.sendall(request[begin:cut])
                begin = cut
            answer = b"".join(iter(lambda raw=raw: raw.recv(65_536), b""))
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["expires_in"] == 45


def test_a_quota_ends_a_session_with_its_finals(server, place):
    async def conversation():
        async with connect(ws(server, f"/ws?token={place.token(quota_s=2)}"), compression=None) as socket:
            await socket.send('{"type": "start"}')
            await socket.send(SENTENCE.tobytes() + speech("#" * 30).tobytes())
            got = []
            with suppress(ConnectionClosed):
                async with asyncio.timeout(20):
                    async for text in socket:
                        got.append(json.loads(text))
            return got, socket.close_code

    got, code = asyncio.run(conversation())

    assert [m["message"] for m in got if m["type"] == "error"] == ["the token's 2 s of audio are used up; mint another one"]
    assert kinds(got).count("final") == 2
    assert (got[-1]["type"], got[-1]["reason"], code) == ("closed", "quota_exceeded", 1008)


def test_what_came_after_the_last_heartbeat_counts_for_the_quota_too(place):
    with serving(judge=Loud(), guard=place.guard()) as server:  # whose first heartbeat is after 5 s
        url = ws(server, f"/ws?token={place.token(quota_s=1)}")
        _, code = talk(url, {"type": "start"}, SENTENCE.tobytes(), {"type": "stop"})
        assert code == 1000

        async def answer():
            try:
                async with connect(url):
                    return 101
            except InvalidStatus as refused:
                return refused.response.status_code

        assert any(asyncio.run(answer()) == 403 or time.sleep(0.05) for _ in range(100))


def test_revoking_a_key_ends_its_sessions_and_nobody_elses(tmp_path):
    place = Place(tmp_path / "keys")
    other, other_key = new_key("other")
    save(place.path, [place.desk, other])
    with serving(judge=Loud(), guard=place.guard(), heartbeat_s=0.1) as server:

        async def conversation():
            async with (
                connect(server.socket, additional_headers=bearer(place.key)) as first,
                connect(server.socket, additional_headers=bearer(other_key)) as second,
            ):
                save(place.path, [other])
                with suppress(ConnectionClosed):
                    async with asyncio.timeout(20):
                        async for text in first:
                            last = json.loads(text)
                await second.send('{"type": "stop"}')
                async for text in second:
                    own = json.loads(text)
                return last["reason"], first.close_code, own["reason"]

        assert asyncio.run(conversation()) == ("access_revoked", 1008, "stop")
        assert refused(server.socket, additional_headers=bearer(place.key))[0] == 401


def test_one_session_more_than_a_key_may_have_is_refused_until_one_is_over(place):
    with serving(judge=Loud(), guard=place.guard(sessions_per_key=1)) as server:

        async def conversation():
            options = {"additional_headers": bearer(place.key)}
            async with connect(server.socket, **options) as first:
                with pytest.raises(InvalidStatus) as found:
                    await connect(server.socket, **options)
                await first.send('{"type": "stop"}')
                async for _ in first:
                    pass
            for _ in range(100):
                with suppress(InvalidStatus):
                    async with connect(server.socket, **options):
                        return found.value.response
                await asyncio.sleep(0.05)

        response = asyncio.run(conversation())

    assert (response.status_code, response.headers["Retry-After"]) == (429, "5")
    assert response.body.startswith(b"the key desk has 1 sessions, which is all that it may have at a time")


class Pong(Wire):
    """Answers whatever comes over a plain stream."""

    def decode(self, data):
        return [Said(b"pong")]

    def encode(self, message):
        return ()


def test_an_address_has_its_bound_on_a_plain_stream_and_on_a_socket(monkeypatch):
    route = Route(name="pong", paths=(), subprotocol=first_of(), open=lambda handshake: Pong(), tcp=True)
    monkeypatch.setattr("streamer.server.BY_NAME", {"pong": route})
    with serving(judge=Loud(), listen={"pong": 0}, guard=Guard(sessions_per_address=1)) as server:

        def ping():
            with socket.create_connection(("127.0.0.1", server.port("pong")), timeout=10) as raw:
                with suppress(ConnectionError):  # the server may close before it has read
                    raw.sendall(b"ping")
                    return raw.recv(10)
                return b""

        async def one_on_a_socket():
            async with connect(server.socket):
                return await asyncio.to_thread(ping)

        assert asyncio.run(one_on_a_socket()) == b""
        assert server.metric('streamer_refused_total{reason="too_many_sessions"}') == 1.0
        assert any(ping() == b"pong" or time.sleep(0.05) for _ in range(100))


def test_an_address_has_its_bound_and_is_told():
    with serving(judge=Loud(), guard=Guard(sessions_per_address=2)) as server:

        async def conversation():
            async with connect(server.socket), connect(server.socket):
                with pytest.raises(InvalidStatus) as found:
                    await connect(server.socket)
                return found.value.response.status_code, found.value.response.body

        assert asyncio.run(conversation()) == (
            429,
            b"127.0.0.1 has 2 sessions, which is all that it may have at a time; end one, or try again later\n",
        )


def test_a_refused_handshake_gives_its_seat_back(place):
    with serving(judge=Loud(), guard=Guard(sessions_per_address=1)) as server:
        for _ in range(3):
            assert refused(ws(server, "/v1/listen?encoding=nonsense"))[0] == 400
        assert agreed(server.socket) is None


def test_a_local_server_without_keys_is_not_for_the_pages_of_the_internet():
    with serving(judge=Loud()) as server:
        assert refused(server.socket, origin="https://evil.example")[0] == 403
        assert agreed(server.socket, origin=server.url) is None
        port = server.url.rpartition(":")[2]
        assert server.get("/metrics", {"Host": f"evil.example:{port}"})[0] == 403
        assert server.get("/metrics")[0] == 200
        status, _, body = server.post("/tokens", b"{}")
        sentence = "this server asks for no keys, so there is nothing to mint; connect without"
        assert (status, json.loads(body)["error"]["message"]) == (404, sentence)
        assert json.loads(server.get("/access")[2]) == {"allowed": True, "why": None, "keyed": False}


def test_everything_is_served_over_tls(place, certificate):
    tls = build_tls(AccessSettings(tls_cert=certificate[0], tls_key=certificate[1]))
    trust = ssl.create_default_context(cafile=certificate[0])
    with serving(judge=Loud(), guard=place.guard(), tls=tls) as server:
        assert server.url.startswith("https://127.0.0.1:")
        assert server.socket.startswith("wss://")
        messages = {"type": "start"}, SENTENCE.tobytes(), {"type": "stop"}
        got, code = talk(server.socket, *messages, ssl=trust, additional_headers=bearer(place.key), server_hostname="localhost")
        assert "final" in kinds(got)
        assert code == 1000
        with pytest.raises((InvalidMessage, OSError)):
            talk(server.socket.replace("wss", "ws"), {"type": "stop"})


def test_a_renewed_certificate_is_shown_from_the_next_handshake_on(new_certificate, tmp_path, caplog):
    cert, key = new_certificate(tmp_path, "before")
    old_cert, old_key = cert.read_text(), key.read_text()
    with serving(judge=Loud(), tls=build_tls(AccessSettings(tls_cert=cert, tls_key=key))) as server:
        place = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        assert ssl.get_server_certificate(place) == old_cert
        new_certificate(tmp_path, "after")
        new_cert = cert.read_text()
        assert ssl.get_server_certificate(place) == new_cert
        key.write_text(old_key)  # half of a renewal: it does not belong to the certificate
        assert ssl.get_server_certificate(place) == new_cert
        key.unlink()
        assert ssl.get_server_certificate(place) == new_cert
        assert len([record for record in caplog.records if "clients are met with the one before" in record.message]) == 2
        cert.write_text(old_cert)
        key.write_text(old_key)
        assert ssl.get_server_certificate(place) == old_cert


def test_no_secret_and_no_word_that_was_said_is_logged(server, place):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Redacting("%(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        token = place.token()
        got, _ = talk(ws(server, f"/ws?token={token}"), {"type": "start"}, SENTENCE.tobytes(), {"type": "stop"})
        refused(ws(server, f"/ws?token={token}x"))
        agreed(ws(server), subprotocols=["json", f"streamer-key.{token}"])
        with socket.create_connection(server.url.removeprefix("http://").split(":"), timeout=10) as raw:
            raw.sendall(f"GET /ws?token={place.key} HTTP/2.0\r\n\r\n".encode())
            raw.recv(1000)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    logged = stream.getvalue()
    text = next(message["text"] for message in got if message["type"] == "final")

    assert "session " in logged
    assert text
    for secret in (token, place.key, text, *text.split()[:3]):
        assert secret not in logged


def test_who_follows_with_a_key_that_is_revoked_hears_no_more(tmp_path):
    kept, _ = new_key("kept")
    lost, key = new_key("lost")
    save(tmp_path / "keys", [kept, lost])

    async def story(running):
        async with connect(ws(running, "/calls/c"), additional_headers=bearer(key)) as follower:
            assert json.loads(await follower.recv())["state"] == "awaited"
            save(tmp_path / "keys", [kept])
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(follower.recv(), 20)
            return closed.value.rcvd.code, closed.value.rcvd.reason

    with serving(judge=Loud(), guard=Guard(keys=Keys(tmp_path / "keys")), heartbeat_s=0.1) as running:
        assert asyncio.run(story(running)) == (1008, "access_revoked")
