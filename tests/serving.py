"""Runs the real server in a thread of its own, so that tests of any style can talk to it over loopback."""

import asyncio
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager

from streamer.engine.placement import in_threads
from streamer.engine.scheduler import HUNG_S
from streamer.engine.scripted import Scripted
from streamer.limits import Limits
from streamer.server import Server
from streamer.vad.choose import choose_judge


class Running:
    """A server that listens. ``call`` runs a function on its loop."""

    def __init__(self, server, loop):
        self.server, self._loop = server, loop

    @property
    def url(self):
        return self.server.address

    def port(self, wire):
        """The port that this wire has of its own."""
        return self.server.ports[wire]

    @property
    def socket(self):
        return self.url.replace("http", "ws", 1) + "/ws"

    def post(self, path, body=b"", headers=None):
        """POST: status, headers and body, errors included."""
        return self._ask(urllib.request.Request(self.url + path, data=body, headers=headers or {}, method="POST"))

    def call(self, coroutine, timeout=30):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout)

    def get(self, path, headers=None):
        """GET: status, headers and body, errors included."""
        return self._ask(urllib.request.Request(self.url + path, headers=headers or {}))

    def _ask(self, request):
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.headers, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read().decode()

    def metric(self, line):
        """The value of one line of /metrics, named with its labels."""
        lines = [row for row in self.get("/metrics")[2].splitlines() if row.startswith(line + " ")]
        return float(lines[0].rpartition(" ")[2]) if lines else 0.0


@contextmanager
def serving(
    build=Scripted, *, judge=None, warm=True, listen=None, host="127.0.0.1", guard=None, tls=None, keeper=None, hung_s=HUNG_S, **limits
):
    """A server on a port of its own, warm, and stopped afterwards whatever happened."""
    started, failures, box = threading.Event(), [], []

    async def main():
        server = Server(
            in_threads(build, hung_s=hung_s),
            judge or choose_judge(),
            host=host,
            listen=listen,
            limits=Limits(**{"drain_s": 5.0, "notice_s": 0.0, **limits}),
            guard=guard,
            tls=tls,
            keeper=keeper,
        )
        stop = asyncio.Event()
        try:
            await server.start()
            if warm:
                await asyncio.wait_for(server.settled.wait(), 120)
            box.extend((Running(server, asyncio.get_running_loop()), stop))
        except Exception as error:
            failures.append(error)
            raise
        finally:
            started.set()
        await stop.wait()
        await server.stop()

    thread = threading.Thread(target=lambda: asyncio.run(main()), name="test-server")
    thread.start()
    try:
        assert started.wait(150)
        assert not failures, failures
        yield box[0]
    finally:
        if box:
            box[0]._loop.call_soon_threadsafe(box[1].set)
        thread.join(40)
        assert not thread.is_alive()
