"""Plivo: numbers that are numbers, times since 1970, and parameters in one text."""

import pytest

from streamer.core.events import Audio, Encoding, Settings, Stop
from streamer.wires.plivo import Plivo
from tests.carriers import CALLS, plivo
from tests.wires.carriers import heard, opened

SAID = bytes(range(1, 201)) * 32


@pytest.mark.parametrize(
    ("encoding", "said_rate", "expected"),
    [
        ("audio/x-mulaw", 8_000, (Encoding.MULAW, 8_000)),
        ("audio/x-l16", 8_000, (Encoding.PCM_S16LE, 8_000)),
        ("audio/x-l16;rate=16000", 16_000, (Encoding.PCM_S16LE, 16_000)),
        ("audio/x-l16;rate=16000", "8000", (Encoding.PCM_S16LE, 16_000)),
    ],
)
def test_formats_as_they_are_asked_for_in_the_xml(encoding, said_rate, expected):
    wire = opened(Plivo)
    start, *events, stop = heard(wire, plivo({"inbound": SAID}, encoding=encoding, rate=expected[1], said_rate=said_rate))
    assert (start.format.encoding, start.format.sample_rate) == expected
    assert start.format.channel_names == ("customer",)
    assert b"".join(event.data for event in events if isinstance(event, Audio)) == SAID
    assert stop == Stop("stop")
    assert wire.call == CALLS["plivo"]


def test_both_tracks_are_kept_apart():
    start, *events, _ = heard(opened(Plivo), plivo({"inbound": SAID, "outbound": SAID[::-1]}))
    audio = b"".join(event.data for event in events)
    assert (audio[::2], audio[1::2]) == (SAID, SAID[::-1])
    assert start.format.channel_names == ("customer", "agent")


@pytest.mark.parametrize("extra", ["language=en;inbound=agent", "language=en,inbound=agent", "user=7&language=en&inbound=agent"])
def test_extra_headers_are_parameters(extra):
    start, *_ = heard(opened(Plivo), plivo({"inbound": SAID}, extra=extra))
    assert start.settings == Settings(language="en")
    assert start.format.channel_names == ("agent",)
