"""Runtimes by turns: what is counted, what is compared with what, and what the command prints."""

from argparse import ArgumentParser
from itertools import count
from pathlib import Path

import numpy as np
import pytest

import streamer.engine
from streamer.bench.cpu import Shapes, compare
from streamer.cli import bench_cpu as command
from streamer.engine.models import ModelSettings
from streamer.engine.rows import Rows
from streamer.errors import ConfigurationError
from streamer.settings import Settings

SPEECH = np.arange(16_000 * 3).astype(np.int16)
MINIATURE = Path(streamer.engine.__file__).parent / "miniature"


class Clockwork:
    """A runtime that takes so much processor time, and twice as much on the wall; it gives this id for everything."""

    now = 0.0

    def __init__(self, seconds, id):
        self.seconds, self.id, self.heard = seconds, id, []

    def rows(self, jobs):
        Clockwork.now += self.seconds * len(jobs)
        self.heard.append([(len(job.samples), job.language) for job in jobs])
        return [Rows(np.array([self.id, 0]), np.ones(2), np.ones((4, 1))) for _ in jobs]


CLOCKS = (lambda: Clockwork.now, lambda: 2 * Clockwork.now)


def test_each_runtime_has_its_time_its_ratio_to_the_first_and_the_share_of_the_first_s_ids():
    runtimes = {"first": Clockwork(0.4, 7), "second": Clockwork(0.1, 7), "third": Clockwork(0.8, 8)}
    rows = compare(runtimes, SPEECH, Shapes(batches=(1, 2), lengths_s=(0.5,), turns=3), CLOCKS)
    assert [tuple(row.values()) for row in rows] == [
        ("first", 1, 0.5, 400.0, 800.0, 1.0, 1.0),
        ("second", 1, 0.5, 100.0, 200.0, 4.0, 1.0),
        ("third", 1, 0.5, 800.0, 1600.0, 0.5, 0.5),
        ("first", 2, 0.5, 800.0, 1600.0, 1.0, 1.0),
        ("second", 2, 0.5, 200.0, 400.0, 4.0, 1.0),
        ("third", 2, 0.5, 1600.0, 3200.0, 0.5, 0.5),
    ]


def test_all_hear_the_same_in_the_same_order_and_the_first_turn_does_not_count():
    one, other = Clockwork(0.1, 0), Clockwork(0.1, 0)
    compare({"one": one, "other": other}, SPEECH, Shapes(batches=(1, 4), lengths_s=(0.5, 5.0), turns=2, max_audio_s=12.0), CLOCKS)
    assert one.heard == other.heard
    assert [(len(batch), batch[0][0]) for batch in one.heard] == [(1, 8_000)] * 3 + [(1, 80_000)] * 3 + [(4, 8_000)] * 3
    assert {language for batch in one.heard for _, language in batch} == {"auto", "zh", "en", "yue", "ja", "ko"}


def test_the_first_turn_warms_up_and_is_not_counted():
    costs = count(9, -4)  # 9 s, then 5 s, then 1 s

    class Warming(Clockwork):
        def rows(self, jobs):
            self.seconds = float(next(costs))
            return super().rows(jobs)

    (row,) = compare({"one": Warming(0, 0)}, SPEECH, Shapes(batches=(1,), lengths_s=(0.5,), turns=1), CLOCKS)
    assert row["cpu_ms"] == 5_000.0


@pytest.fixture
def run(tmp_path, capsys):
    def call(*arguments):
        parser = ArgumentParser()
        command.add_arguments(parser)
        settings = Settings(models=ModelSettings(cache=tmp_path, offline=True))
        code = command.run(parser.parse_args(["--model", *arguments]), settings)
        return code, capsys.readouterr().out.splitlines()

    return call


def test_the_command_compares_what_is_named_and_writes_a_table(run, tmp_path):
    plot = tmp_path / "plot.svg"
    named = (
        "--runtime",
        "ONNX Runtime",
        "ONNX Runtime int8",
        "--length-s",
        "0.5",
        "1",
        "--batch",
        "1",
        "--turns",
        "1",
        "--plot",
        str(plot),
    )
    code, lines = run(str(MINIATURE), *named)
    assert code == 0
    assert lines[0] == "| threads | runtime | 1 x 0.5 s | 1 x 1 s | same ids |"
    assert [line.split("|")[2].strip() for line in lines[2:]] == ["ONNX Runtime", "ONNX Runtime int8"]
    assert lines[2].endswith("| 100.00 % |")
    assert plot.read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("miniature", "--runtime", "whisper"), r"--runtime is 'whisper', expected some of: 'torch', 'torch int8', 'ONNX Runtime', "),
        (("scripted",), "the model to compare is scripted, expected a SenseVoice with its model.pt: name one with --model"),
    ],
)
def test_what_cannot_be_compared_is_refused(run, arguments, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        run(*arguments)
