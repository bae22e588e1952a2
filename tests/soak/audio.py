"""What the clients say, and what they must read: the same wire and the same session, alone, fed in one piece."""

import io
import json
import random
import wave
from dataclasses import dataclass

from streamer.core.events import Final, Send
from streamer.wires import Handshake, Said
from streamer.wires.routes import BY_NAME
from tests.carriers import mulaw, twilio
from tests.driving import Driver, speech

SPOKEN, PAUSED = (20, 160), (45, 90)  # units of 20 ms
UTTERANCES = (1, 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """``data`` as it is sent, in the format that ``start`` names; ``texts`` are its finals."""

    data: bytes
    start: dict
    texts: list[str]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A carrier's messages without the id of the call, and the finals of each channel."""

    tracks: dict[str, bytes]
    texts: dict[int, list[str]]
    seconds: float


def samples(dice):
    script = "".join("#" * dice.randint(*SPOKEN) + "." * dice.randint(*PAUSED) for _ in range(dice.randint(*UTTERANCES)))
    return speech("." * dice.randint(5, 40) + script, seed=dice.randrange(2**32))


def native(dice):
    heard = samples(dice)
    start, data = dice.choice([({}, heard.tobytes()), ({"format": "mulaw", "sample_rate": 8_000}, mulaw(heard[::2]))])
    shape = {"encoding": "mulaw", "sample_rate": 8_000} if start else {}
    finals = told(data, **shape)
    return Speech(data=data, start=start, texts=finals, seconds=len(heard) / 16_000)


def plain(dice):
    heard = samples(dice)
    return Speech(data=heard.tobytes(), start={}, texts=told(heard.tobytes()), seconds=len(heard) / 16_000)


def contained(dice):
    heard, file = samples(dice), io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(16_000)
        written.writeframes(heard.tobytes())
    return Speech(data=file.getvalue(), start={"format": "container"}, texts=told(heard.tobytes()), seconds=len(heard) / 16_000)


def told(data, **shape):
    from streamer.core.events import Audio

    driver = Driver().start(**shape)
    driver.receive(Audio(data))
    return [final.text for final in driver.stop().finals]


def call(dice):
    tracks = {"inbound": mulaw(samples(dice)[::2]), "outbound": mulaw(samples(dice)[::2])}
    driver, wire = Driver(), BY_NAME["twilio"].open(Handshake(session_id="s", at="", path="/twilio", query={}))
    for message in twilio(tracks):
        for event in wire.decode(message):
            if not isinstance(event, Said):
                driver.receive(event)
    driver.drain()
    texts: dict[int, list[str]] = {0: [], 1: []}
    for effect in driver.effects:
        if isinstance(effect, Send) and isinstance(effect.message, Final):
            texts[effect.message.channel].append(effect.message.text)
    return Call(tracks=tracks, texts=texts, seconds=max(map(len, tracks.values())) / 8_000)


class Pool:
    """What clients choose from: making it up and hearing it alone costs more than serving it."""

    def __init__(self, seed, size):
        dice = random.Random(seed)
        self.native = [native(dice) for _ in range(size)]
        self.plain = [plain(dice) for _ in range(size)]
        self.contained = [contained(dice) for _ in range(max(1, size // 2))]
        self.calls = [call(dice) for _ in range(max(1, size // 4))]


def final_texts(texts):
    """Of native messages in JSON."""
    messages = map(json.loads, texts)
    return [message["text"] for message in messages if message["type"] == "final"]
