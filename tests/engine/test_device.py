"""Lists of devices: what is read, what is refused, and with which sentence."""

import pytest

from streamer.engine.device import devices
from streamer.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("auto", ("auto",)),
        ("cpu,cpu", ("cpu", "cpu")),
        ("cuda:0, cuda:1", ("cuda:0", "cuda:1")),
        ("cuda:12,cpu", ("cuda:12", "cpu")),
    ],
)
def test_a_list_of_devices_is_one_engine_each(text, names):
    assert devices(text) == names


@pytest.mark.parametrize("text", ["", "cpu,", "gpu", "cuda:", "cuda:x", "cuda:0;cuda:1", "cuda:-1"])
def test_what_is_no_device_is_refused_with_what_was_expected(text):
    with pytest.raises(ConfigurationError) as refused:
        devices(text)

    assert str(refused.value) == (
        f"--device is {text!r}, expected auto, cpu, cuda, cuda:N or cuda:all, or several of them with commas between."
    )


@pytest.mark.parametrize(("count", "names"), [(1, ("cuda:0",)), (3, ("cuda:0", "cuda:1", "cuda:2"))])
def test_all_means_every_device_that_torch_sees(monkeypatch, count, names):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    assert devices("cuda:all") == names


def test_all_of_none_is_refused(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)

    with pytest.raises(ConfigurationError, match="torch sees no CUDA device; use --device cpu"):
        devices("cuda:all")
