"""16 kHz audio as a telephone exchange would send it: 8 kHz, G.711 mu-law."""

from functools import cache

import numpy as np
import numpy.typing as npt

from streamer.core.audio import PcmDecoder
from streamer.core.events import SAMPLE_RATE, AudioFormat, Encoding, Samples

Codes = npt.NDArray[np.uint8]


@cache
def _levels() -> tuple[Samples, Codes]:
    """The 256 values that the session's own decoder knows, in rising order, and their codes."""
    decoder = PcmDecoder(AudioFormat(encoding=Encoding.MULAW, sample_rate=SAMPLE_RATE))
    values = decoder.decode(bytes(range(256)))[0]
    order = np.argsort(values, kind="stable")
    return values[order], order.astype(np.uint8)


def to_mulaw(samples: Samples, rate: int) -> bytes:
    """int16 ``[channels, n]`` at 16 kHz to interleaved codes at ``rate``, each the one whose value is nearest."""
    import soxr

    narrow = soxr.resample(samples.T.astype(np.float32), SAMPLE_RATE, rate)
    values, codes = _levels()
    edges = (values[1:].astype(np.float32) + values[:-1]) / 2
    chosen: Codes = codes[np.searchsorted(edges, narrow)]
    return chosen.tobytes()
