"""Other people's clients, each in a virtual environment of its own (their pins fight), before a real server with a real model.

``make test-clients`` builds the environments from ``tests/clients/*/requirements.txt`` and runs what is here.
"""

import json
import subprocess
import sys
import wave
from pathlib import Path

import moonshine_voice
import numpy as np
import pytest
import soxr

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".build" / "clients"
RATE = 16_000
SPOKEN_S, SILENCE_S = 9, 2
STARTED_S, SPOKE_S = 60, 120
LISTEN = ("wyoming",)  # wires with a port of their own


@pytest.fixture(scope="session")
def serving():
    """The bundled English model behind free ports; the address of its sockets, and the port of each wire that has one of its own."""
    command = [sys.executable, "-m", "streamer", "serve", "--port", "0", "--model", "bundled", "--log-level", "warning"]
    command += ["--listen", ",".join(f"{name}=0" for name in LISTEN)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().split()[4]
            own = [process.stdout.readline().split() for _ in LISTEN]  # "wyoming has port 10300 of its own"
            assert process.stdout.readline().startswith("model: ")
            yield address.replace("http", "ws", 1), {words[0]: int(words[3]) for words in own}
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="session")
def server(serving):
    return serving[0]


@pytest.fixture(scope="session")
def ports(serving):
    return serving[1]


@pytest.fixture(scope="session")
def speech(tmp_path_factory):
    """The first sentences of a reading, then silence: a file that clients say."""
    source = Path(moonshine_voice.__file__).parent / "assets" / "two_cities.wav"
    with wave.open(str(source)) as file:
        samples = soxr.resample(np.frombuffer(file.readframes(file.getnframes()), np.int16), file.getframerate(), RATE)
    return written(tmp_path_factory.mktemp("speech") / "speech.wav", samples[: SPOKEN_S * RATE])


def written(path, *channels, rate=RATE):
    """A wav file of int16 channels, each followed by silence."""
    silence = np.zeros(SILENCE_S * rate, np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.stack([np.concatenate([channel, silence]) for channel in channels], axis=1).astype("<i2").tobytes())
    return path


@pytest.fixture
def said(server):
    """Runs a client's ``speak.py``, or another script of its, in its own environment; gives what it printed."""

    def run(client, path, *options, script="speak.py"):
        python = ENVIRONMENTS / client / "bin" / "python"
        if not python.exists():
            pytest.skip(f"{client} has no environment; `make test-clients` builds it")
        command = [str(python), str(HERE / client / script), server, str(path), *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SPOKE_S, check=False)
        assert done.returncode == 0, done.stderr[-3_000:]
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    return run
