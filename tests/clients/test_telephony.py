"""Telephone clients with real speech: two people in turn, at 8 kHz, the customer first."""

import asyncio
import wave

import numpy as np
import pytest
import soxr

from tests.clients.conftest import ENVIRONMENTS, RATE, SPOKEN_S
from tests.clients.telephony import audio_fork, audiohook, interleaved, jambonz, mulaw, vonage
from tests.clients.test_deepgram import BEGIN, plain

# These need no environment, but minutes in real time, which `make test` has no use for.
pytestmark = pytest.mark.skipif(not ENVIRONMENTS.is_dir(), reason="`make test-clients` runs the clients of others")

TELEPHONE = 8_000
CUT_S = 4.5  # between the first sentences


@pytest.fixture(scope="session")
def reading(speech):
    """The reading at 8 kHz, and silence after it."""
    with wave.open(str(speech)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return soxr.resample(samples, RATE, TELEPHONE).astype(np.int16)


@pytest.fixture(scope="session")
def sides(reading):
    """Who speaks first, and who speaks after him."""
    cut = int(CUT_S * TELEPHONE)
    silence = np.zeros_like(reading)
    first, second = silence.copy(), silence.copy()
    first[:cut], second[cut:] = reading[:cut], reading[cut:]
    return first, second


def ms(duration):
    return float(duration[2:-1]) * 1_000


def test_genesys_hears_both_sides_apart_each_with_its_words_and_times(server, sides):
    customer, agent = sides
    session = asyncio.run(audiohook.call(server, interleaved(mulaw(customer), mulaw(agent)), language="en-US"))
    assert all(one["isFinal"] for one in session.transcripts)
    texts = {0: "", 1: ""}
    for one in session.transcripts:
        (alternative,) = one["alternatives"]
        (display,) = alternative["interpretations"]
        texts[one["channelId"]] += " " + display["transcript"]
        begin, end = ms(one["offset"]), ms(one["offset"]) + ms(one["duration"])
        times = [ms(token["offset"]) for token in display["tokens"]]
        assert times == sorted(times)
        assert begin - 1 <= times[0] <= times[-1] <= end
        assert end <= CUT_S * 1_000 + 700 if one["channelId"] == 0 else begin >= CUT_S * 1_000 - 400
    assert plain(texts[0]).strip().startswith(BEGIN)
    assert "wisdom" in plain(texts[1])
    assert [message["type"] for message in session.messages][:1] == ["opened"]
    assert session.messages[-1]["type"] == "closed"


def test_genesys_pauses_and_the_words_after_it_have_the_time_of_the_call(server, reading):
    first = mulaw(reading[: int(CUT_S * TELEPHONE)]).tobytes()

    async def conversation():
        async with audiohook.dialled(server) as session:
            await session.open(media=[audiohook.OFFER[1]])
            await session.send(first, round(CUT_S * 1_000))
            await session.say("paused")
            before = await session.next("event")
            session.position_ms += 10_000
            await session.say("resumed", start=f"PT{CUT_S}S", discarded="PT10S")
            await session.send(first, round(CUT_S * 1_000))
            await session.close()
            return before["parameters"]["entities"][0]["data"], session.transcripts

    before, transcripts = asyncio.run(conversation())
    texts = [one["alternatives"][0]["interpretations"][0]["transcript"] for one in transcripts]
    after = next(one for one in transcripts if ms(one["offset"]) > 10_000)
    assert plain(before["alternatives"][0]["interpretations"][0]["transcript"]).startswith(BEGIN)
    assert plain(" ".join(texts)).count(BEGIN) == 2
    assert ms(after["offset"]) - ms(before["offset"]) == pytest.approx((CUT_S + 10) * 1_000, abs=300)


def test_jambonz_gets_transcriptions_and_the_close(server, reading):
    results, code = asyncio.run(jambonz.recognize(server, reading, options={"callSid": "f9a7"}))
    finals = [one["alternatives"][0]["transcript"] for one in results if one["is_final"]]
    assert plain(" ".join(finals)).startswith(BEGIN)
    assert [one for one in results if not one["is_final"]]
    assert code == 1000


@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_freeswitch_gets_events_of_both_sides(server, sides, rate):
    both = interleaved(*(soxr.resample(side, TELEPHONE, rate).astype(np.int16) for side in sides))
    metadata = {"callid": "f9a7", "sampleRate": rate, "mixType": "stereo"}
    bodies, code = asyncio.run(audio_fork.fork(server, both, metadata, bytes_per_ms=4 * rate // 1000))
    texts = {name: plain(" ".join(one["transcript"] for one in bodies if one["channel_name"] == name)) for name in ("customer", "agent")}
    assert texts["customer"].startswith(BEGIN)
    assert "wisdom" in texts["agent"]
    assert all(one["words"] for one in bodies)
    assert code == 1000


def test_vonage_is_told_nothing_on_its_own_socket(server, reading):
    assert asyncio.run(vonage.call(server, reading, TELEPHONE, conversation_uuid="CON-1", speed=4)) == []
    assert len(reading) > SPOKEN_S * TELEPHONE
