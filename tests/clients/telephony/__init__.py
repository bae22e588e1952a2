"""Telephone clients that dial a server, rebuilt from what theirs send, read and give up on. They need websockets, and numpy for the sound.

Each takes the address of a server's sockets, and the sound of a call: int16 samples.
"""

import asyncio

import numpy as np

FRAME_MS = 20


def mulaw(samples):
    """G.711: int16 samples to one byte each."""
    wide = samples.astype(np.int32)
    magnitude = np.minimum(np.abs(wide), 32_635) + 132
    exponent = np.log2(magnitude).astype(np.int32) - 7
    code = np.where(wide < 0, 0x80, 0) | exponent << 4 | (magnitude >> (exponent + 3)) & 0x0F
    return (~code & 0xFF).astype(np.uint8)


def interleaved(*channels):
    """Bytes of arrays of one kind, sample by sample."""
    return np.stack(channels, axis=1).tobytes()


async def paced(socket, audio, bytes_per_ms, *, speed=1, frame_ms=FRAME_MS):
    """Frame by frame, as a carrier sends them; ``speed`` times as fast."""
    step = frame_ms * bytes_per_ms
    for begin in range(0, len(audio), step):
        await socket.send(audio[begin : begin + step])
        await asyncio.sleep(frame_ms / 1000 / speed)
