"""The client against small servers of the wire, well-behaved and not."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve

from streamer.client import connect, websocket_url
from streamer.errors import ConfigurationError, ConnectionFailed

Handler = Callable[[ServerConnection], Awaitable[None]]
CREATED = {"type": "session.created", "model": "fake", "limits": {"max_message_bytes": 1_000}}


@asynccontextmanager
async def serving(handler: Handler):
    async with serve(handler, "127.0.0.1", 0, compression=None) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"


def run(handler: Handler, client: Callable[[str], Awaitable[None]]) -> None:
    async def both() -> None:
        async with asyncio.timeout(20), serving(handler) as url:
            await client(url)

    asyncio.run(both())


async def greet(peer: ServerConnection) -> None:
    await peer.send(json.dumps(CREATED))


def test_a_session_from_start_to_goodbye():
    heard: list[object] = []

    async def server(peer: ServerConnection) -> None:
        await greet(peer)
        async for data in peer:
            heard.append(data if isinstance(data, bytes) else json.loads(data))
            if heard[-1] == {"type": "stop"}:
                break
        await peer.send(json.dumps({"type": "final", "text": "你好"}, ensure_ascii=False))
        await peer.send(json.dumps({"type": "closed", "reason": "stop", "totals": {}}))

    async def client(url: str) -> None:
        async with connect(url, start={"language": "zh"}) as session:
            assert session.created["model"] == "fake"
            await session.send_audio(bytes(2_500))
            await session.send("flush", id=7)
            await session.stop()
            assert [message async for message in session] == [
                {"type": "final", "text": "你好"},
                {"type": "closed", "reason": "stop", "totals": {}},
            ]

    run(server, client)
    # No frame is larger than the server said it takes.
    assert heard == [
        {"type": "start", "language": "zh"},
        bytes(1_000),
        bytes(1_000),
        bytes(500),
        {"type": "flush", "id": 7},
        {"type": "stop"},
    ]


def test_a_fatal_error_is_read_to_its_end_whatever_the_close_code():
    async def server(peer: ServerConnection) -> None:
        await greet(peer)
        await peer.recv()
        await peer.send(json.dumps({"type": "error", "code": "invalid_audio", "message": "no", "fatal": True}))
        await peer.send(json.dumps({"type": "closed", "reason": "invalid_audio", "totals": {}}))
        await peer.close(1007, "invalid_audio")

    async def client(url: str) -> None:
        async with connect(url) as session:
            assert [message["type"] async for message in session] == ["error", "closed"]
            with pytest.raises(ConnectionFailed, match=r"was lost \(1007 invalid_audio\)"):
                await session.send_audio(b"more")

    run(server, client)


@pytest.mark.parametrize(
    ("code", "said"), [(1000, "without a goodbye"), (1011, r"was lost \(1011 fault\); what was said last may be missing")]
)
def test_a_server_that_leaves_without_a_goodbye_is_noticed(code, said):
    async def server(peer: ServerConnection) -> None:
        await greet(peer)
        await peer.recv()
        await peer.close(code, "fault")

    async def client(url: str) -> None:
        async with connect(url) as session:
            with pytest.raises(ConnectionFailed, match=said):
                async for _ in session:
                    pass

    run(server, client)


def test_a_server_of_something_else_is_told_apart():
    async def chatty(peer: ServerConnection) -> None:
        await peer.send("Welcome to the chat!")

    async def other(peer: ServerConnection) -> None:
        await peer.send('{"type": "hello"}')

    async def mute(peer: ServerConnection) -> None:
        await peer.close(1008, "who are you?")

    for handler, said in ((chatty, "expected a JSON object"), (other, "began with 'hello'"), (mute, "closed the connection at once")):

        async def client(url: str, said: str = said) -> None:
            with pytest.raises(ConnectionFailed, match=said):
                async with connect(url):
                    pass

        run(handler, client)


def test_a_server_that_refuses_is_quoted():
    def refuse(peer, request):
        return peer.respond(503, "all 3 sessions are taken; try again later\n")

    async def both() -> None:
        async with serve(greet, "127.0.0.1", 0, process_request=refuse) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
            with pytest.raises(ConnectionFailed, match=r"refused the connection \(503\): all 3 sessions are taken; try again later$"):
                async with connect(url):
                    pass

    asyncio.run(both())


def test_no_server_at_all_is_a_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        async def client() -> None:
            async with connect(address):
                pass

        with pytest.raises(ConnectionFailed, match=rf"no server is running at ws://{address}/ws .* start one with `streamer serve`"):
            asyncio.run(client())


def test_a_server_that_does_not_speak_http_is_a_sentence():
    async def both() -> None:
        async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail ready\r\n\r\n")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(shout, "127.0.0.1", 0) as server:
            with pytest.raises(ConnectionFailed, match="answers, but not as a streamer server"):
                async with connect(f"127.0.0.1:{server.sockets[0].getsockname()[1]}"):
                    pass

    asyncio.run(both())


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("localhost:8765", "ws://localhost:8765/ws"),
        ("http://localhost:8765/", "ws://localhost:8765/ws"),
        ("https://captions.example", "wss://captions.example/ws"),
        ("ws://[::1]:8765/ws", "ws://[::1]:8765/ws"),
        ("wss://captions.example/room/ws?token=x", "wss://captions.example/room/ws?token=x"),
    ],
)
def test_a_server_has_many_names(given, meant):
    assert websocket_url(given) == meant


@pytest.mark.parametrize("given", ["", "ftp://host", "ws://", "ws://host:99999", "ws://host:none/ws"])
def test_what_is_no_address_is_refused(given):
    with pytest.raises(ConfigurationError, match="expected something like ws://127.0.0.1:8765/ws"):
        websocket_url(given)
