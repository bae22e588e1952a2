"""Telnyx: packets in any order, three codecs, and a start that names no tracks."""

import random

import pytest

from streamer.core.events import Audio, AudioFormat, Encoding, Settings, Start, Stop
from streamer.wires.telnyx import Telnyx
from tests.carriers import CALLS, telnyx
from tests.wires.carriers import heard, opened

INBOUND = bytes(range(1, 201)) * 32  # 800 ms
OUTBOUND = bytes(range(200, 0, -1)) * 32


def audio_of(events):
    return b"".join(event.data for event in events if isinstance(event, Audio))


def shuffled(messages, seed, reach=7):
    """Media messages, each at most so many places of its track from where it was."""
    chance = random.Random(seed)
    media = messages[2:-1]
    order = sorted(range(len(media)), key=lambda n: n + chance.uniform(0, 2 * reach))
    return [*messages[:2], *(media[n] for n in order), messages[-1]]


def test_both_tracks_have_a_channel_where_nothing_is_said_of_them():
    wire = opened(Telnyx)
    start, *events, stop = heard(wire, telnyx({"inbound": INBOUND}))
    names = ("customer", "agent")
    assert start == Start(AudioFormat(encoding=Encoding.MULAW, sample_rate=8_000, channels=2, channel_names=names), Settings())
    assert audio_of(events)[::2] == INBOUND
    assert audio_of(events)[1::2] == b"\xff" * len(INBOUND)
    assert stop == Stop("stop")
    assert wire.call == CALLS["telnyx"]


@pytest.mark.parametrize(
    ("track", "names"), [("inbound_track", ("customer",)), ("outbound", ("agent",)), ("both_tracks", ("customer", "agent"))]
)
def test_the_address_may_say_which_tracks_will_come(track, names):
    start, *_ = heard(opened(Telnyx, track=track), telnyx({"inbound": INBOUND}))
    assert start.format.channel_names == names


@pytest.mark.parametrize("seed", range(5))
def test_packets_that_come_in_another_order_are_heard_in_theirs(seed):
    messages = telnyx({"inbound": INBOUND, "outbound": OUTBOUND})
    expected = audio_of(heard(opened(Telnyx), messages))
    assert (expected[::2], expected[1::2]) == (INBOUND, OUTBOUND)
    mixed = shuffled(messages, seed)
    assert mixed != messages
    assert audio_of(heard(opened(Telnyx), mixed)) == expected


def test_doubles_are_heard_once_and_gaps_as_silence():
    messages = telnyx({"inbound": INBOUND}, parameters={"language": "en", "customer_id": "customer_123"})
    messages[7:8] = []  # the sixth packet, of 160 bytes
    messages[20:20] = messages[15:20]
    start, *events = heard(opened(Telnyx, track="inbound"), messages)
    assert audio_of(events) == INBOUND[:800] + b"\xff" * 160 + INBOUND[960:]
    assert start.settings.language == "en"
    assert [type(event) for event in events if not isinstance(event, Audio)] == [Stop]


@pytest.mark.parametrize(
    ("encoding", "rate", "expected"),
    [("PCMA", 8_000, Encoding.ALAW), ("L16", 16_000, Encoding.PCM_S16LE), ("l16", 8_000, Encoding.PCM_S16LE)],
)
def test_codecs_that_can_be_read(encoding, rate, expected):
    start, *events = heard(opened(Telnyx, track="inbound"), telnyx({"inbound": INBOUND}, encoding=encoding, rate=rate))
    assert (start.format.encoding, start.format.sample_rate) == (expected, rate)
    assert audio_of(events) == INBOUND


@pytest.mark.parametrize("encoding", ["G722", "OPUS", "AMR-WB"])
def test_codecs_that_cannot(encoding):
    (stop,) = heard(opened(Telnyx), telnyx({"inbound": INBOUND}, encoding=encoding, rate=16_000))
    assert str(stop.error) == f"the encoding is '{encoding}', expected PCMU, PCMA or L16 (mulaw, alaw, linear PCM)"
