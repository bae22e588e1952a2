"""Carriers' streams before a real model, replayed from the shapes of their documentation; and their frames before Pipecat's serializers."""

import asyncio
import json
import random
import wave
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import moonshine_voice
import numpy as np
import pytest
import soxr
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from streamer.core.audio import PcmDecoder
from streamer.core.events import AudioFormat, Encoding
from tests.carriers import CALLS, exotel, mulaw, plivo, telnyx, twilio
from tests.clients.test_deepgram import BEGIN, plain

RATE = 8_000
CUSTOMER_S, AGENT_S = (0, 9), (18, 27)
AGENTS = "everything before us"
PACKET_S = 0.004  # five times as fast as people speak


@pytest.fixture(scope="module")
def reading():
    """The reading at a telephone's rate, int16."""
    with wave.open(str(Path(moonshine_voice.__file__).parent / "assets" / "two_cities.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return soxr.resample(samples, file.getframerate(), RATE)


def stretch(reading, begin_s, end_s, *, after_s):
    silence = np.zeros(after_s * RATE, np.int16)
    return np.concatenate([silence, reading[begin_s * RATE : end_s * RATE], np.zeros(2 * RATE, np.int16)])


def called(server, path, messages, call_id, *, stop):
    """A call from a carrier while somebody follows it: what the follower read."""

    async def dial():
        async with connect(server + path, compression=None) as carrier:
            for message in messages:
                await carrier.send(message)
                await asyncio.sleep(PACKET_S / 2)
            if not stop:
                carrier.transport.abort()
                return
            with suppress(ConnectionClosed):
                async with asyncio.timeout(30):
                    raise AssertionError(await carrier.recv())

    async def conversation():
        async with connect(f"{server}/calls/{quote(call_id, safe='')}") as follower:
            calling = asyncio.create_task(dial())
            async with asyncio.timeout(90):
                read = [json.loads(text) async for text in follower]
            await calling
            return read

    return asyncio.run(conversation())


def words(read, name):
    return plain(" ".join(one["text"] for one in read if one["type"] == "final" and one["channel_name"] == name))


def shuffled(messages):
    """Media messages up to 100 ms from where they were, some of them twice."""
    chance = random.Random(7)
    media = [one for one in messages[2:] for _ in range(1 + (chance.random() < 0.02))]
    order = sorted(range(len(media)), key=lambda n: n + chance.uniform(0, 10))
    return [*messages[:2], *(media[n] for n in order)]


@pytest.mark.parametrize("carrier", ["twilio", "telnyx", "plivo"])
def test_what_agent_and_customer_say_is_read_apart_at_the_calls_id(server, reading, carrier):
    customer = stretch(reading, *CUSTOMER_S, after_s=0)
    agent = stretch(reading, *AGENT_S, after_s=1)[: len(customer)]
    tracks = {"inbound": mulaw(customer), "outbound": mulaw(agent)}
    stop = carrier != "telnyx"
    messages = {"twilio": twilio, "telnyx": telnyx, "plivo": plivo}[carrier](tracks, stop=stop)
    if carrier == "telnyx":
        messages = shuffled(messages)
    read = called(server, f"/{carrier}?language=en&partials=false", messages, CALLS[carrier], stop=stop)
    assert words(read, "customer").strip().startswith(BEGIN)
    assert AGENTS in words(read, "agent")
    assert AGENTS not in words(read, "customer")
    assert "worst of times" not in words(read, "agent")
    assert not [one for one in read if one["type"] == "error"]
    closed = [one for one in read if one["type"] == "closed"]
    assert [one["reason"] for one in closed] == ["stop" if stop else "gone"]
    assert closed[0]["totals"]["audio_ms"] == len(customer) // 8
    assert read[-1]["state"] == "ended"


def test_exotel_is_linear_pcm_on_one_channel(server, reading):
    samples = stretch(reading, *CUSTOMER_S, after_s=0)
    read = called(server, "/exotel?partials=false", exotel(samples.astype("<i2").tobytes()), CALLS["exotel"], stop=True)
    assert words(read, "customer").strip().startswith(BEGIN)


@pytest.mark.parametrize("carrier", list(CALLS))
def test_pipecat_reads_the_same_from_the_frames_that_are_sent_here(said, reading, tmp_path, carrier):
    samples = reading[:RATE]
    code = mulaw(samples)
    frames = {"twilio": twilio, "telnyx": telnyx, "plivo": plivo}[carrier]({"inbound": code}) if carrier != "exotel" else None
    path = tmp_path / "frames.json"
    path.write_text(json.dumps(frames or exotel(samples.astype("<i2").tobytes())))
    (heard,) = said("pipecat", path, carrier, script="speak_telephone.py")
    linear = samples
    if carrier != "exotel":
        decoder = PcmDecoder(AudioFormat(encoding=Encoding.MULAW, sample_rate=16_000))  # without a change of rate
        linear = decoder.decode(code)[0]
    expected = linear.astype("<i2").tobytes()
    assert heard == {"kind": carrier, "call": CALLS[carrier], "bytes": len(expected), "sha256": sha256(expected).hexdigest()}
