"""The server of a soak, in a process of its own: the real one, with the scripted engine and a judge that hears what is loud.

It prints its address; then, for each line it reads, how it is: memory, tasks, threads, files and errors, as a line of JSON.
"""

import asyncio
import gc
import json
import logging
import os
import sys
import threading
from pathlib import Path

from streamer import calls
from streamer.engine.placement import in_threads
from streamer.engine.scripted import Scripted
from streamer.limits import Limits
from streamer.server import Server
from tests.driving import FRAME, judgement

calls.GRACE_S, calls.KEPT_S = 0.2, 2.0  # of a call that has ended: what is kept of it is bounded, and would be the whole slope
# Times are those of clients in real time. Here all speak as fast as they can, and each waits for all.
LIMITS = Limits(max_sessions=5_000, heartbeat_s=0.5, idle_timeout_s=170, stall_s=170.0, resume_s=170.0, drain_s=170.0)


class Loud:
    """A judge that hears what is loud."""

    frame_samples = FRAME
    brief = False

    def open(self, channels):
        return self

    def judge(self, samples):
        return judgement(samples)

    def judge_many(self, requests):
        return [stream.judge(samples) for stream, samples in requests]


class Faults(logging.Handler):
    """Errors that were logged: how many, and the first of them in full."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.count, self.first = 0, []

    def emit(self, record):
        self.count += 1
        if len(self.first) < 3:
            self.first.append(logging.Formatter().format(record))


def look(server, faults):
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "rss_mb": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "files": len(os.listdir("/proc/self/fd")),
        "sessions": len(server.hosting.connections),
        "calls": len(server.hosting.calls),
        "ready": server.ready,
        "errors": faults.count,
        "first_errors": faults.first,
    }


async def main():
    faults = Faults()
    logging.getLogger().addHandler(faults)
    server = Server(in_threads(Scripted), Loud(), limits=LIMITS)
    await server.start()
    await server.settled.wait()
    print(server.address, flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(look(server, faults)), flush=True)
    await server.stop()


if __name__ == "__main__":
    try:
        from uvloop import run
    except ImportError:
        run = asyncio.run
    run(main())
