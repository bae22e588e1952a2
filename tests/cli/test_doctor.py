"""``streamer doctor``: every check with a healthy and a broken machine, and what comes out."""

import argparse
import io
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from streamer.cli import doctor
from streamer.core.events import Capabilities, Failed, Hypothesis, Job, ModelInfo, Token
from streamer.doctor import Check, Line, Verdict, examine, fail, gpu, machine, ok, speed, warn
from streamer.doctor.gpu import Build, Driver
from streamer.engine import BatchLimits, WarmUp
from streamer.engine.models import Found, Kind, Models, ModelSettings
from streamer.engine.packaged import bundled_assets, bundled_folder

needs_bundled = pytest.mark.skipif(bundled_folder() is None, reason="moonshine-voice is not installed")


def only(lines: Iterator[Line]) -> Line:
    (line,) = lines
    return line


# The report.


def broken() -> Iterator[Line]:
    yield ok("looked at the first half")
    raise RuntimeError("the second half fell off")


GOOD = Check("good", lambda: [ok("fine", speed=1.5)])
POOR = Check("poor", lambda: [warn("so so", "do this")])
BROKEN = Check("broken", broken)


def test_a_check_that_breaks_is_a_line_and_the_next_ones_are_made() -> None:
    found = [(check.name, line.verdict, line.said) for check, line in examine([BROKEN, GOOD])]
    assert found == [
        ("broken", Verdict.OK, "looked at the first half"),
        ("broken", Verdict.FAIL, "RuntimeError: the second half fell off"),
        ("good", Verdict.OK, "fine"),
    ]


def test_the_report_is_one_line_for_each_finding_with_what_to_do() -> None:
    out = io.StringIO()
    assert doctor.report([GOOD, POOR], out, as_json=False) == 0
    assert out.getvalue() == (
        "good        ok      fine\n"
        "poor        warn    so so\n"
        "                    -> do this\n"
        "\nThe main job can run here, with what is marked warn (1).\n"
    )


def test_a_failure_ends_with_one() -> None:
    out = io.StringIO()
    assert doctor.report([BROKEN, POOR], out, as_json=False) == 1
    assert "            FAIL    RuntimeError: the second half fell off\n" in out.getvalue()
    assert out.getvalue().endswith("The main job cannot run here: 1 FAIL, 1 warn. Begin with the first FAIL.\n")


def test_json_stays_json_when_a_library_prints(capsys: pytest.CaptureFixture[str]) -> None:
    def talkative() -> Iterator[Line]:
        sys.stdout.write("funasr version: 1.4\n")
        yield fail("no", "do that")

    out = io.StringIO()
    assert doctor.report([GOOD, Check("talkative", talkative)], out, as_json=True) == 1
    answer = json.loads(out.getvalue())
    assert answer["ok"] is False
    assert answer["lines"] == [
        {"check": "good", "verdict": "ok", "said": "fine", "advice": "", "speed": 1.5},
        {"check": "talkative", "verdict": "fail", "said": "no", "advice": "do that"},
    ]
    assert capsys.readouterr().err == "funasr version: 1.4\n"


# The machine.


def test_an_old_python_fails() -> None:
    assert only(machine.python((3, 11, 2))).verdict is Verdict.OK
    assert only(machine.python((3, 10, 14))).verdict is Verdict.FAIL


def test_few_cores_and_little_memory_are_warned_of(tmp_path: Path) -> None:
    assert [line.verdict for line in machine.machine(4, 16 << 30, tmp_path)] == [Verdict.OK] * 3
    assert [line.verdict for line in machine.machine(1, 1 << 30, tmp_path)] == [Verdict.OK, Verdict.WARN, Verdict.WARN]


def test_the_limits_of_a_container_count(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "memory.max").write_text("2000000000\n")
    _, cores, memory = machine.machine(64, 256 << 30, tmp_path)
    assert (cores.verdict, cores.said) == (Verdict.WARN, "1.5 cores")
    assert (memory.verdict, memory.said) == (Verdict.WARN, "2.0 GB memory")


