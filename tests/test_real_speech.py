"""Real recordings through the real server with the bundled model: real words, while they are still being spoken."""

import asyncio
import csv
import io
import json
import subprocess
from contextlib import suppress
from shutil import which

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from tests.conftest import TWO_CITIES
from tests.words import word_error_rate, words


def stream(url, pieces, *, pace=0.0, **start):
    """Send the pieces with a pause of ``pace`` seconds between them; give all messages."""

    async def session():
        async with connect(url, compression=None) as socket:
            await socket.send(json.dumps({"type": "start", **start}))

            async def send():
                for piece in pieces:
                    await socket.send(piece)
                    await asyncio.sleep(pace)
                await socket.send('{"type": "stop"}')

            sending = asyncio.create_task(send())
            messages = []
            with suppress(ConnectionClosedError):
                async for message in socket:
                    messages.append(json.loads(message))
            await sending
            return messages

    return asyncio.run(asyncio.wait_for(session(), 200))


def cut(data, size):
    return [data[n : n + size] for n in range(0, len(data), size)]


def finals(messages):
    return [message for message in messages if message["type"] == "final"]


def text(messages):
    return " ".join(message["text"] for message in finals(messages))


def test_a_reading_gives_partials_while_it_is_read_and_the_right_words_at_the_end(real_server, two_cities_16k):
    reading = two_cities_16k[: 16_000 * 20]
    messages = stream(real_server.socket, cut(reading.tobytes(), 3200), pace=0.03)

    partials = [message for message in messages if message["type"] == "partial"]
    assert len(partials) >= 2
    heard = text(messages)
    known = " ".join(words(TWO_CITIES)[: len(words(heard))])
    assert len(words(heard)) > 30
    assert word_error_rate(known, heard) < 0.2
    shown = {}
    for message in messages:
        if message["type"] == "partial":
            assert message["stable"].startswith(shown.get(message["segment"], ""))
            shown[message["segment"]] = message["stable"]
    last = 0
    for final in finals(messages):
        assert final["begin_ms"] >= last
        times = [time for word in final["words"] for time in (word["begin_ms"], word["end_ms"])]
        assert times == sorted(times)
        assert all(final["begin_ms"] <= time <= final["end_ms"] for time in times)
        last = final["end_ms"]


def test_the_whole_reading_is_heard(real_server, two_cities_16k):
    heard = text(stream(real_server.socket, cut(two_cities_16k.tobytes(), 32_000), partials=False))

    assert word_error_rate(" ".join(words(TWO_CITIES)), " ".join(words(heard)[: len(words(TWO_CITIES))])) < 0.15


@pytest.mark.parametrize(("rate", "encoding"), [(8_000, "mulaw"), (48_000, "pcm_f32le"), (44_100, "pcm_s16le"), (8_000, "alaw")])
def test_every_rate_and_encoding_carries_the_words(real_server, two_cities_16k, rate, encoding):
    import soxr

    reading = soxr.resample(two_cities_16k[: 16_000 * 8].astype(np.float32) / 32768, 16_000, rate)
    data = {
        "pcm_f32le": lambda: reading.astype("<f4").tobytes(),
        "pcm_s16le": lambda: (reading * 32767).astype("<i2").tobytes(),
        "mulaw": lambda: g711(reading, "mulaw"),
        "alaw": lambda: g711(reading, "alaw"),
    }[encoding]()
    heard = text(stream(real_server.socket, cut(data, 9_999), partials=False, format=encoding, sample_rate=rate))
    known = " ".join(words(TWO_CITIES)[: len(words(heard))])

    assert len(words(heard)) >= 12
    assert word_error_rate(known, heard) < 0.35


def g711(samples, codec):
    """Encoded by PyAV, so that our decoder is not tested against itself."""
    import av

    encoder = av.CodecContext.create(f"pcm_{codec}", "w")
    encoder.sample_rate, encoder.format, encoder.layout = 8_000, "s16", "mono"
    frame = av.AudioFrame.from_ndarray((samples * 32767).astype(np.int16)[None], format="s16", layout="mono")
    frame.sample_rate = 8_000
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


@pytest.mark.parametrize("kind", ["webm", "mp3"])
def test_a_container_is_decoded_as_it_arrives(real_server, two_cities_16k, kind):
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=kind) as output:
        track = output.add_stream({"webm": "libopus", "mp3": "libmp3lame"}[kind], rate=16_000, layout="mono")
        source = av.AudioFrame.from_ndarray(two_cities_16k[None, : 16_000 * 8], format="s16", layout="mono")
        source.sample_rate = 16_000
        resampler = av.AudioResampler(format=track.format, layout="mono", rate=track.rate, frame_size=track.frame_size or 0)
        for frame in [*resampler.resample(source), *resampler.resample(None)]:
            output.mux(track.encode(frame))
        output.mux(track.encode(None))
    messages = stream(real_server.socket, cut(file.getvalue(), 1_000), pace=0.005, format="container")

    assert [message["type"] for message in messages if message["type"] == "error"] == []
    known = " ".join(words(TWO_CITIES)[: len(words(text(messages)))])
    assert len(words(text(messages))) >= 12
    assert word_error_rate(known, text(messages)) < 0.3


def test_what_is_no_container_is_told_after_what_was_heard(real_server):
    messages = stream(real_server.socket, [b"this is not audio " * 2000], format="container")

    assert [(m["code"], m["fatal"]) for m in messages if m["type"] == "error"] == [("invalid_audio", True)]
    assert messages[-1]["reason"] == "invalid_audio"


@pytest.mark.skipif(which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_synthetic_speech_of_a_known_text_is_heard(real_server, tmp_path):
    known = "the weather today is very good and we will go to the market in the afternoon"
    wav = tmp_path / "known.wav"
    subprocess.run(["espeak-ng", "-v", "en-us", "-s", "140", "-w", str(wav), known], check=True, timeout=30)
    heard = text(stream(real_server.socket, [wav.read_bytes()], format="container", partials=False))

    assert word_error_rate(known, heard) < 0.4


def test_recordings_with_transcripts_are_heard(real_server, shared_data):
    with open(shared_data / "manifest.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["file"].startswith("en/librispeech_8629") and "transcript" in row["kind"]]
    errors = total = 0
    for row in rows[:6]:
        data = (shared_data / row["file"]).read_bytes()
        heard = text(stream(real_server.socket, cut(data, 64_000), format="container", partials=False))
        count = len(words(row["label"]))
        errors += word_error_rate(row["label"], heard) * count
        total += count

    assert errors / total < 0.12
