"""What more than one room of tests needs: real recordings, and servers that run."""

import subprocess
import wave
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from tests.serving import serving

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"

TWO_CITIES = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, "
    "it was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of Darkness, "
    "it was the spring of hope, it was the winter of despair, we had everything before us, we had nothing before us, "
    "we were all going direct to Heaven, we were all going direct the other way"
)


@pytest.fixture(scope="session")
def two_cities() -> Path:
    """A real reading of 44 s, which comes with the bundled model's package."""
    return Path(str(files("moonshine_voice"))) / "assets" / "two_cities.wav"


@pytest.fixture(scope="session")
def two_cities_16k(two_cities):
    """The same at 16 kHz, int16 ``[n]``."""
    import soxr

    with wave.open(str(two_cities)) as reading:
        rate, channels = reading.getframerate(), reading.getnchannels()
        samples = np.frombuffer(reading.readframes(reading.getnframes()), np.int16).reshape(-1, channels)[:, 0]
    return (soxr.resample(samples.astype(np.float32) / 32768, rate, 16_000) * 32767).astype(np.int16)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip("the folder of real recordings is not beside this checkout")
    return SHARED_DATA


@pytest.fixture(scope="session")
def new_certificate():
    """Makes a certificate of 127.0.0.1 and localhost that is its own authority, and its key, in a folder."""

    def make(folder: Path, name: str = "localhost") -> tuple[Path, Path]:
        command = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN={name}"
        files = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"]
        try:
            subprocess.run([*command.split(), *files], cwd=folder, capture_output=True, check=True, timeout=60)
        except FileNotFoundError:
            pytest.skip("openssl is not installed")
        return folder / "cert.pem", folder / "key.pem"

    return make


@pytest.fixture(scope="session")
def certificate(new_certificate, tmp_path_factory) -> tuple[Path, Path]:
    return new_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def real_server():
    """A server with the bundled model: real speech to real words."""
    from streamer.engine.bundled import Bundled

    with serving(lambda: Bundled("This is the bundled English model.")) as running:
        yield running


@pytest.fixture(scope="session")
def live_server(real_server) -> str:
    """Its URL, for a browser."""
    return real_server.url
