"""A miniature checkpoint, our engine and upstream's on it, and real speech to give to them."""

import os
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soxr
import torch

from streamer.core.events import SAMPLE_RATE, Job, JobKind, Samples
from tests.engine import checkpoints, reference

MakeJob = Callable[..., Job]

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # before anything imports our kernels: then they run on a CPU, slowly


@pytest.fixture(scope="session")
def one_thread() -> Iterator[None]:
    """Sums of a miniature are too small to share among threads: waiting for one another costs more, most of all on a busy machine.

    Upstream sets the whole process to the number that it was made with, at every call.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a SenseVoice of the real architecture, in miniature."""
    return checkpoints.build(tmp_path_factory.mktemp("models") / "miniature")


@pytest.fixture(scope="session")
def engine(checkpoint: Path, one_thread: None):
    """Our engine on it."""
    from streamer.engine.sensevoice import SenseVoice

    return SenseVoice(checkpoint, device="cpu")


@pytest.fixture(scope="session")
def upstream(checkpoint: Path, one_thread: None) -> reference.Upstream:
    """Upstream's on it."""
    return reference.Upstream(checkpoint)


@pytest.fixture(scope="session")
def speech() -> Samples:
    """44 s of a real reading, int16 at 16 kHz."""
    import moonshine_voice

    with wave.open(str(Path(moonshine_voice.__file__).parent / "assets" / "two_cities.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return soxr.resample(samples, file.getframerate(), SAMPLE_RATE)


@pytest.fixture(scope="session")
def job_of() -> MakeJob:
    """Makes a job of samples."""

    def make(samples: Samples, *, language: str = "auto", itn: bool = True) -> Job:
        return Job(
            session="s", channel=0, segment=0, kind=JobKind.FINAL, begin=0, end=len(samples), samples=samples, language=language, itn=itn
        )

    return make
