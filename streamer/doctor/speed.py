"""Which model would run, and how fast it is here, on real speech."""

import sys
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np

from streamer.core.events import SAMPLE_RATE, Failed, Job, JobKind, Samples
from streamer.doctor import Line, fail, ok, warn
from streamer.engine import Engine
from streamer.engine.models import Found, Models, NotFetched
from streamer.engine.packaged import bundled_assets
from streamer.engine.weights import total_size
from streamer.errors import ModelNotFound

_SPEECH_S: Final = 10
_SEGMENT_S: Final = 5
SLOW_FACTOR: Final = 0.25
"""Above it partials come late: re-decoding an open segment several times a second costs about as much again as its final."""

Load = Callable[[Found, str], Engine]


class ModelCheck:
    """Looks for the model. ``found`` is what the next check may load, ``None`` when there is nothing."""

    def __init__(self, models: Models, wanted: str | None) -> None:
        self._models = models
        self._wanted = wanted
        self.found: Found | None = None

    def __call__(self) -> Iterator[Line]:
        try:
            found = self.found = self._models.find(self._wanted, download=False)
        except NotFetched as fault:
            megabytes = total_size(self._models.files) / 1e6
            yield warn(
                str(fault), f"or let the first start fetch its {megabytes:,.0f} MB; until then only the bundled model can be measured"
            )
            self.found = self._bundled()
        except ModelNotFound as fault:
            yield fail(str(fault), "the main job cannot run without a model")
        else:
            said = f"{found.kind.value} from {found.source}" + (f", {found.path}" if found.path else "")
            if found.notice:
                yield warn(f"{said}. {found.notice}", "`streamer models pull sensevoice` where a hub can be reached")
            else:
                yield ok(said)

    def _bundled(self) -> Found | None:
        try:
            return self._models.find("bundled", download=False)
        except ModelNotFound:
            return None


def speech() -> tuple[str, Samples]:
    """Ten seconds at 16 kHz and what they are: a reading that the bundled model's package carries, or else a sound made here."""
    assets = bundled_assets()
    reading = assets / "two_cities.wav" if assets else None
    if reading is not None and reading.is_file():
        return "a recorded reading", _read(reading)
    time = np.arange(_SPEECH_S * SAMPLE_RATE) / SAMPLE_RATE
    voice = sum(np.sin(2 * np.pi * 120 * harmonic * time) / harmonic for harmonic in range(1, 20)) * (np.sin(2 * np.pi * 4 * time) > 0)
    return "a made sound", np.asarray(voice * 4_000, dtype=np.int16)


def _read(path: Path) -> Samples:
    import soxr

    with wave.open(str(path)) as reading:
        rate = reading.getframerate()
        samples = np.frombuffer(reading.readframes(_SPEECH_S * rate), np.int16)
    return np.asarray(soxr.resample(samples, rate, SAMPLE_RATE), dtype=np.int16)


def measure(found: Found | None, device: str, load: Load, *, clock: Callable[[], float] = perf_counter) -> Iterator[Line]:
    """Load, warm up and decode, and say what each cost. Nothing where no model was ``found``: that was said already."""
    if found is None:
        return
    began = clock()
    engine = load(found, device)
    try:
        loaded_s = clock() - began
        warm = engine.warm_up()
        yield ok(
            f"{engine.info.name} on {engine.info.device}: loaded in {loaded_s:.1f} s, warm after {warm.seconds:.1f} s more",
            load_s=loaded_s,
            warm_up_s=warm.seconds,
        )
        yield from _decode(engine, clock)
        yield from _memory(engine.info.device)
    finally:
        engine.close()


def _decode(engine: Engine, clock: Callable[[], float]) -> Iterator[Line]:
    kind, samples = speech()
    first_s, _ = _timed(engine, samples[:SAMPLE_RATE], clock)
    yield ok(f"first result {first_s * 1000:.0f} ms after the first second of speech", first_result_ms=first_s * 1000)
    spent_s, heard = 0.0, []
    for begin in range(0, len(samples), _SEGMENT_S * SAMPLE_RATE):
        seconds, text = _timed(engine, samples[begin : begin + _SEGMENT_S * SAMPLE_RATE], clock)
        spent_s += seconds
        heard.append(text.strip())
    factor = spent_s * SAMPLE_RATE / len(samples)
    said = f"real-time factor {factor:.3f} on {kind}, one segment at a time"
    if factor >= 1:
        yield fail(said, "too slow for a single speaker: use a GPU, more cores, or `--model bundled`", rtf=factor)
    elif factor > SLOW_FACTOR:
        yield warn(said, "one or two speakers at once, with few partials: use a GPU, more cores, or `--model bundled`", rtf=factor)
    else:
        yield ok(said, rtf=factor)
    if any(heard):
        yield ok(f"heard: {' '.join(heard)[:100]}")
    elif kind == "a recorded reading":
        yield warn("heard no word in a recorded reading", "the weights may be wrong: `streamer models verify`")


def _timed(engine: Engine, samples: Samples, clock: Callable[[], float]) -> tuple[float, str]:
    job = Job(session="doctor", channel=0, segment=0, kind=JobKind.FINAL, begin=0, end=len(samples), samples=samples)
    began = clock()
    (answer,) = engine.transcribe([job])
    if isinstance(answer, Failed):
        raise RuntimeError(f"the engine could not decode {len(samples) / SAMPLE_RATE:.0f} s of speech: {answer.reason}")
    return clock() - began, "".join(token.text for token in answer.tokens)


def _memory(device: str) -> Iterator[Line]:
    if sys.platform != "win32":
        import resource

        unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss: bytes there, kilobytes elsewhere
        peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
        yield ok(f"peak memory {peak_gb:.1f} GB", peak_memory_gb=peak_gb)
    if device.startswith("cuda"):
        import torch

        cuda_gb = torch.cuda.max_memory_reserved(device) / 1e9
        yield ok(f"peak memory of {device} {cuda_gb:.1f} GB", peak_cuda_gb=cuda_gb)
