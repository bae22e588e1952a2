"""How the answers of a faster way are compared."""

import numpy as np

from streamer.bench.precision import TOGETHER, agreement, speech_jobs
from streamer.engine.rows import Rows

SPEECH = np.arange(20 * 16_000, dtype=np.int32).astype(np.int16)


class Fake:
    """Gives every item the number of its segment five times; ``wrong`` changes some of the rows, given the batch and the place in it."""

    def __init__(self, wrong=lambda jobs, n: {}):
        self.wrong = wrong

    def rows(self, jobs):
        return [self.item(job, self.wrong(jobs, n)) for n, job in enumerate(jobs)]

    def item(self, job, wrong):
        ids, p = np.full(5, job.segment), np.full(5, 0.75, np.float32)
        for row, id in wrong.items():
            ids[row], p[row] = id, 0.5
        return Rows(ids, p, np.zeros((4, 3), np.float32))


def figures(runtime):
    jobs = speech_jobs(SPEECH, 2 * TOGETHER + 1)
    return agreement([rows for job in jobs for rows in Fake().rows([job])], runtime, jobs)


def test_the_same_answers_differ_nowhere():
    count = 2 * TOGETHER + 1
    assert figures(Fake()) == {
        "rows": 5 * count,
        "rows_differ": 0,
        "items": count,
        "items_differ": 0,
        "company_differs": 0,
        "p_differs": 0.0,
    }


def test_rows_and_the_items_that_they_are_in_are_counted():
    found = figures(Fake(lambda jobs, n: {1: -1, 3: -1} if jobs[n].segment == 7 else {}))
    assert (found["rows_differ"], found["items_differ"], found["company_differs"], found["p_differs"]) == (2, 1, 0, 0.25)


def test_what_only_company_changes_is_told_apart():
    found = figures(Fake(lambda jobs, n: {0: -1} if len(jobs) > 1 and n == 0 else {}))
    assert (found["rows_differ"], found["company_differs"]) == (2, 2)  # the first of each full batch; the last one has nobody beside it


def test_pieces_of_speech_are_of_all_languages_and_of_the_speech():
    jobs = speech_jobs(SPEECH, 12)
    assert {job.language for job in jobs} == {"auto", "zh", "en", "yue", "ja", "ko"}
    assert len({len(job.samples) for job in jobs}) == 12
    assert all((np.diff(job.samples.astype(np.int32)) % 65_536 == 1).all() for job in jobs)
    assert [len(job.samples) for job in speech_jobs(SPEECH[:1_000], 2)] == [1_000, 1_000]
