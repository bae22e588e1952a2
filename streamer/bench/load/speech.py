"""What a client says: phrases of real speech and silences, whose begins and ends are known to the sample."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import numpy as np

from streamer.bench.spans import joined
from streamer.bench.voices import READING, Signal, reading, utterance
from streamer.core.events import SAMPLE_RATE, Samples, to_samples
from streamer.engine.packaged import bundled_assets
from streamer.errors import ConfigurationError
from streamer.media import decode_file

LEAD_MS: Final = (200, 1_500)  # before anybody speaks
GAP_MS: Final = (80, 140)  # between the phrases of one utterance: the voice detector does not take it for a pause
PAUSE_MS: Final = (1_000, 2_500)  # between utterances: an endpoint, whatever the server's patience
PHRASES: Final = (1, 2, 2, 3, 4)  # in an utterance
SPLIT_MS: Final = 250  # a silence in a file that divides phrases
SHORTEST: Final = SAMPLE_RATE // 2
LONGEST: Final = 12 * SAMPLE_RATE


@dataclass(frozen=True, slots=True, eq=False)
class Programme:
    """Pieces in order, int16 at 16 kHz, and the utterances in them as ``(begin, end)`` samples."""

    pieces: tuple[Samples, ...]
    speech: tuple[tuple[int, int], ...]

    @property
    def samples(self) -> int:
        return sum(map(len, self.pieces))

    @property
    def seconds(self) -> float:
        return self.samples / SAMPLE_RATE

    def chunks(self, size: int) -> Iterator[bytes]:
        """Little-endian bytes of ``size`` samples each; the last one may be shorter. Nothing is copied before it is needed."""
        rest = b""
        for piece in self.pieces:
            data = rest + piece.astype("<i2").tobytes()
            whole = len(data) // (2 * size) * 2 * size
            for begin in range(0, whole, 2 * size):
                yield data[begin : begin + 2 * size]
            rest = data[whole:]
        if rest:
            yield rest


def compose(phrases: Sequence[Samples], seconds: float, random: Random) -> Programme:
    """Utterances and pauses for this long, ending with a pause."""
    left = int(seconds * SAMPLE_RATE)
    pieces = [_silence(LEAD_MS, random)]
    speech: list[tuple[int, int]] = []
    at = len(pieces[0])
    while True:
        said = _utterance(phrases, random)
        pause = _silence(PAUSE_MS, random)
        if at + sum(map(len, said)) + len(pause) > left:
            said = said[:1]  # one phrase may still fit
        end = at + sum(map(len, said))
        if speech and end + len(pause) > left:
            pieces.append(np.zeros(max(0, left - at), np.int16))
            return Programme(tuple(pieces), tuple(speech))
        speech.append((at, end))
        pieces += [*said, pause]
        at = end + len(pause)


def _utterance(phrases: Sequence[Samples], random: Random) -> list[Samples]:
    said: list[Samples] = []
    for _ in range(random.choice(PHRASES)):
        said += [random.choice(phrases), _silence(GAP_MS, random)]
    return said[:-1]


def clip(phrases: Sequence[Samples], seconds: int) -> Programme:
    """The phrases in their order, again and again, for exactly this long."""
    length = seconds * SAMPLE_RATE
    rounds = -(-length // sum(map(len, phrases)))
    samples = np.concatenate([*phrases] * rounds)[:length]
    return Programme((samples,), ((0, length),))


def phrases_at_hand() -> list[Samples]:
    """The sentences of the reading that comes with the bundled model. Raises ``ConfigurationError`` without it."""
    assets = bundled_assets()
    if assets is None or not (assets / READING).is_file():
        raise ConfigurationError("there is no speech at hand; name recordings of speech, or run: pip install moonshine-voice==0.0.65")
    return [_int16(one.samples) for one in reading(assets / READING)]


def phrases_of(path: Path) -> list[Samples]:
    """The phrases of a recording, divided where it is silent. Raises ``MediaError``, and ``ConfigurationError`` where there are none."""
    with decode_file(path, channels=1) as audio:
        samples = np.concatenate([block[0] for block in audio] or [np.zeros(0, np.int16)])
    if not samples.any():
        raise ConfigurationError(f"{path} holds no speech; expected a recording of somebody who speaks")
    one = utterance(samples.astype(np.float32) / np.float32(32768), "", "")
    spans = [(to_samples(begin), to_samples(end)) for begin, end in joined(one.speech, SPLIT_MS)]
    pieces = [(at, min(at + LONGEST, end)) for begin, end in spans for at in range(begin, end, LONGEST)]
    return [_int16(one.samples[begin:end]) for begin, end in pieces if end - begin >= SHORTEST]


def _int16(samples: Signal) -> Samples:
    return (np.clip(samples, -1.0, 1.0) * 32767).astype(np.int16)


def _silence(between_ms: tuple[int, int], random: Random) -> Samples:
    return np.zeros(to_samples(random.randint(*between_ms)), np.int16)
