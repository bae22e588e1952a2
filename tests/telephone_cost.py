"""What a call costs: two-sided telephone audio in messages of 20 ms, to a server with the scripted engine in a process of its own.

    python -m tests.telephone_cost --calls 60 --wire twilio native

Prints the processor time of the server for one second of one call, and for one message. Compare rows of one run, not days.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests import carriers
from tests.driving import speech

PACKET_S = 0.02
BEGIN_S = 3.0  # until all are in and speak
TALK = speech(("#" * 100 + "." * 40) * 6)[::2]  # at 8 kHz


def twilio():
    """Path and messages, those of one packet together."""
    coded = carriers.mulaw(TALK)
    _, start, *media = carriers.twilio({"inbound": coded, "outbound": coded}, stop=False)
    return "/twilio", [[start], *(media[at : at + 2] for at in range(0, len(media), 2))]


def native():
    data = np.stack([TALK, TALK], axis=1).astype("<i2").tobytes()
    return "/ws", [['{"type": "start", "sample_rate": 8000, "channels": 2}'], *([data[at : at + 640]] for at in range(0, len(data), 640))]


WIRES = {"twilio": twilio, "native": native}


async def talk(url, packets, late_s):
    await asyncio.sleep(late_s)
    async with connect(url, compression=None) as socket:
        reading = asyncio.create_task(read(socket))
        began = time.monotonic()
        for number, packet in enumerate(packets):
            await asyncio.sleep(max(0.0, began + number * PACKET_S - time.monotonic()))
            for message in packet:
                await socket.send(message)
        reading.cancel()


async def read(socket):
    with suppress(ConnectionClosed):
        async for _ in socket:
            pass


def spent_s(pid):
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(pid, url, packets, calls, seconds):
    talking = [asyncio.create_task(talk(url, packets, number * PACKET_S / calls)) for number in range(calls)]
    await asyncio.sleep(BEGIN_S)
    before, began = spent_s(pid), time.monotonic()
    await asyncio.sleep(seconds)
    cost = (spent_s(pid) - before) / (time.monotonic() - began) / calls
    assert not any(one.done() for one in talking), "they were to speak all the time"
    for one in talking:
        one.cancel()
    await asyncio.gather(*talking, return_exceptions=True)
    return cost


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--wire", nargs="+", choices=WIRES, default=list(WIRES))
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "streamer", "serve", "--port", "0", "--model", "scripted", "--vad", "webrtc", "--log-level", "error"]
    for name in arguments.wire:
        path, packets = WIRES[name]()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                url = process.stdout.readline().split()[4].replace("http", "ws", 1)
                assert process.stdout.readline().startswith("model: ")
                cost = asyncio.run(measure(process.pid, url + path, packets, arguments.calls, arguments.seconds))
            finally:
                process.terminate()
        told = f"{name}: {cost * 1e3:.1f} ms a second of a call, {cost * PACKET_S / len(packets[-1]) * 1e6:.0f} µs a message"
        sys.stdout.write(told + "\n")


if __name__ == "__main__":
    main()
