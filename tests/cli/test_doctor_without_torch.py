"""The doctor on a machine that has neither torch nor funasr: that is an installation like any other, unless a GPU is asked for."""

import pytest

from streamer.doctor import Verdict, gpu, machine


@pytest.fixture(autouse=True)
def no_torch(monkeypatch):
    for module in (gpu, machine):
        monkeypatch.setattr(module, "installed", lambda *packages: False)


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_a_cpu_needs_no_torch(device):
    (line,) = gpu.accelerator(device)
    assert (line.verdict, line.said) == (Verdict.OK, "torch is not installed: ONNX Runtime does the work, on the CPU")


def test_a_gpu_needs_torch():
    (line,) = gpu.accelerator("cuda:0")
    assert (line.verdict, line.said) == (Verdict.FAIL, "torch is not installed, and --device is 'cuda:0'")
    assert line.advice == "`pip install '.[torch]'`, or use --device cpu"


def test_without_torch_nothing_needs_funasr():
    (line,) = machine.funasr()
    assert (line.verdict, line.said) == (Verdict.OK, "funasr is not installed: only torch needs it")
