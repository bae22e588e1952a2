"""Clients before a server of any wire, servers that are not here, and a checkpoint as sherpa-onnx reads it."""

import asyncio
import json
from argparse import ArgumentParser
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from websockets.asyncio.server import serve

import streamer.engine
from streamer.bench.peers import measure, servers, sherpa
from streamer.bench.peers.meeting import Plan, Talk, figures, meet, talk
from streamer.bench.peers.servers import SERVERS, Place, set_up
from streamer.bench.peers.wires import FunasrRealtime
from streamer.cli import bench_peers as command
from streamer.core.events import SAMPLE_RATE, Job, JobKind
from streamer.engine.features import NumpyFrontend
from streamer.engine.folder import describe
from streamer.engine.models import ModelSettings
from streamer.engine.onnx import OnnxSenseVoice
from streamer.errors import ConfigurationError
from streamer.settings import Settings

MINIATURE = Path(streamer.engine.__file__).parent / "miniature"
CLIP = np.zeros(SAMPLE_RATE // 2, np.int16)


@asynccontextmanager
async def fake(answer):
    """A server with funasr's words, which gives ``answer`` on STOP."""

    async def session(socket):
        heard = 0
        async for message in socket:
            if message == "START":
                await socket.send('{"sentences": [], "partial": "", "is_final": false}')
                await socket.send('{"event": "started"}')
            elif message == "STOP":
                for one in answer(heard):
                    await socket.send(json.dumps(one))
                return
            else:
                heard += len(message)
                await socket.send(json.dumps({"sentences": [], "partial": "一", "is_final": False}))

    async with serve(session, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def before(answer, do):
    async def run():
        async with fake(answer) as url:
            return await do(url)

    return asyncio.run(run())


def final(heard):
    return {"sentences": [{"text": f"{heard}"}], "partial": "", "is_final": True}, {"event": "stopped"}


def test_a_talk_has_its_text_its_partials_and_how_long_both_took():
    found = before(final, lambda url: talk(url, FunasrRealtime(), CLIP, paced=False))
    assert (found.text, found.partials, found.failure, found.seconds) == ("16000", 6, None, 0.5)
    assert found.final_s > 0
    assert found.first_s > 0


def test_a_server_that_ends_without_a_final_text_has_failed():
    found = before(lambda heard: [{"event": "stopped"}], lambda url: talk(url, FunasrRealtime(), CLIP, paced=False))
    assert found.failure == "the server ended the session without a final text"


def test_clients_share_the_clips_and_each_says_its_own_one_after_the_other():
    plan = Plan(clients=2, paced=False, clips=[CLIP] * 5)
    row = before(final, lambda url: meet(url, 1 << 30, FunasrRealtime(), plan))
    assert (row["clients"], row["paced"], row["failures"], row["silent"]) == (2, False, [], 0)
    assert row["partials_per_s"] == 12
    assert row["cpu_s_per_audio_s"] is None, "no such process"


def test_figures_leave_out_what_failed_and_tell_of_it():
    talks = [Talk(2.0, first_s=0.5, final_s=0.25, partials=4, text="a"), Talk(2.0, final_s=0.1), Talk(8.0, failure="it broke")]
    row = figures(talks, took_s=2.0, cpu_s=1.0, rss_mb=99.6)
    assert row["final_ms"] == {"p50": 100.0, "p95": 250.0, "p99": 250.0}
    assert (row["audio_s_per_s"], row["cpu_s_per_audio_s"], row["rss_mb"], row["partials_per_s"]) == (2.0, 0.25, 100, 1.0)
    assert (row["silent"], row["failures"]) == (1, ["it broke"])


def test_each_server_is_compared_with_ours_before_the_same_clients_and_with_or_without_partials_as_it_is():
    def row(server, clients, paced, final_ms, rate, cpu):
        return {
            "server": server,
            "clients": clients,
            "paced": paced,
            "final_ms": {"p50": final_ms},
            "audio_s_per_s": rate,
            "cpu_s_per_audio_s": cpu,
        }

    rows = [
        row("streamer", 1, True, 100.0, 0.9, 0.5),
        row("streamer", 4, False, 900.0, 20.0, 0.5),
        row("streamer, finals only", 1, True, 50.0, 0.9, 0.1),
        row("funasr-realtime", 1, True, 1000.0, 0.9, 1.0),
        row("funasr-realtime", 4, False, 9000.0, 5.0, None),
        row("sherpa-onnx", 1, True, 200.0, 0.9, 0.2),
        row("sherpa-onnx", 2, True, 200.0, 0.9, 0.2),
        row("whisperlivekit", 1, True, None, 0.0, None),
    ]
    found = [(one["times_as_long"], one["times_the_cpu"]) for one in measure.beside(rows)]
    assert found == [(1, 1), (1, 1), (0.5, 0.2), (10, 2), (4, None), (4, 2), (None, None), (None, None)]


@pytest.fixture
def place(tmp_path):
    return Place(model=MINIATURE, work=tmp_path, environments=tmp_path, detector=None, device="cpu", threads=1)


def test_what_is_not_here_says_how_it_would_be(place):
    assert SERVERS["sherpa-onnx"].missing(place) == "not installed: streamer bench peers --setup sherpa-onnx"
    assert SERVERS["whisperlivekit"].missing(place) == "not installed: streamer bench peers --setup whisperlivekit"
    assert SERVERS["funasr-realtime"].missing(place).endswith("name one with --detector")
    with pytest.raises(ConfigurationError, match="--setup is 'vosk', expected one of: sherpa-onnx, whisperlivekit"):
        set_up("vosk", place.environments)


def test_a_server_that_ends_before_it_listens_is_told_of_and_the_others_are_still_measured(place, monkeypatch):
    gone = servers.Server(wire=FunasrRealtime(), command=lambda place, port: ["false"], missing=lambda place: None)
    monkeypatch.setitem(SERVERS, "gone", gone)
    found = measure.measure_servers(place, ["gone", "sherpa-onnx"], clients=[1], count=1, told=lambda sentence: None)
    assert found["servers"] == []
    assert list(found["absent"]) == ["gone", "sherpa-onnx"]
    assert "gone did not listen" in found["absent"]["gone"]


def test_sherpa_s_graph_has_our_ids_its_names_and_the_normalisation(tmp_path, two_cities_16k):
    samples = two_cities_16k[:32_000]
    job = Job(session="", channel=0, segment=0, kind=JobKind.FINAL, begin=0, end=len(samples), samples=samples, language="en")
    (wanted,) = OnnxSenseVoice(MINIATURE, threads=1).rows([job])

    graph, tokens = sherpa.export(MINIATURE, tmp_path)
    found = describe(MINIATURE)
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    features, lengths = NumpyFrontend(found.cmvn, found.layout)([samples, samples[:16_000]])
    notes = session.get_modelmeta().custom_metadata_map
    two = {name: np.array([int(notes[note])] * 2, np.int32) for name, note in (("language", "lang_en"), ("text_norm", "with_itn"))}
    (logits,) = session.run(["logits"], {"x": features, "x_length": lengths.astype(np.int32), **two})
    assert (logits[0].argmax(-1) == wanted.ids).all()
    assert np.allclose([float(value) for value in notes["neg_mean"].split(",")], found.cmvn[0])
    assert tokens.read_text(encoding="utf-8").splitlines()[0] == "<unk> 0"


def test_the_command_prints_a_table_of_each_part_and_why_a_server_is_absent(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("streamer.bench.peers.limit.CPU_SIZE", 64)

    @contextmanager
    def running(name, place):
        raise ConfigurationError("it did not start")
        yield

    monkeypatch.setattr(measure, "running", running)
    parser = ArgumentParser()
    command.add_arguments(parser)
    given = ["--model", str(MINIATURE), "--threads", "1", "--segments", "2", "--turns", "1", "--batch", "2", "--servers", "streamer"]
    plot = tmp_path / "plot.svg"
    settings = Settings(models=ModelSettings(cache=tmp_path, offline=True))
    assert command.run(parser.parse_args([*given, "--json", str(tmp_path / "out.json"), "--plot", str(plot)]), settings) == 0
    out = capsys.readouterr()
    report = json.loads((tmp_path / "out.json").read_text())
    assert [row["engine"] for row in report["engines"]] == [
        "streamer",
        "streamer int8",
        "AutoModel, one by one",
        "AutoModel, batch_size=2",
    ]
    assert report["absent"] == {"streamer": "it did not start"}
    assert "| engine | audio s per s |" in out.out
    assert "streamer: it did not start" in out.out
    assert "was not drawn" in out.err
    with pytest.raises(ConfigurationError, match="--servers is 'vosk', expected some of: 'streamer', 'streamer, finals only', 'funasr-"):
        command.run(parser.parse_args([*given[:-1], "vosk"]), settings)
