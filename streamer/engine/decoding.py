"""One batch to its answers, whatever the engine does with it, short of dying.

A batch that raises is decoded again item by item, so that one bad item is one failed item. A batch that the device cannot hold is decoded
in halves.
"""

import logging
from collections.abc import Callable
from typing import Final

from streamer.core.events import SAMPLE_RATE, Failed, Hypothesis, Job
from streamer.engine import Engine, OutOfMemory

logger: Final = logging.getLogger(__name__)


def decode(engine: Engine, jobs: list[Job], too_large: Callable[[float], None]) -> list[Hypothesis | Failed]:
    """One answer per job, in order. ``too_large`` is told the seconds of audio, padding included, that the device could not hold.

    Raises ``MemoryError``, which is the process's and not the batch's.
    """
    try:
        return engine.transcribe(jobs)
    except MemoryError:
        raise
    except OutOfMemory as error:
        if len(jobs) == 1:
            logger.warning("the device cannot hold one item of %.1f s: %s", _seconds(jobs[0]), error)
            return [Failed(jobs[0], f"{_seconds(jobs[0]):.1f} s of audio need more memory than the device has: {error}")]
        too_large(engine.batch_limits.decoded_s([_seconds(job) for job in jobs]))
        half = len(jobs) // 2
        parts = [jobs[:half], jobs[half:]]
    except Exception as error:  # noqa: BLE001 - a wall: whatever a batch raises, its items are tried alone
        if len(jobs) == 1:
            logger.warning("a %s of segment %d failed: %s", jobs[0].kind.name.lower(), jobs[0].segment, error)
            return [Failed(jobs[0], f"{type(error).__name__}: {error}")]
        logger.warning("a batch of %d failed (%s); decoding its items one by one", len(jobs), error)
        parts = [[job] for job in jobs]
    # Not inside the handlers: as long as the exception lives, so does the device memory of every frame that it came through.
    return [answer for part in parts for answer in decode(engine, part, too_large)]


def _seconds(job: Job) -> float:
    return (job.end - job.begin) / SAMPLE_RATE
