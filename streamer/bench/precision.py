"""Whether a faster way to compute gives the same answers: best ids of every row, beside those of a reference on the same speech."""

from collections.abc import Sequence
from random import Random
from typing import Any, Final

import numpy as np

from streamer.bench.contestants import Contestant, ids_of
from streamer.bench.jobs import whole
from streamer.core.events import LANGUAGES, SAMPLE_RATE, Job, Samples
from streamer.engine.rows import Rows

LENGTHS_S: Final = (0.4, 12.0)
TOGETHER: Final = 24  # items in a batch


def speech_jobs(speech: Samples, count: int, seed: int = 0) -> list[Job]:
    """Pieces of speech of all lengths in all languages."""
    random = Random(seed)
    jobs = []
    for n in range(count):
        length = min(len(speech), int(random.uniform(*LENGTHS_S) * SAMPLE_RATE))
        begin = random.randrange(len(speech) - length + 1)
        jobs.append(whole(speech[begin : begin + length], n, LANGUAGES[n % len(LANGUAGES)]))
    return jobs


def agreement(wanted: Sequence[Rows], runtime: Contestant, jobs: Sequence[Job]) -> dict[str, Any]:
    """Rows and items whose best ids differ from those that are wanted, the largest difference of a probability, and rows that differ
    between an item alone and the same item in a batch."""
    together = [rows for at in range(0, len(jobs), TOGETHER) for rows in runtime.rows(jobs[at : at + TOGETHER])]
    alone = [rows for job in jobs for rows in runtime.rows([job])]
    differ = ids_of(together) != ids_of(wanted)
    return {
        "rows": len(differ),
        "rows_differ": int(differ.sum()),
        "items": len(jobs),
        "items_differ": sum(bool((ours.ids != theirs.ids).any()) for ours, theirs in zip(together, wanted, strict=True)),
        "company_differs": int((ids_of(together) != ids_of(alone)).sum()),
        "p_differs": round(max(float(np.abs(ours.p - theirs.p).max()) for ours, theirs in zip(together, wanted, strict=True)), 6),
    }
