"""As WhisperWebsocket.java: one socket for a meeting, a header before each buffer, and what is made of the answers."""

import asyncio
import json
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.clients.jigasi.buffer import Participant

FRAME_BYTES = 640
FRAME_S = 0.02
HEADER = 60
MAX_TEXT = 65_536  # characters of one message, of Jetty's client
EOF = b"\0"


@dataclass(frozen=True)
class Result:
    """A ``TranscriptionResult``. The id is jigasi's own: from the first answer to the final one of a participant."""

    participant: str
    id: str
    interim: bool
    text: str
    stability: float
    ts: int


class Meeting:
    """``speakers`` gives each participant's language, PCM16 at 16 kHz, and when it begins, in seconds.

    Where the audio ends, the participant mutes: nothing is sent of it from then on, but for the buffer. ``sign`` makes a token for the
    connection.
    """

    def __init__(self, url, speakers, sign=None):
        self._sign = sign
        self._url = f"{url}/{uuid.uuid4()}"
        self._speakers = speakers
        self._ids = {}
        self.began = {}
        """When each participant began, in seconds since 1970."""
        self.results, self.messages = [], []
        self.code = None
        """Of the close, where the server was first."""

    async def hold(self, *, quiet_s, most_s, gestures=0):
        """Everybody speaks in real time, and makes so many gestures while muted. Then the meeting goes on until no answer has come for
        ``quiet_s``, and everybody has had a final one; ``most_s`` at the most.
        """
        headers = {"Authorization": f"Bearer {self._sign()}"} if self._sign else {}
        async with connect(self._url, additional_headers=headers) as socket:
            reading = asyncio.create_task(self._read(socket))
            outbox = asyncio.Queue()
            writing = asyncio.create_task(self._write(socket, outbox))
            speaking = [self._speak(outbox, name, *said, gestures) for name, said in self._speakers.items()]
            await asyncio.gather(*speaking)
            with suppress(TimeoutError):
                async with asyncio.timeout(most_s):
                    await self._until_quiet(quiet_s)
            outbox.put_nowait(EOF)
            outbox.put_nowait(None)
            await writing
            socket.transport.abort()  # it does not wait for an answer
            await reading

    async def _until_quiet(self, quiet_s):
        finished, count = set(), -1
        while finished != set(self._speakers) or count != len(self.messages):
            count = len(self.messages)
            await asyncio.sleep(quiet_s)
            finished = {result.participant for result in self.results if not result.interim}

    async def _speak(self, outbox, name, language, pcm, begin_s, gestures):
        header = f"{name}|{language}".encode().ljust(HEADER, b"\0")
        participant = Participant(lambda array: outbox.put_nowait(header + array))
        began = time.monotonic() + begin_s
        self.began[name] = time.time() + begin_s
        for n, at in enumerate(range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)):
            await asyncio.sleep(max(0.0, began + (n + 1) * FRAME_S - time.monotonic()))
            participant.give(pcm[at : at + FRAME_BYTES])
        for _ in range(1 + gestures):
            participant.flush()
            await asyncio.sleep(0.5)

    async def _write(self, socket, outbox):
        while (data := await outbox.get()) is not None:
            await socket.send(data)

    async def _read(self, socket):
        with suppress(ConnectionClosed):
            async for text in socket:
                assert len(text) <= MAX_TEXT
                self._on_message(text)
        self.code = socket.close_code

    def _on_message(self, text):
        """Each cast of the original is an assertion: where it fails there, the socket is closed."""
        message = json.loads(text)
        self.messages.append(message)
        kind, participant, words, stability = (message.get(name) for name in ("type", "participant_id", "text", "variance"))
        assert isinstance(kind, str)
        assert isinstance(words, str)
        assert isinstance(stability, float)
        assert participant in self._speakers
        ours = self._ids.setdefault(participant, str(uuid.uuid4()))
        if words:
            self.results.append(Result(participant, ours, kind != "final", words, stability, message["ts"]))
        if kind == "final":
            del self._ids[participant]
