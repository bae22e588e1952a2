"""The clients of a soak: each speaks for one session over one wire, in its own way, and says what it missed."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.carriers import twilio
from tests.soak.audio import final_texts
from tests.test_server_resume import Client

LOSSES = 4  # of its socket, for a client that comes back, on average
PATIENCE_S = 170  # they all speak as fast as they can, so that each waits for all: nobody is to give up before the session's own bound
OPTIONS = {"compression": None, "max_size": None, "ping_interval": None, "open_timeout": PATIENCE_S, "close_timeout": PATIENCE_S}


@dataclass(frozen=True, slots=True)
class Outcome:
    """``expected`` and ``got`` are equal where nothing was lost and nothing came twice."""

    expected: list
    got: list
    seconds: float


def pieces(dice, data):
    """Cut anywhere: packets of 20 ms, seconds at a time, or a byte here and there."""
    size = dice.choice([641, 3_200, 16_000, 100_000])
    at = 0
    while at < len(data):
        step = dice.randint(1, size)
        yield data[at : at + step]
        at += step


async def read(socket):
    got = []
    with suppress(ConnectionClosed):
        async for text in socket:
            got.append(text)
    return got


async def speak(socket, messages):
    """Send, and read meanwhile what comes back, until the server closes."""
    reading = asyncio.create_task(read(socket))
    with suppress(ConnectionClosed):
        for message in messages:
            await socket.send(message)
    return await reading


async def native(url, dice, pool):
    said = dice.choice(pool.native)
    async with connect(url + "/ws", **OPTIONS) as socket:
        got = await speak(socket, [json.dumps({"type": "start", **said.start}), *pieces(dice, said.data), '{"type": "stop"}'])
    return Outcome(said.texts, final_texts(got), said.seconds)


async def flushing(url, dice, pool):
    """A flush in every pause of its own: each is answered once, in order."""
    said = dice.choice(pool.plain)
    messages, ids = ['{"type": "start"}'], []
    for piece in pieces(dice, said.data):
        messages.append(piece)
        if dice.random() < 0.2:
            ids.append(len(ids))
            messages.append(json.dumps({"type": dice.choice(["flush", "sync"]), "id": ids[-1]}))
    async with connect(url + "/ws", **OPTIONS) as socket:
        got = [json.loads(text) for text in await speak(socket, [*messages, '{"type": "stop"}'])]
    kinds = [message["type"] for message in got]
    ended = ["session.created", "closed", kinds.count("speech.started")]
    answered = [message["id"] for message in got if message["type"] in ("flushed", "synced")]
    return Outcome([ids, ended], [answered, [kinds[0], kinds[-1], kinds.count("final")]], said.seconds)


async def contained(url, dice, pool):
    said = dice.choice(pool.contained)
    async with connect(url + "/ws", **OPTIONS) as socket:
        got = await speak(socket, [json.dumps({"type": "start", **said.start}), *pieces(dice, said.data), '{"type": "stop"}'])
    return Outcome(said.texts, final_texts(got), said.seconds)


class Patient(Client):
    async def begin(self):
        self.socket = await connect(self.url, **OPTIONS)
        self.created = json.loads(await self.socket.recv())
        await self.socket.send(self.log[0])
        return self

    def back(self):
        return connect(f"{self.url}?resume={self.created['resume_token']}&after={self.seen}", **OPTIONS)


async def returning(url, dice, pool):
    """Loses its socket now and then, at any place, and comes back."""
    said = dice.choice(pool.plain)
    client = await Patient(SimpleNamespace(socket=url + "/ws")).begin()
    packets = list(pieces(dice, said.data))
    for piece in packets:
        with suppress(ConnectionClosed):
            await client.say(piece)
        if dice.random() < LOSSES / len(packets):
            reading = asyncio.create_task(client.read())
            await asyncio.sleep(dice.random() * 0.05)
            client.lose()
            await reading
            await client.come_back()
    await client.say('{"type": "stop"}')
    await client.read()
    return Outcome(said.texts, client.texts, said.seconds)


async def deepgram(url, dice, pool):
    said = dice.choice(pool.plain)
    async with connect(url + "/v1/listen?encoding=linear16&sample_rate=16000&endpointing=600", **OPTIONS) as socket:
        got = await speak(socket, [*pieces(dice, said.data), '{"type": "CloseStream"}'])
    results = [message for message in map(json.loads, got) if message["type"] == "Results" and message["is_final"]]
    texts = [message["channel"]["alternatives"][0]["transcript"] for message in results]
    return Outcome(said.texts, [text for text in texts if text], said.seconds)


async def vosk(url, dice, pool):
    said = dice.choice(pool.plain)
    async with connect(url + "/vosk", **OPTIONS) as socket:
        got = await speak(socket, ['{"config": {"sample_rate": 16000}}', *pieces(dice, said.data), '{"eof": 1}'])
    texts = [message.get("text", "").strip() for message in map(json.loads, got)]
    return Outcome(" ".join(said.texts).split(), " ".join(texts).split(), said.seconds)


async def telephone(url, dice, pool):
    """A carrier that reads nothing, and an agent's screen that follows the call. Half of the carriers hang up without a word."""
    said, name = dice.choice(pool.calls), f"CA{dice.randrange(2**64):016x}"
    stops = dice.random() < 0.5
    async with connect(f"{url}/calls/{name}", **OPTIONS) as follower:
        following = asyncio.create_task(read(follower))
        carrier = await connect(url + "/twilio", **OPTIONS)
        for message in twilio(said.tracks, call=name, stop=stops):
            await carrier.send(message)
        await (read(carrier) if stops else carrier.close())
        got = [json.loads(text) for text in await following]
    finals = [message for message in got if message["type"] == "final"]
    texts = {channel: [message["text"] for message in finals if message["channel"] == channel] for channel in (0, 1)}
    return Outcome([said.texts], [texts], said.seconds)


async def leaving(url, dice, pool):
    """Gone in the middle, without a word: what it was told until then was right."""
    said = dice.choice(pool.plain)
    socket = await connect(url + "/ws", **OPTIONS)
    reading = asyncio.create_task(read(socket))
    await socket.send('{"type": "start"}')
    for piece in pieces(dice, said.data[: dice.randrange(len(said.data))]):
        await socket.send(piece)
    await asyncio.sleep(dice.random() * 0.05)
    socket.transport.abort()
    texts = final_texts(await reading)
    return Outcome(said.texts[: len(texts)], texts, 0.0)


async def nonsense(url, dice, pool):
    """Bytes and words without a meaning, at any wire; nothing is expected of the answer but that there is an end."""
    path = dice.choice(["/ws", "/v1/listen", "/vosk", "/twilio", "/funasr", "/v1/realtime", "/jambonz", "/sherpa-onnx/online"])
    with suppress(ConnectionClosed, OSError):
        socket = await connect(url + path, **OPTIONS)
        reading = asyncio.create_task(read(socket))
        with suppress(ConnectionClosed):
            for _ in range(dice.randint(1, 20)):
                data = dice.randbytes(dice.randint(0, 300))
                await socket.send(dice.choice([data, data.hex(), json.dumps({"type": data.hex()[:8], "event": [None]}), "{"]))
        socket.transport.abort()
        await reading
    return Outcome([], [], 0.0)


KINDS = (native, native, flushing, contained, returning, returning, deepgram, vosk, telephone, leaving, nonsense)
"""One is drawn for each session."""
