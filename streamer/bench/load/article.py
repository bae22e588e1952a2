"""One row of the table that people know for this kind of server: a 30 s clip, the first result, memory, and whether it holds.

- *30 s clip*: sent as fast as the server takes it, from the first byte to the last final; the median of several.
- *three at once*: what the slowest of three such clips takes beyond one alone, in percent; served one after another it would be 200.
- *first result*: as ``first partial`` of the load, one client that speaks in real time.
- *stable*: every repetition said the same, nothing failed, and memory did not grow by more than ``GROWTH``.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from time import monotonic
from typing import Any, Final

from streamer.bench.load.crowd import Crowd, run_crowd
from streamer.bench.load.figures import measure
from streamer.bench.load.speech import Programme, clip
from streamer.bench.load.usage import Watch, http_address
from streamer.client import connect
from streamer.core.events import SAMPLE_RATE, Samples
from streamer.errors import ConnectionFailed

CLIP_S: Final = 30
ROUNDS: Final = 3
AT_ONCE: Final = 3
SPOKEN_S: Final = 15.0
MESSAGE: Final = SAMPLE_RATE  # samples; a second
GROWTH: Final = 0.1  # from the first round to the last
CLIP_TIMEOUT_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Clip:
    """What came of one clip."""

    took_ms: float
    text: str
    errors: int
    model: str


def article(url: str, pid: int | None, phrases: Sequence[Samples], *, seed: int = 0) -> dict[str, Any]:
    """``row`` is what to show; the rest is what it was made of. Raises ``ConnectionFailed``."""
    programme = clip(phrases, CLIP_S)
    rounds, memory_mb = [], []
    with Watch(http_address(url), pid) as watch:
        warm = asyncio.run(_clips(url, programme, 1))
        for _ in range(ROUNDS):
            rounds.append([asyncio.run(_clips(url, programme, count)) for count in (1, AT_ONCE)])
            memory_mb.append(watch.memory_mb())
        spoken = measure(run_crowd(Crowd(url=url, clients=1, seconds=SPOKEN_S, ramp_s=0.0, seed=seed), phrases))
        memory_mb.append(watch.memory_mb())
    clips = [*warm, *(one for once in rounds for some in once for one in some)]
    clip_ms = median(alone[0].took_ms for alone, _ in rounds)
    slowest_ms = median(max(one.took_ms for one in together) for _, together in rounds)
    known_mb = [value for value in memory_mb if value is not None]
    grown = bool(known_mb) and known_mb[-1] > (1 + GROWTH) * known_mb[0]
    same = len({one.text for one in clips}) == 1
    stable = same and not grown and not spoken["errors"] and not sum(one.errors for one in clips)
    return {
        "stable": stable,
        "same_text": same,
        "memory_mb": memory_mb,
        "clip_ms": [round(alone[0].took_ms, 1) for alone, _ in rounds],
        "together_ms": [[round(one.took_ms, 1) for one in together] for _, together in rounds],
        "row": {
            "model": clips[0].model,
            f"{CLIP_S} s clip ms": round(clip_ms, 1),
            "times real time": round(1000 * CLIP_S / clip_ms, 1),
            "first result ms": spoken["first_partial_ms"]["p50"],
            "memory MB": max(known_mb, default=None),
            f"{AT_ONCE} at once": f"{100 * (slowest_ms / clip_ms - 1):+.0f} %",
            "stable": stable,
        },
    }


async def _clips(url: str, programme: Programme, count: int) -> list[Clip]:
    try:
        async with asyncio.timeout(CLIP_TIMEOUT_S):
            return await asyncio.gather(*(_clip(url, programme) for _ in range(count)))
    except TimeoutError:
        raise ConnectionFailed(f"{url} did not finish a clip of {CLIP_S} s within {CLIP_TIMEOUT_S:.0f} s; its log may tell why") from None


async def _clip(url: str, programme: Programme) -> Clip:
    texts, errors = [], 0
    async with connect(url, start={"sample_rate": SAMPLE_RATE, "partials": False}) as session:
        began = last = monotonic()
        for data in programme.chunks(MESSAGE):
            await session.send_audio(data)
        await session.stop()
        async for message in session:
            if message["type"] == "final":
                last = monotonic()
                texts.append(message["text"])
            errors += message["type"] == "error"
        model = f"{session.created['model']} on {session.created['device']}"
    return Clip(1000 * (last - began), " ".join(texts), errors, model)
