"""As client/ and app/audiohook/src/client/clientsessionimpl.ts of Genesys' audiohook-reference-implementation.

It numbers its messages, gives up on a number of ours that is not the next, on a message that it does not know, on a pong that is not for
its ping, and on binary messages; only it closes the socket.
"""

import asyncio
import json
import re
import uuid
from contextlib import asynccontextmanager

from websockets.asyncio.client import connect

PATH = "/audiohook"
OPEN_S, CLOSE_S = 5, 10
LONGEST = 65_535
NOBODY = "00000000-0000-0000-0000-000000000000"
SIDES = (["external", "internal"], ["external"], ["internal"])
OFFER = [{"type": "audio", "format": "PCMU", "channels": sides, "rate": 8_000} for sides in SIDES]
DURATION = re.compile(r"^PT(\d+\.\d*|\.?\d+)S$")
PARAMETERS = {
    "opened": {"media"},
    "closed": set(),
    "pong": set(),
    "updated": set(),
    "disconnect": {"reason"},
    "event": {"entities"},
}


class Session:
    """One session over a socket that is open. ``position_ms`` is the clock of its stream."""

    def __init__(self, socket, session):
        self.socket, self.id = socket, session
        self.seq = self.serverseq = self.position_ms = 0
        self.messages, self.pings = [], []
        self._came = asyncio.Event()
        self.reader = asyncio.create_task(self._read())

    async def say(self, kind, **parameters):
        self.seq += 1
        message = {"version": "2", "id": self.id, "type": kind, "seq": self.seq, "serverseq": self.serverseq}
        if kind == "ping":
            self.pings.append(self.seq)
        await self.socket.send(json.dumps(message | {"position": f"PT{self.position_ms / 1000}S", "parameters": parameters}))

    async def open(self, *, conversation=None, media=OFFER, **more):
        participant = {"id": str(uuid.uuid4()), "ani": "", "aniName": "", "dnis": ""}
        conversation = conversation or str(uuid.uuid4())
        await self.say("open", organizationId=str(uuid.uuid4()), conversationId=conversation, participant=participant, media=media, **more)
        return await self.next("opened", OPEN_S)

    async def close(self, reason="end"):
        await self.say("close", reason=reason)
        return await self.next("closed", CLOSE_S)

    async def send(self, audio, ms):
        self.position_ms += ms
        await self.socket.send(audio)

    async def next(self, kind, within_s=20):
        """The next message of this kind that was not given before; what came before it is in ``messages``."""
        async with asyncio.timeout(within_s):
            while True:
                for message in self.messages:
                    if message["type"] == kind and not message.get("given"):
                        message["given"] = True
                        return message
                if self.reader.done():
                    self.reader.result()
                    raise AssertionError(f"the socket was closed before {kind}")
                self._came.clear()
                await self._came.wait()

    @property
    def transcripts(self):
        found = [message["parameters"]["entities"] for message in self.messages if message["type"] == "event"]
        return [entity["data"] for entities in found for entity in entities if entity["type"] == "transcript"]

    async def _read(self):
        try:
            async for data in self.socket:
                self._check(data)
                self._came.set()
        finally:
            self._came.set()

    def _check(self, data):
        assert isinstance(data, str)
        assert len(data) <= LONGEST
        message = json.loads(data)
        assert (message["version"], message["id"]) == ("2", self.id)
        assert message["seq"] == self.serverseq + 1
        assert message["clientseq"] <= self.seq
        assert PARAMETERS[message["type"]] <= set(message["parameters"])
        if message["type"] == "pong":
            assert message["clientseq"] == self.pings.pop(0)
        for entity in message["parameters"].get("entities", []):
            if entity["type"] == "transcript":
                assert DURATION.match(entity["data"]["offset"])
                assert DURATION.match(entity["data"]["duration"])
        self.serverseq = message["seq"]
        self.messages.append(message)


@asynccontextmanager
async def dialled(url, query=""):
    session = str(uuid.uuid4())
    headers = {
        "Audiohook-Organization-Id": str(uuid.uuid4()),
        "Audiohook-Session-Id": session,
        "Audiohook-Correlation-Id": str(uuid.uuid4()),
        "X-API-KEY": "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh",
    }
    async with connect(url + PATH + query, additional_headers=headers, compression=None) as socket:
        one = Session(socket, session)
        try:
            yield one
        finally:
            one.reader.cancel()


async def call(url, audio, *, bytes_per_ms=16, speed=1, **more):
    """A whole call; gives the session, with what was told in it."""
    async with dialled(url) as session:
        await session.open(**more)
        step = 200 * bytes_per_ms
        for begin in range(0, len(audio), step):
            await session.send(audio[begin : begin + step], 200)
            if begin // step % 25 == 5:
                await session.say("ping")
            await asyncio.sleep(0.2 / speed)
        await session.close()
    return session
