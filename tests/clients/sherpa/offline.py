"""As python-api-examples/offline-websocket-client-decode-files-sequential.py and -paralell.py, web/js/upload.js and the Java client.

They differ in the pieces that they send, and in when they say ``Done``.
"""

import asyncio

from websockets.asyncio.client import connect

PIECE = 10_240
PAGE_PIECE = 4_096


def encoded(samples, rate):
    """The header and float32 samples."""
    return rate.to_bytes(4, "little") + (4 * len(samples)).to_bytes(4, "little") + samples.tobytes()


async def sequential(url, *files):
    """Files of samples and a rate over one connection, each when the one before it is answered."""
    answers = []
    async with connect(url) as socket:
        for samples, rate in files:
            data = encoded(samples, rate)
            for at in range(0, len(data), PIECE):
                await socket.send(data[at : at + PIECE])
            answers.append(await socket.recv())
        await socket.send("Done")
    return answers


async def parallel(url, *files):
    """A connection for each file."""
    return [answer for (answer,) in await asyncio.gather(*(sequential(url, file) for file in files))]


async def page(url, samples, rate):
    """The header is a message of its own; what comes first is shown, and ends it."""
    data = encoded(samples, rate)
    async with connect(url) as socket:
        await socket.send(data[:8])
        for at in range(8, len(data), PAGE_PIECE):
            await socket.send(data[at : at + PAGE_PIECE])
        shown = await socket.recv()
        await socket.send("Done")
    return shown


async def java(url, samples, rate):
    """One message for the whole file, and ``Done`` right after it."""
    async with connect(url) as socket:
        await socket.send(encoded(samples, rate))
        await socket.send("Done")
        return await socket.recv()
