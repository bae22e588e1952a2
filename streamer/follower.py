"""One socket that follows a call: it reads, and says nothing that matters."""

import asyncio
import json
import logging
from collections import deque
from contextlib import suppress
from typing import Final

from websockets.exceptions import ConnectionClosed

from streamer.direct import DirectConnection
from streamer.errors import AccessRevoked
from streamer.limits import Limits
from streamer.wires import Follows

logger: Final = logging.getLogger(__name__)

REPLACED: Final = ("partial", "heartbeat")
"""Types of which a newer one takes the place of one that still waits to be written."""


class Follower:
    """It may let as many messages wait as a client of its own session, and take as long for one."""

    def __init__(self, socket: DirectConnection, wire: Follows, limits: Limits) -> None:
        self._socket, self._wire, self._limits = socket, wire, limits
        self._waiting: deque[tuple[object, str]] = deque()
        self._filled = asyncio.Event()
        self._ended = False

    def tell(self, text: str) -> None:
        """One message of the call, in JSON; the call's end is the last."""
        if self._ended:
            return
        message = json.loads(text)
        key = (message["type"], message["session_id"], message.get("segment")) if message["type"] in REPLACED else None
        if key:
            for n, (waiting, _) in enumerate(self._waiting):
                if waiting == key:
                    self._waiting[n] = key, text
                    return
        self._waiting.append((key, text))
        self._ended = message["type"] == "call" and message["state"] == "ended"
        self._filled.set()
        if len(self._waiting) > self._limits.outbox_messages:
            logger.warning("a follower of call %s does not read: %d messages wait", self._wire.call, len(self._waiting))
            self._ended = True
            self._socket.abort()

    async def run(self) -> None:
        """Until the call has ended and all of it is written, or the follower has left, or may follow no more."""
        tasks = [asyncio.create_task(work) for work in (self._write(), self._read(), self._until_revoked())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _until_revoked(self) -> None:
        while True:
            await asyncio.sleep(self._limits.heartbeat_s)
            if not self._socket.valid():
                break
        await self._socket.close(AccessRevoked.close_code, AccessRevoked.code)

    async def _read(self) -> None:
        """What a follower says has no meaning; but only who reads learns that it has left."""
        with suppress(ConnectionClosed):
            while True:
                await self._socket.recv()

    async def _write(self) -> None:
        with suppress(ConnectionClosed):
            while self._waiting or not self._ended:
                if not self._waiting:
                    self._filled.clear()
                    await self._filled.wait()
                    continue
                _, text = self._waiting.popleft()
                try:
                    async with asyncio.timeout(self._limits.stall_s):
                        await self._socket.send(self._wire.encode(text))
                except TimeoutError:
                    logger.warning("a follower of call %s does not read: a write took %.0f s", self._wire.call, self._limits.stall_s)
                    self._socket.abort()
                    return
            await self._socket.close(1000, "the call has ended")
