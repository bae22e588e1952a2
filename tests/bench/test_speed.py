"""What forwards cost: shapes within an engine's limits, a fit of them, and failures that are told."""

from dataclasses import replace

import numpy as np
import pytest

from streamer.bench.speed import Plan, fit, measure
from streamer.core.events import Failed
from streamer.engine import OutOfMemory
from streamer.engine.models import Found, Kind
from streamer.engine.scripted import Script, Scripted
from streamer.errors import ConfigurationError

SPEECH = np.arange(16_000 * 3).astype(np.int16)
PLAN = Plan(batches=(1, 2, 4, 64), lengths_s=(0.5, 5.0), seconds=0.01)


@pytest.fixture
def measured(monkeypatch):
    """Measures an engine of this script; no weights are looked for."""

    def run(script, plan=PLAN, engine=Scripted):
        monkeypatch.setattr("streamer.bench.speed.load_engine", lambda found, device, **how: engine(script))
        return measure(Found(Kind.SCRIPTED, None, "here"), "cpu", SPEECH, plan)

    return run


def test_the_fixed_part_and_the_rate_are_found_again():
    points = [(padded, 15.0 + padded / 6.0) for padded in (1.0, 2.0, 10.0, 60.0, 240.0)]

    assert fit(points) == {"fixed_ms": 15.0, "audio_s_per_s": 6000.0}


def test_what_is_proportional_has_no_fixed_part_and_one_size_has_no_fit():
    assert fit([(1.0, 140.0), (2.0, 290.0), (4.0, 600.0)])["fixed_ms"] == 0.0
    assert fit([(2.0, 10.0), (2.0, 11.0)]) is None
    assert fit([]) is None


def test_every_shape_within_the_engines_limits_is_measured(measured):
    found = measured(Script(limits=replace(Script().limits, max_items=4, max_audio_s=12.0)))

    assert [(row["batch"], row["length_s"]) for row in found["forwards"]] == [(1, 0.5), (2, 0.5), (4, 0.5), (1, 5.0), (2, 5.0)]
    assert set(found["batch_1_ms"]) == {"0.5", "5"}
    assert all(row["audio_s_per_s"] > 0 for row in found["forwards"])
    assert found["model"] == "scripted"
    assert found["peak"]["rss_mb"] > 10
    assert found["peak"]["cuda_mb"] is None


def test_items_differ_so_that_nothing_can_be_remembered(measured):
    heard = []
    measured(
        Script(cost=lambda jobs: heard.append([int(job.samples[0]) for job in jobs]) or 0.0),
        Plan(batches=(4,), lengths_s=(0.5,), seconds=0.01),
    )

    assert all(len(set(batch)) == 4 for batch in heard)
    assert heard[0] != heard[1]


def test_a_batch_that_the_device_cannot_hold_ends_the_row(measured):
    full = Script(raises=lambda jobs: OutOfMemory("2 GiB") if len(jobs) > 2 else None)

    assert [row["batch"] for row in measured(full, replace(PLAN, lengths_s=(0.5,)))["forwards"]] == [1, 2]


def test_an_item_that_cannot_be_decoded_is_told(measured):
    class Deaf(Scripted):
        def transcribe(self, jobs):
            return [Failed(job, "no ears") for job in jobs]

    with pytest.raises(ConfigurationError, match=r"scripted could not decode 0.5 s of speech: no ears"):
        measured(Script(), engine=Deaf)
