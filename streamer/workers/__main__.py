"""A child of the supervisor. Its standard input is its channel, on which its work comes first.

Its arguments are for people who list processes. Signals are the supervisor's business: a terminal and a service manager send them to
everybody, and engines must outlive the drain.
"""

import asyncio
import logging
import pickle
import signal
import socket
import sys
from typing import Final

from streamer.logs import configure_logging
from streamer.workers.channel import Channel
from streamer.workers.child import LENGTH_BYTES, Order

logger: Final = logging.getLogger("streamer.workers")


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    line = socket.socket(fileno=0)
    order = _order(line)
    configure_logging(order.log_level, order.log_format)

    async def work() -> None:
        channel = await Channel.over(line)
        channel.told = _configure
        await order.work.run(channel)
        await channel.close()

    try:
        import uvloop
    except ImportError:  # no wheel for this platform
        asyncio.run(work())
    else:
        uvloop.run(work())
    return 0


def _configure(settings: bytes) -> None:
    """What changes for a child that has no clients."""
    changed = pickle.loads(settings)
    configure_logging(changed.log_level, changed.log_format)


def _order(line: socket.socket) -> Order:
    with line.makefile("rb", buffering=0) as file:  # unbuffered: what comes after belongs to the channel
        length = int.from_bytes(_exactly(file, LENGTH_BYTES), "big")
        order: Order = pickle.loads(_exactly(file, length))
    return order


def _exactly(file: "socket.SocketIO", size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = file.read(size - len(data))
        if not part:
            raise EOFError("the supervisor was gone before it had said what to do")
        data += part
    return data


if __name__ == "__main__":
    sys.exit(main())
