"""The examples of the README and of docs/client.md run as they stand."""

import io
import re
import sys
import wave
from contextlib import redirect_stdout
from dataclasses import fields
from pathlib import Path

import pytest

from streamer.client import Patience, events
from tests.client.test_sources import FakeSounddevice
from tests.driving import Driver, speech
from tests.serving import serving
from tests.test_server import Loud

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/client.md").read_text()
AUDIO = speech("." * 10 + "#" * 40 + "." * 40)
TEXT = Driver().start().hear(AUDIO).stop().finals[0].text


def examples(name):
    return re.findall(r"^```python\n(.*?)^```", (ROOT / name).read_text(), re.M | re.S)


@pytest.fixture(scope="module")
def server():
    with serving(judge=Loud()) as running:
        yield running


@pytest.mark.parametrize("example", [*examples("README.md"), *examples("docs/client.md"), examples("docs/protocol.md")[0]])
def test_an_example_prints_what_was_said(server, example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSounddevice(AUDIO.tobytes()))
    for name in ("talk.mp3", "speech.mp3"):
        with wave.open(name, "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(AUDIO.tobytes())
    program = example.replace("ws://127.0.0.1:8765/ws", server.socket).replace('== "stop"', "!= ''")
    out = io.StringIO()
    with redirect_stdout(out):
        exec(compile(program, "example", "exec"), {})
    assert TEXT in out.getvalue()


def test_the_page_names_what_can_happen_to_a_connection_and_every_option_of_patience_is_explained():
    for name in ("Reconnecting", "Resumed", "Restarted", "AudioLost"):
        assert f"`{name}`" in PAGE
        for field in fields(getattr(events, name)):
            assert f"`{field.name}`" in PAGE or field.name == "session_id"
    for name in ("give_up_s", "silence_s"):
        assert f"`{name}` ({getattr(Patience(), name):.0f} s)" in PAGE
    assert Patience().keep_bytes == 16 << 20
