"""Judges by name."""

import pytest

from streamer.errors import ConfigurationError
from streamer.vad.choose import NAMES, choose_judge


@pytest.mark.parametrize(("name", "frame_samples"), [("silero", 512), ("webrtc", 320)])
def test_each_name_gives_its_judge(name, frame_samples):
    assert name in NAMES
    assert choose_judge(name).frame_samples == frame_samples


def test_silero_is_the_default():
    assert choose_judge().frame_samples == 512


def test_another_name_is_refused_with_the_names_there_are():
    with pytest.raises(ConfigurationError, match="the voice detector is 'ears', expected one of silero, webrtc"):
        choose_judge("ears")
