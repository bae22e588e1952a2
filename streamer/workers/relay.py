"""Calls across gateways: the socket of a telephone line is at one, and who follows it may be at another.

Each gateway answers at a Unix socket beside the engines': a line with the id of a call, and back come its messages, one a line, until it
ends. Clients that come back to another gateway's session are passed on over the same sockets (``passing``).
"""

import asyncio
import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from streamer.calls import Calls, Tell
from streamer.returning import Returns
from streamer.workers import passing

logger: Final = logging.getLogger(__name__)

LONGEST_LINE: Final = 1 << 20  # bytes; a final of 30 s with its words has about 10,000
WAITING: Final = 1_000  # messages for a gateway that does not read
AGAIN_S: Final = 1.0  # before a gateway that is not there, or was lost, is asked again


async def share(path: Path, calls: Calls, returns: Returns) -> None:
    """Answer the other gateways, until cancelled."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, ValueError):
            asked = json.loads(await reader.readline())
            if isinstance(asked, str):
                await _tell(asked, calls, reader, writer)
            else:
                await passing.answer(asked, returns, reader, writer)
        writer.close()

    server = await asyncio.start_unix_server(answer, path, limit=LONGEST_LINE)
    async with server:
        await server.serve_forever()


async def _tell(call_id: str, calls: Calls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Everything of one call, until it has ended or nobody reads any more."""
    lines: asyncio.Queue[str] = asyncio.Queue(WAITING)
    gone = asyncio.create_task(reader.read())

    def tell(text: str) -> None:
        try:
            lines.put_nowait(text)
        except asyncio.QueueFull:
            logger.warning("another gateway does not read call %s; its followers there are let go", call_id)
            writer.transport.abort()

    calls.follow(call_id, tell)
    try:
        while not gone.done():
            line = asyncio.create_task(lines.get())
            await asyncio.wait((line, gone), return_when=asyncio.FIRST_COMPLETED)
            if not line.done():
                line.cancel()
                break
            writer.write(line.result().encode() + b"\n")
            await writer.drain()
    finally:
        gone.cancel()
        calls.unfollow(call_id, tell)


async def follow(paths: Sequence[Path], call_id: str, tell: Tell) -> None:
    """Tell what other gateways know of a call, until cancelled."""
    async with asyncio.TaskGroup() as group:
        for path in paths:
            group.create_task(_follow(path, call_id, tell))


async def _follow(path: Path, call_id: str, tell: Tell) -> None:
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_unix_connection(path, limit=LONGEST_LINE)
            try:
                writer.write(json.dumps(call_id).encode() + b"\n")
                while line := await reader.readline():
                    message = json.loads(line)
                    if message["type"] != "call" or message["state"] != "awaited":  # which it is here too
                        tell(line.decode().rstrip("\n"))
            finally:
                writer.close()
        await asyncio.sleep(AGAIN_S)
