"""How long a fuzzer may go on: a moment, or as many seconds as ``STREAMER_FUZZ_SECONDS`` says, each time with another seed."""

import os
import random
import time

SECONDS = float(os.environ.get("STREAMER_FUZZ_SECONDS", "0"))


def rounds(few):
    """Dice for each round: the same ``few`` each time, or new ones for so many seconds. The seed is the number that is given beside."""
    if not SECONDS:
        yield from ((seed, random.Random(seed)) for seed in range(few))
        return
    end, seed = time.monotonic() + SECONDS, time.time_ns()
    while time.monotonic() < end:
        seed += 1
        yield seed, random.Random(seed)


def damaged(dice, data):
    """Bits turned over, pieces cut out, doubled, moved or overwritten, the end cut off; rarely nothing at all."""
    data = bytearray(data)
    for _ in range(dice.choice([0, 1, 1, 2, 5, 40])):
        if not data:
            break
        at, size = dice.randrange(len(data)), dice.choice([1, 2, 8, 100, 2_000])
        match dice.randrange(6):
            case 0:
                data[at] ^= 1 << dice.randrange(8)
            case 1:
                data[at : at + size] = dice.randbytes(size)
            case 2:
                del data[at : at + size]
            case 3:
                data[at:at] = data[at : at + size]
            case 4:
                del data[at:]
            case _:
                data[at : at + size] = dice.choice([b"\0", b"\xff"]) * size
    return bytes(data)
