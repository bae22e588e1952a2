"""`streamer status` against real servers."""

import numpy as np
import pytest

from streamer.__main__ import main
from streamer.status import read_numbers, summary
from tests.serving import serving
from tests.test_server import SENTENCE, Loud, talk


def test_the_four_questions_are_answered_in_a_dozen_lines(capsys):
    with serving(judge=Loud(), max_sessions=7) as server:
        talk(server.socket, {"type": "start"}, np.concatenate([SENTENCE, SENTENCE]).tobytes(), {"type": "stop"})
        talk(server.socket, b"\0\0")
        code = main(["status", server.url])

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert lines[0] == f"{server.url}: ready"
    assert len(lines) == 12
    assert [line[:12].strip() for line in lines[1:] if line[0] != " "] == ["how many", "how late", "how full", "what fails"]
    assert lines[1] == "how many    sessions    0 of 7 open, 2 since the start"
    assert lines[4].startswith("how late    finals      half within ")
    assert lines[9:] == [
        "what fails  refused     none",
        "            errors      audio_before_start 1",
        "            restarts    none",
    ]


def test_a_server_that_is_not_ready_is_an_exit_code(capsys):
    def build():
        raise FileNotFoundError("no model.pt in /models")

    with serving(build, judge=Loud()) as server:
        assert main(["status", server.url.replace("http", "ws") + "/ws"]) == 1
    assert capsys.readouterr().out.startswith(f"{server.url}: the model could not be loaded: no model.pt in /models\n")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense", "http://[", "ftp://x"])
def test_where_no_server_is_one_sentence_says_so(url, capsys):
    assert main(["status", url]) == 1
    said = capsys.readouterr().err
    assert said.startswith("streamer: ")
    assert url in said
    assert said.count("\n") == 1


def test_another_look_tells_what_came_between():
    def numbers(*buckets):
        rows = [
            f'streamer_endpoint_to_final_seconds_bucket{{le="{edge}"}} {value}'
            for edge, value in zip((0.01, 0.1, "+Inf"), buckets, strict=True)
        ]
        return read_numbers("\n".join(["# TYPE streamer_endpoint_to_final_seconds histogram", *rows, "streamer_ready 1", ""]))

    def finals(*looks):
        return list(summary(*looks))[3].split("finals")[1].strip()

    assert finals(numbers(0, 0, 0)) == "none yet"
    assert finals(numbers(99, 100, 100)) == "half within 10 ms, 95 % within 10 ms"
    assert finals(numbers(99, 104, 105), numbers(99, 100, 100)) == "half within 100 ms, 95 % within more"
