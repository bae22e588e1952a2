"""A TCP proxy that does to connections what networks do: cuts them, holds them, hands them over in crumbs, and forgets to say so.

It runs in the test's own loop: ``async with Proxy(port) as proxy``, and clients go to ``proxy.port``.
"""

import asyncio
import contextlib

READ_BYTES = 65_536


class Link:
    """One connection through the proxy."""

    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.up = self.down = 0  # bytes that went to the server, and back
        self.held = False
        self.over = asyncio.Event()

    def cut(self):
        """Both sides learn of it at once, by a reset."""
        self.lose_client()
        self.lose_server()

    def lose_client(self):
        """The client's side is gone, and the server does not know."""
        self.client[1].transport.abort()

    def lose_server(self):
        """The server's side is gone, and the client does not know."""
        self.server[1].transport.abort()

    def hold(self):
        """Half open: nothing gets through any more, and nobody is told."""
        self.held = True

    async def run(self):
        ways = (self._pump(self.client, self.server, "up"), self._pump(self.server, self.client, "down"))
        with contextlib.suppress(OSError):
            await asyncio.gather(*ways)
        self.over.set()

    async def _pump(self, source, target, way):
        reader, (_, writer) = source[0], target
        while data := await self._read(reader):
            for at in range(0, len(data), self.proxy.piece or len(data)):
                part = data[at : at + (self.proxy.piece or len(data))]
                if self.proxy.delay_s:
                    await asyncio.sleep(self.proxy.delay_s)
                if self.held:
                    continue
                writer.write(part)
                await writer.drain()
                setattr(self, way, getattr(self, way) + len(part))
                if (limit := self.proxy.cut_after) and self.up + self.down >= limit:
                    self.proxy.cut_after = None
                    self.cut()
                    return
        if not self.held and not writer.is_closing():
            writer.write_eof()

    async def _read(self, reader):
        with contextlib.suppress(OSError):
            return await reader.read(READ_BYTES)
        return b""


class Proxy:
    """``piece`` hands over so many bytes at a time, ``delay_s`` waits before each; ``closed`` lets nobody in.

    ``cut_after`` cuts the connection that has carried so many bytes, once. ``target`` may be changed for those who come later.
    """

    def __init__(self, target, *, piece=None, delay_s=0.0, cut_after=None):
        self.target, self.piece, self.delay_s, self.cut_after = target, piece, delay_s, cut_after
        self.closed = False
        self.links = []
        self._tasks = set()

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def newest(self):
        return self.links[-1]

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for link in self.links:
            link.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        if self.closed:
            writer.transport.abort()
            return
        link = Link(self, (reader, writer), await asyncio.open_connection("127.0.0.1", self.target))
        self.links.append(link)
        try:
            await link.run()
        finally:
            link.cut()