def test_a_container_without_limits_has_the_machine(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    _, cores, memory = machine.machine(64, 256_000_000_000, tmp_path)
    assert (cores.said, memory.said) == ("64 cores", "256.0 GB memory")


def test_a_package_that_is_not_there_fails_with_the_command_that_brings_it() -> None:
    missing, good = machine.packages((("no_such_module", "no-such-package"), ("msgpack", "msgpack")))
    assert missing.verdict is Verdict.FAIL
    assert missing.advice == "`pip install --force-reinstall no-such-package`"
    assert good.verdict is Verdict.OK
    assert good.said.startswith("msgpack 1.")


def test_everything_that_the_server_imports_is_installed_here() -> None:
    assert only(machine.packages()).verdict is Verdict.OK


def test_a_lacking_decoder_is_warned_of() -> None:
    assert only(machine.decoders()).said.endswith("decodes mp3, aac, flac, opus, vorbis")
    line = only(machine.decoders(("mp3", "no_such_codec")))
    assert line.verdict is Verdict.WARN
    assert line.said.endswith("cannot decode no_such_codec")


def test_a_taken_port_is_warned_of_and_an_impossible_address_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = only(machine.port("127.0.0.1", listener.getsockname()[1]))
    assert (taken.verdict, taken.said.endswith("is taken")) == (Verdict.WARN, True)
    assert only(machine.port("127.0.0.1", 0)).verdict is Verdict.OK
    assert only(machine.port("192.0.2.1", 0)).verdict is Verdict.FAIL  # an address that no machine has


def test_a_small_disk_and_a_file_in_the_place_of_the_cache_are_warned_of(tmp_path: Path) -> None:
    assert only(machine.disk(tmp_path / "not" / "yet" / "there", 1)).verdict is Verdict.OK
    assert only(machine.disk(tmp_path, 10**18)).advice == "a download needs 1000000000.0 GB: make room there"
    (tmp_path / "file").write_text("")
    assert only(machine.disk(tmp_path / "file", 1)).verdict is Verdict.WARN


# torch, the driver and the GPUs.


HEADER = "| NVIDIA-SMI 550.54.15   Driver Version: 550.54.15   CUDA Version: 12.4 |"


def test_the_driver_is_read_from_nvidia_smi() -> None:
    def run(command: list[str]) -> str:
        return HEADER if command == ["nvidia-smi"] else "550.54.15, NVIDIA L4\n550.54.15, NVIDIA L4\n"

    assert gpu.read_driver(run) == Driver("550.54.15", "12.4", ("NVIDIA L4", "NVIDIA L4"))


def test_a_machine_without_nvidia_smi_has_no_driver() -> None:
    def run(command: list[str]) -> str:
        raise FileNotFoundError(command[0])

    assert gpu.read_driver(run) is None


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (subprocess.CalledProcessError(9, "nvidia-smi", "NVIDIA-SMI has failed:\nno driver"), "NVIDIA-SMI has failed: no driver"),
        (subprocess.TimeoutExpired("nvidia-smi", 10), "nvidia-smi did not end within 10 s"),
    ],
)
def test_a_driver_that_does_not_answer_is_told_in_its_own_words(fault: Exception, said: str) -> None:
    def run(command: list[str]) -> str:
        raise fault

    assert gpu.read_driver(run) == Driver(fault=said)


L4 = Driver("550.54.15", "12.4", ("NVIDIA L4",))


