"""The bench of the host: what its clients send, how its figures are made, and one short run of all its processes."""

import json
import sys
from collections import Counter

import pytest

from streamer.__main__ import main
from streamer.bench.host import HostFigures, Side, _parts
from streamer.bench.host_profile import REST, _room
from streamer.bench.host_sides import frame


def side(cpu_s):
    return Side(audio_s=100.0, seconds=10.0, cpu_s=cpu_s, before_mb=40.0, idle_mb=41.0, talking_mb=50.0)


def test_a_frame_is_masked_whole_and_has_its_length():
    assert frame(1, b"hi") == b"\x81\x82\0\0\0\0hi"
    assert frame(2, bytes(640))[:8] == b"\x82\xfe\x02\x80\0\0\0\0"


def test_streams_per_core_come_from_processor_time_for_audio():
    figures = HostFigures("webrtc", 12, side(0.2), side(0.5), (0.3, 0.4, 0.5), {})

    assert (figures.sink.ms, figures.sink.streams_per_core) == (2.0, 500.0)
    assert figures.server.streams_per_core == 200.0
    assert figures.ratio == 0.4
    assert round(figures.late, 3) == 0.167


def test_the_parts_are_the_loops_time_by_room_and_the_threads_beside_it():
    total = Counter({"cpu_s": 1.0, "loop_s": 0.6, "judge_s": 0.25, "engine_s": 0.1, "audio_s": 100.0})

    assert _parts(total, {"session": 2.0, "detector": 1.0}) == pytest.approx(
        {"session": 4.0, "detector": 4.5, "scripted engine": 1.0, "between threads": 0.5}
    )


def test_time_belongs_to_the_innermost_room_that_is_known():
    assert _room(sys._getframe()) == REST
    assert _room(None) == REST


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read as Linux gives it")
def test_a_short_run_gives_a_table_and_a_report(tmp_path, capsys):
    report = tmp_path / "host.json"
    command = ["bench", "host", "--streams", "3", "--vad", "webrtc", "--rounds", "1", "--round-s", "0.3", "--json", str(report)]

    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "| server, webrtc |" in printed
    row = json.loads(report.read_text())["rows"][0]
    assert 0 < row["sink_ms"] < row["server_ms"]
    assert row["server"]["audio_s"] > 0
    assert {"session", "websockets", "detector"} & row["parts_ms"].keys()
