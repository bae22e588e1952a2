"""The processes of `streamer bench host`: a bare sink, the server with the scripted engine, and the clients of both.

Each runs in a process of its own and talks to the bench over a pipe. The clients write frames that were built beforehand, so that
hundreds of them cost less than what they measure.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection as Pipe
from typing import Any, Final

import uvloop

from streamer.bench.host_profile import Profile

CHUNK_MS: Final = 20
TICK_S: Final = 0.004  # what is due within a tick is sent at once: the clients would otherwise take the processor from the server
CHUNK_BYTES: Final = 640
BYTES_PER_S: Final = 32_000
START: Final = json.dumps({"type": "start"}).encode()
HANDSHAKE: Final = (
    b"GET /ws HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MASK: Final = bytes(4)  # the receiver unmasks all the same


def run_sink(pipe: Pipe) -> None:
    """A server that reads messages and counts bytes: what the library and the system cost by themselves."""
    from websockets.asyncio.server import ServerConnection, serve
    from websockets.exceptions import ConnectionClosed

    received = 0

    async def count(socket: ServerConnection) -> None:
        nonlocal received
        with suppress(ConnectionClosed):
            async for data in socket:
                received += len(data)

    async def main() -> None:
        async with serve(count, "127.0.0.1", 0, compression=None, max_queue=8, ping_interval=None) as server:
            await _answer_questions(pipe, next(iter(server.sockets)).getsockname()[1], lambda: {"audio_s": received / BYTES_PER_S})

    uvloop.run(main())


def run_server(pipe: Pipe, vad: str) -> None:
    """The server as `streamer serve` runs it, with a model that is made up."""
    from streamer.bench.host_profile import TimedEngine, TimedJudge
    from streamer.engine.placement import in_threads
    from streamer.engine.scripted import Scripted
    from streamer.limits import Limits
    from streamer.server import Server
    from streamer.vad.choose import choose_judge

    judge, engine = TimedJudge(choose_judge(vad)), TimedEngine(Scripted())
    profile = Profile()

    def usage() -> dict[str, Any]:
        return {
            "audio_s": judge.audio_s,
            "judge_s": judge.seconds,
            "engine_s": engine.seconds,
            "loop_s": time.thread_time(),
            "rooms": dict(profile.rooms),
        }

    async def main() -> None:
        server = Server(in_threads(lambda: engine), judge, limits=Limits(max_sessions=100_000, notice_s=0.0, drain_s=0.0))
        await server.start()
        await server.settled.wait()
        await _answer_questions(pipe, int(server.address.rpartition(":")[2]), usage, profile)
        await server.stop()

    uvloop.run(main())


async def _answer_questions(pipe: Pipe, port: int, usage: Callable[[], dict[str, Any]], profile: Profile | None = None) -> None:
    """Until told to stop. Asked on the loop, whose thread's clock is then the loop's."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def answer() -> None:
        match pipe.recv():
            case "usage":
                pipe.send({"cpu_s": time.process_time(), "rss_mb": _rss_mb(), **usage()})
            case "profile":
                assert profile
                profile.start()
            case _:
                stop.set()

    loop.add_reader(pipe.fileno(), answer)
    pipe.send(port)
    await stop.wait()
    loop.remove_reader(pipe.fileno())


def _rss_mb() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def run_clients(pipe: Pipe, ports: list[int], count: int, speech: bytes) -> None:
    """``count`` clients with a socket to every port. Told a number, they talk to that port; told anything else, they leave."""
    uvloop.run(_Clients(ports, count, speech).run(pipe))


class _Clients:
    def __init__(self, ports: list[int], count: int, speech: bytes) -> None:
        self._ports, self._count = ports, count
        self._chunks = [frame(2, speech[at : at + CHUNK_BYTES]) for at in range(0, len(speech) - CHUNK_BYTES + 1, CHUNK_BYTES)]
        self._said = [0] * len(ports)  # chunks of all clients together
        self._writers: list[list[asyncio.StreamWriter]] = []
        self._readers: list[asyncio.Task[None]] = []

    async def run(self, pipe: Pipe) -> None:
        loop = asyncio.get_running_loop()
        orders: asyncio.Queue[object] = asyncio.Queue()
        for port in self._ports:
            self._writers.append([await self._connect(port) for _ in range(self._count)])
        loop.add_reader(pipe.fileno(), lambda: orders.put_nowait(pipe.recv()))
        pipe.send("connected")
        while isinstance(side := await orders.get(), int):
            pipe.send("talking")
            talking = asyncio.create_task(self._talk(side))
            orders.put_nowait(await orders.get())
            talking.cancel()
            with suppress(asyncio.CancelledError):
                await talking
        loop.remove_reader(pipe.fileno())
        for writer in (writer for writers in self._writers for writer in writers):
            writer.close()
        await asyncio.wait(self._readers)
        pipe.send("done")

    async def _connect(self, port: int) -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HANDSHAKE)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in answer, answer
        writer.write(frame(1, START))
        self._readers.append(asyncio.create_task(_read_all(reader)))
        return writer

    async def _talk(self, side: int) -> None:
        """Chunk ``n`` of client ``k`` is due ``n + k / count`` chunks after the begin, whatever happened before."""
        loop, writers, first = asyncio.get_running_loop(), self._writers[side], self._said[side]
        begin = loop.time()
        while True:
            due = first + int((loop.time() - begin) * 1000 / CHUNK_MS * self._count)
            for number in range(self._said[side], due + 1):
                chunk, client = divmod(number, self._count)
                writers[client].write(self._chunks[(chunk + client * 37) % len(self._chunks)])  # each somewhere else in the talk
            self._said[side] = due + 1
            await asyncio.sleep(TICK_S)


async def _read_all(reader: asyncio.StreamReader) -> None:
    while await reader.read(65_536):
        pass


def frame(opcode: int, data: bytes) -> bytes:
    """One masked WebSocket frame of less than 64 KiB."""
    length = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0xFE]) + len(data).to_bytes(2, "big")
    return bytes([0x80 | opcode]) + length + MASK + data
