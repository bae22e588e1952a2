"""Exotel: 100 ms of linear PCM at a time, on one track without a name."""

from streamer.core.events import Audio, AudioFormat, Settings, Start, Stop
from streamer.wires.exotel import Exotel
from tests.carriers import CALLS, exotel
from tests.wires.carriers import heard, opened

SAID = bytes(range(1, 201)) * 64


def test_a_call_is_one_channel_of_linear_pcm():
    wire = opened(Exotel)
    start, *events, stop = heard(wire, exotel(SAID, parameters={"language": "en", "bot": "7"}))
    assert start == Start(AudioFormat(sample_rate=8_000, channel_names=("customer",)), Settings(language="en"))
    assert b"".join(event.data for event in events if isinstance(event, Audio)) == SAID
    assert stop == Stop("stop")
    assert wire.call == CALLS["exotel"]


def test_other_rates_are_said_at_the_start():
    start, *_ = heard(opened(Exotel), exotel(SAID, rate=16_000))
    assert start.format.sample_rate == 16_000


def test_parameters_may_be_one_text():
    start, *_ = heard(opened(Exotel), exotel(SAID, parameters="language=en&inbound=agent"))
    assert (start.settings.language, start.format.channel_names) == ("en", ("agent",))