@pytest.mark.parametrize(
    ("build", "driver", "device", "verdict", "said"),
    [
        (Build("2.13", None, False), None, "auto", "ok", "no NVIDIA driver here, so the CPU does the work"),
        (Build("2.13", "12.6", False), None, "cuda:0", "FAIL", "built for CUDA 12.6; no NVIDIA driver here"),
        (Build("2.13", "12.6", True), L4, "auto", "ok", "torch 2.13, built for CUDA 12.6; driver 550.54.15 (up to CUDA 12.4)"),
        (Build("2.13", "12.6", True), None, "auto", "ok", "torch 2.13, built for CUDA 12.6; driver"),
        (Build("2.13", None, False), L4, "auto", "warn", "built for the CPU, but driver 550.54.15 (up to CUDA 12.4) serves a GPU"),
        (Build("2.13", None, False), L4, "cuda", "FAIL", "serves a GPU that it cannot use"),
        (Build("2.13", "13.0", False), L4, "auto", "warn", "is too old for it"),
        (Build("2.13", "12.6", False), Driver(fault="version mismatch"), "cuda:0", "FAIL", "nvidia-smi: version mismatch"),
        (Build("2.13", "12.6", False, "no devices"), L4, "auto", "warn", "torch finds no GPU: no devices"),
    ],
)
def test_the_match_of_torch_and_driver(build: Build, driver: Driver | None, device: str, verdict: str, said: str) -> None:
    line = only(gpu.match(build, driver, device))
    assert (line.verdict, said in line.said) == (verdict, True), line.said
    assert bool(line.advice) == (verdict != "ok")


def test_a_device_that_multiplies_correctly_is_told_apart_from_one_that_does_not() -> None:
    assert gpu.counts("cpu", "test", chosen=True).verdict is Verdict.OK
    wrong = gpu.counts("cpu", "test", chosen=True, multiply=lambda a, b: a @ b * 1.01)
    assert (wrong.verdict, "counts wrongly: off by 0.01" in wrong.said) == (Verdict.FAIL, True)
    nothing = gpu.counts("cpu", "test", chosen=False, multiply=lambda a, b: a @ b * float("nan"))
    assert nothing.verdict is Verdict.WARN


def test_a_device_without_memory_is_a_sentence() -> None:
    def full(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory.\nmany more lines")

    line = gpu.counts("cpu", "NVIDIA L4", chosen=True, multiply=full)
    assert (line.verdict, line.said) == (Verdict.FAIL, "cpu NVIDIA L4 cannot multiply: CUDA out of memory.")


def test_a_gpu_whose_kernels_cannot_be_compiled_is_warned_of() -> None:
    assert gpu.kernels("cuda:0", None).verdict is Verdict.OK
    line = gpu.kernels("cuda:0", "triton is not installed: pip install triton")
    assert line.verdict is Verdict.WARN
    assert line.said == "cuda:0 is used at a fraction of its speed, because triton is not installed: pip install triton"


def test_a_gpu_that_others_have_filled_is_warned_of() -> None:
    assert gpu.room("cuda:0", 20.0, 24.0).verdict is Verdict.OK
    assert gpu.room("cuda:0", 0.5, 24.0).verdict is Verdict.WARN


# The model and its speed.


def models(cache: Path) -> Models:
    return Models(ModelSettings(cache=cache, offline=True), say=lambda sentence: None)


@needs_bundled
def test_the_bundled_model_is_a_warning_that_says_what_it_lacks(tmp_path: Path) -> None:
    check = speed.ModelCheck(models(tmp_path), None)
    line = only(check())
    assert line.verdict is Verdict.WARN
    assert "no emotion, no sound events" in line.said
    assert check.found is not None and check.found.kind is Kind.BUNDLED


def test_a_model_that_is_nowhere_fails_and_is_not_measured(tmp_path: Path) -> None:
    check = speed.ModelCheck(models(tmp_path), "sensevoice")
    assert only(check()).verdict is Verdict.FAIL
    assert check.found is None
    assert list(speed.measure(None, "cpu", never)) == []


def test_a_model_that_is_here_is_told_with_its_place(tmp_path: Path) -> None:
    for name in ("model.pt", "config.yaml", "am.mvn", "a.bpe.model"):
        (tmp_path / name).write_text("x")
    line = only(speed.ModelCheck(models(tmp_path), str(tmp_path))())
    assert (line.verdict, line.said) == (Verdict.OK, f"sensevoice from your own folder, {tmp_path}")


def never(found: Found, device: str) -> "FakeEngine":
    raise AssertionError("nothing was to be loaded")


class FakeEngine:
    """Decodes every job in ``seconds`` of its own clock."""

    info = ModelInfo(
        name="fake",
        device="cpu",
        capabilities=Capabilities(
            languages=("en",), emotion=False, events=False, itn=False, hotwords=False, word_times="aligned", confidence=False
        ),
    )
    batch_limits = BatchLimits(max_items=1, max_audio_s=30.0, buckets_s=(30.0,))

    def __init__(self, seconds: float, text: str = "hello", fault: str | None = None) -> None:
        self.now = 0.0
        self.seconds = seconds
        self.text = text
        self.fault = fault
        self.closed = False

    def warm_up(self) -> WarmUp:
        return WarmUp(seconds=0.5, forwards=())

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis | Failed]:
        self.now += self.seconds
        if self.fault:
            return [Failed(job, self.fault) for job in jobs]
        token = Token(id=1, text=self.text, begin=0, end=1, p=None)
        return [Hypothesis(job=job, tokens=(token,), raw_text=self.text) for job in jobs]

    def close(self) -> None:
        self.closed = True


