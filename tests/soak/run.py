"""One soak: a server, its clients, what was lost, and how the server is afterwards."""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np

from tests.soak.audio import Pool
from tests.soak.clients import KINDS

SESSION_S = 240.0  # a session that takes longer is hung
JOIN_S = 0.05  # between two clients' first sessions
SETTLED_S = 30.0  # for the server to look as before, once its clients have left
WARM = 0.3  # of the run, before memory is looked at
SHORTEST_S = 60.0  # of a run whose memory says anything: a heap takes its time to find its size
GROWTH = 0.05  # of the memory, and GROWTH_MB beside: what it may grow by over the rest of the run, along its slope
GROWTH_MB = 6.0
COUNTED = ("tasks", "threads", "files", "sessions", "calls")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """``clients`` at a time, until they have said ``audio_s`` together, or ``most_s`` have passed. ``pool``: different recordings."""

    clients: int
    audio_s: float
    most_s: float
    seed: int = 0
    pool: int = 24
    look_s: float = 2.0


class Watched:
    """The server's process, which is asked how it is."""

    def __init__(self, process, address):
        self._process, self.url = process, address.replace("http", "ws", 1)
        self._asking = asyncio.Lock()

    async def look(self):
        async with self._asking:
            self._process.stdin.write(b"\n")
            return json.loads(await self._process.stdout.readline())


@asynccontextmanager
async def server():
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.soak.server", stdin=pipe, stdout=pipe, limit=1 << 20)
    try:
        address = (await process.stdout.readline()).decode().strip()
        assert address, "the server did not start; its own words are above"
        yield Watched(process, address)
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 60) == 0, "the server did not end by itself"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Tally:
    def __init__(self, say):
        self._say = say
        self.sessions, self.faults = Counter(), []
        self.audio_s, self.expected, self.missed = 0.0, 0, 0

    def add(self, kind, outcome):
        self.sessions[kind] += 1
        self.audio_s += outcome.seconds
        self.expected += len(outcome.expected)
        if outcome.expected != outcome.got:
            self.missed += 1
            self.fault(f"{kind}: {difference(outcome.expected, outcome.got)}")

    def fault(self, sentence):
        if len(self.faults) < 20:
            self.faults.append(sentence)
            self._say(sentence)


def difference(expected, got):
    """Where two of what was to be the same differ first."""
    if isinstance(expected, dict):
        expected, got = list(expected.values()), list(got.values())
    if not isinstance(expected, list):
        return f"expected {expected!r}, got {got!r}"
    n = next((n for n, (one, other) in enumerate(zip(expected, got, strict=False)) if one != other), None)
    if n is None:
        return f"expected {len(expected)} with {expected[len(got) :]!r} at the end, got {len(got)} with {got[len(expected) :]!r}"
    return f"at {n} of {len(expected)} and {len(got)}: {difference(expected[n], got[n])}"


async def client(n, url, dice, pool, tally, going):
    await asyncio.sleep(n * JOIN_S)
    while going():
        kind = dice.choice(KINDS)
        try:
            async with asyncio.timeout(SESSION_S):
                tally.add(kind.__name__, await kind(url, dice, pool))
        except Exception as error:  # noqa: BLE001 - whatever it was, it is the server's fault until shown otherwise
            tally.fault(f"{kind.__name__}: {type(error).__name__}: {error}")


async def soak(profile, say=lambda line: None):
    pool, tally = Pool(profile.seed, profile.pool), Tally(say)
    async with server() as watched:
        dice = random.Random(profile.seed)
        for kind in sorted(set(KINDS), key=lambda one: one.__name__):  # what is made once and kept is there now: pools of threads, caches
            tally.add(kind.__name__, await kind(watched.url, dice, pool))
        base = await settled(watched, None)
        began, looks = time.monotonic(), []

        def going():
            return tally.audio_s < profile.audio_s and time.monotonic() - began < profile.most_s and len(tally.faults) < 20

        dices = (random.Random(f"{profile.seed} {n}") for n in range(profile.clients))
        crowd = asyncio.gather(*(client(n, watched.url, dice, pool, tally, going) for n, dice in enumerate(dices)))
        while not crowd.done():
            await asyncio.wait([crowd], timeout=profile.look_s)
            if not crowd.done():
                looks.append({"at_s": round(time.monotonic() - began, 1), **await watched.look()})
                say(
                    f"{looks[-1]['at_s']:.0f} s: {sum(tally.sessions.values())} sessions, {tally.audio_s / 3600:.1f} h of audio, "
                    f"{looks[-1]['sessions']} open, {looks[-1]['rss_mb']:.0f} MB, {len(tally.faults)} faults"
                )
        took = time.monotonic() - began
        after = await settled(watched, base)
    return report(profile, tally, base, looks, after, took)


async def settled(watched, base):
    """How the server is once nothing moves any more; with ``base``, once it is as it was, if it ever is."""
    end = time.monotonic() + SETTLED_S
    last = None
    while True:
        now = await watched.look()
        counted = {name: now[name] for name in COUNTED}
        if now["sessions"] == now["calls"] == 0 and (counted == {name: base[name] for name in COUNTED} if base else counted == last):
            return now
        if time.monotonic() > end:
            return now
        last = counted
        await asyncio.sleep(0.5)


def report(profile, tally, base, looks, after, took):
    faults = list(tally.faults)
    for name in COUNTED:
        if after[name] > base[name]:
            faults.append(f"{name}: {base[name]} before, {after[name]} after")
    faults += [f"the server logged an error: {text}" for text in after["first_errors"]]
    if not after["ready"]:
        faults.append("the server is not ready any more")
    slope = memory(looks)
    if slope and slope["growth_mb"] > slope["bound_mb"]:
        faults.append(f"memory grew by {slope['growth_mb']} MB after the warm-up, at most {slope['bound_mb']} MB are borne")
    return {
        "clients": profile.clients,
        "seed": profile.seed,
        "took_s": round(took, 1),
        "sessions": sum(tally.sessions.values()),
        "of": dict(sorted(tally.sessions.items())),
        "audio_h": round(tally.audio_s / 3600, 2),
        "times_real_time": round(tally.audio_s / took),
        "open_at_most": max((look["sessions"] for look in looks), default=0),
        "compared": tally.expected,
        "sessions_with_a_loss": tally.missed,
        "memory": slope,
        "before": {name: base[name] for name in COUNTED},
        "at_most": {name: max((look[name] for look in looks), default=0) for name in COUNTED},
        "after": {name: after[name] for name in COUNTED},
        "errors_logged": after["errors"],
        "faults": faults,
    }


def memory(looks):
    """The slope of the memory once the run is warm, as what it grows by over the rest of the run; ``None`` of too short a run."""
    if not looks or looks[-1]["at_s"] < SHORTEST_S:
        return None
    warm = [look for look in looks if look["at_s"] >= WARM * looks[-1]["at_s"]]
    at, rss = np.array([look["at_s"] for look in warm]), np.array([look["rss_mb"] for look in warm])
    per_s = np.polyfit(at, rss, 1)[0]
    mean = float(rss.mean())
    return {
        "mean_mb": round(mean, 1),
        "most_mb": round(float(rss.max()), 1),
        "growth_mb": round(float(per_s * (at[-1] - at[0])), 1),
        "bound_mb": round(GROWTH * mean + GROWTH_MB, 1),
    }
