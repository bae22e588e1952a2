"""A client that comes back may reach another gateway than the one that has its session: what it says and hears is passed on.

The gateway it reached asks each of the others (one line of JSON, one line back), and then passes messages both ways as MessagePack:
``["data", payload]`` either way, ``["left", code]`` and ``["pong", n]`` to the session, ``["ping", n]`` and ``["close", code, reason]``
to the client.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Final

import msgpack
from websockets.exceptions import ConnectionClosed

from streamer.direct import DirectConnection
from streamer.returning import NOWHERE, Returns
from streamer.sockets import ABNORMAL, AT_ONCE_BYTES, READ_BYTES
from streamer.wires import Back, Payload

LARGEST: Final = 1 << 24  # bytes of one message with what is around it; a client's has at most 1 MiB
CLOSE_S: Final = 10.0  # for a client to answer a close
ASK_S: Final = 2.0  # for a gateway to say whether it has a session


class Passed:
    """The client's socket as its session sees it, at the other gateway."""

    take: Callable[[Payload], bool] | None = None

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str) -> None:
        self._reader, self._writer = reader, writer
        self._messages = _messages(reader)
        self._pings: dict[int, asyncio.Future[None]] = {}
        self._numbers = count()
        self._closed = asyncio.Event()
        self.peer = peer
        self.close_code: int | None = None

    @property
    def ready(self) -> bool:
        return self._writer.transport.get_write_buffer_size() < AT_ONCE_BYTES

    def push(self, payload: Payload) -> None:
        self._say("data", payload)

    async def recv(self) -> Payload:
        async for kind, value in self._messages:
            if kind == "data":
                payload: Payload = value
                return payload
            if kind == "pong" and (waiting := self._pings.pop(value, None)) and not waiting.done():
                waiting.set_result(None)
            if kind == "left":
                self._end(value)
                break
        self._end(ABNORMAL)
        raise ConnectionResetError("the client has left the other gateway, or that is gone")

    async def send(self, payload: Payload) -> None:
        if self.close_code is not None:
            raise ConnectionResetError("the client has left the other gateway")
        self._say("data", payload)
        await self._writer.drain()

    async def confirm(self) -> None:
        number = next(self._numbers)
        self._pings[number] = asyncio.get_running_loop().create_future()
        self._say("ping", number)
        await self._pings[number]

    async def close(self, code: int, reason: str) -> None:
        """Until the client has answered, which whoever reads finds out."""
        self._say("close", code, reason)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._closed.wait()
        self._end(code)

    def abort(self) -> None:
        self._end(ABNORMAL)
        self._writer.transport.abort()

    def _say(self, *message: Any) -> None:
        if self.close_code is None:
            self._writer.write(msgpack.packb(message))

    def _end(self, code: int) -> None:
        self.close_code = self.close_code or code
        self._closed.set()
        for waiting in self._pings.values():
            waiting.cancel()
        self._pings.clear()


async def answer(asked: Mapping[str, Any], returns: Returns, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Another gateway asks for a session that may be here, and passes its client on if it is."""
    back = Back(token=asked["token"], after=asked["after"], subprotocol=asked["subprotocol"])
    why = returns.why_not(back)
    writer.write(json.dumps(why).encode() + b"\n")
    await writer.drain()
    if why is None and asked["peer"]:
        await returns.come_back(Passed(reader, writer, asked["peer"]), back)


async def why_not(paths: Sequence[Path], back: Back) -> str | None:
    """Why no gateway lets this client back to its session; ``None`` where one does."""
    answers = await asyncio.gather(*(_ask(path, back) for path in paths))
    if None in answers:
        return None
    return next((why for why in answers if why != NOWHERE), NOWHERE)


async def _ask(path: Path, back: Back) -> str | None:
    async with _asked(path, back, peer="") as (why, _, _):
        return why


async def pass_on(paths: Sequence[Path], socket: DirectConnection, back: Back) -> None:
    """Until the client or its session has ended. A gateway that dies loses the client's socket, as if the network had."""
    for path in paths:
        async with _asked(path, back, peer=socket.peer) as (why, reader, writer):
            if why is None and reader and writer:
                await _pass(socket, reader, writer)
                return
    socket.abort()


async def _pass(socket: DirectConnection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    tasks = [asyncio.create_task(_there(socket, writer)), asyncio.create_task(_here(socket, reader, writer))]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if socket.close_code is None:
        socket.abort()


async def _there(socket: DirectConnection, writer: asyncio.StreamWriter) -> None:
    """What the client says."""
    with suppress(ConnectionError):
        try:
            while True:
                writer.write(msgpack.packb(("data", await socket.recv())))
                await writer.drain()
        except ConnectionClosed as closed:
            writer.write(msgpack.packb(("left", closed.rcvd.code if closed.rcvd else ABNORMAL)))
            await writer.drain()


async def _here(socket: DirectConnection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What the client is told."""
    pongs: set[asyncio.Task[None]] = set()

    async def pong(number: int) -> None:
        with suppress(ConnectionClosed, ConnectionError):
            await socket.confirm()
            writer.write(msgpack.packb(("pong", number)))

    with suppress(ConnectionClosed):
        async for kind, *values in _messages(reader):
            if kind == "data":
                await socket.send(values[0])
            elif kind == "ping":
                waiting = asyncio.create_task(pong(values[0]))
                pongs.add(waiting)
                waiting.add_done_callback(pongs.discard)
            else:
                await socket.close(*values)
                await asyncio.Event().wait()  # what the client answers goes the other way


async def _messages(reader: asyncio.StreamReader) -> AsyncIterator[Any]:
    unpacker = msgpack.Unpacker(max_buffer_size=LARGEST)
    with suppress(ConnectionError):
        while data := await reader.read(READ_BYTES):
            unpacker.feed(data)
            for message in unpacker:
                yield message


@asynccontextmanager
async def _asked(
    path: Path, back: Back, *, peer: str
) -> AsyncIterator[tuple[str | None, asyncio.StreamReader | None, asyncio.StreamWriter | None]]:
    """One gateway's answer, and the stream to it. Without a ``peer`` it is only asked."""
    writer = None
    try:
        try:
            async with asyncio.timeout(ASK_S):
                reader, writer = await asyncio.open_unix_connection(path)
                question = {"token": back.token, "after": back.after, "subprotocol": back.subprotocol, "peer": peer}
                writer.write(json.dumps(question).encode() + b"\n")
                why = json.loads(await reader.readline())
        except (OSError, ValueError):  # it is not there, or was lost; TimeoutError is an OSError
            yield NOWHERE, None, None
        else:
            yield why, reader, writer
    finally:
        if writer:
            writer.close()