def measured(engine: FakeEngine) -> list[Line]:
    found = Found(Kind.SCRIPTED, None, "test")
    return list(speed.measure(found, "cpu", lambda found, device: engine, clock=lambda: engine.now))


def test_a_fast_engine_is_told_in_numbers() -> None:
    engine = FakeEngine(0.25)
    lines = measured(engine)
    assert [line.verdict for line in lines] == [Verdict.OK] * 5
    assert lines[0].said == "fake on cpu: loaded in 0.0 s, warm after 0.5 s more"
    assert lines[1].values == {"first_result_ms": 250.0}
    assert lines[2].values == {"rtf": 0.05}
    assert lines[3].said == "heard: hello hello"
    assert lines[4].values["peak_memory_gb"] > 0.01
    assert engine.closed


@pytest.mark.parametrize(("seconds", "verdict"), [(2.0, Verdict.WARN), (5.0, Verdict.FAIL)])
def test_a_slow_engine_is_warned_of_and_one_slower_than_speech_fails(seconds: float, verdict: Verdict) -> None:
    assert measured(FakeEngine(seconds))[2].verdict is verdict


@needs_bundled
def test_an_engine_that_hears_nothing_in_a_reading_is_warned_of() -> None:
    assert measured(FakeEngine(0.1, text=""))[3].said == "heard no word in a recorded reading"


def test_an_engine_that_cannot_decode_is_a_failure_and_is_closed() -> None:
    engine = FakeEngine(0.1, fault="weights are not numbers")
    found = Found(Kind.SCRIPTED, None, "test")
    check = Check("speed", lambda: speed.measure(found, "cpu", lambda found, device: engine))
    *_, (_, last) = examine([check])
    assert last.verdict is Verdict.FAIL
    assert last.said == "RuntimeError: the engine could not decode 1 s of speech: weights are not numbers"
    assert engine.closed


def test_the_speech_is_ten_seconds_at_16_khz() -> None:
    kind, samples = speed.speech()
    assert kind == ("a recorded reading" if bundled_assets() else "a made sound")
    assert (samples.dtype, samples.shape) == (np.int16, (160_000,))
    assert np.abs(samples.astype(int)).max() > 1_000


# All of it.


@pytest.mark.filterwarnings("ignore")  # what other people's packages warn of on import is theirs
def test_the_whole_examination_of_this_machine_is_json_that_says_whether_it_can_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)
    settings = SimpleNamespace(models=ModelSettings(cache=tmp_path, offline=True), model=None, device="cpu", host="127.0.0.1", port=0)
    assert doctor.run(parser.parse_args(["--json", "--model", "scripted"]), settings) == 0  # type: ignore[arg-type]
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is True
    names = dict.fromkeys(line["check"] for line in answer["lines"])
    assert list(names) == ["python", "machine", "packages", "torch", "funasr", "decoders", "model", "disk", "port", "speed"]


def test_a_machine_without_a_model_cannot_do_the_main_job(tmp_path: Path) -> None:
    checks = doctor.all_checks(models(tmp_path), "sensevoice", "cpu", host="127.0.0.1", port=0, benchmark=False)
    chosen = [check for check in checks if check.name in ("python", "model")]
    assert [check.name for check in checks][-1] == "port"
    assert doctor.report(chosen, io.StringIO(), as_json=False) == 1
