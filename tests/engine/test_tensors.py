"""Files that torch saved, read without it: the same numbers, and nothing that runs."""

import collections

import numpy as np
import pytest
import torch

from streamer.engine.tensors import Unreadable, read_tensors, without_wrapper

KINDS = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


@pytest.fixture
def saved(tmp_path):
    def save(value):
        torch.save(value, tmp_path / "model.pt")
        return tmp_path / "model.pt"

    return save


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_kind_of_number_comes_back_as_it_was(saved, kind):
    wanted = torch.arange(-6, 6).reshape(3, 4).to(kind)
    found = read_tensors(saved({"weight": wanted}))["weight"]
    assert (found == wanted.double().numpy()).all()
    assert found.dtype == (np.float32 if kind == torch.bfloat16 else wanted.numpy().dtype)


def test_views_of_shared_memory_come_back_as_they_were(saved):
    whole = torch.arange(24.0).reshape(4, 6)
    views = {"whole": whole, "turned": whole.t(), "part": whole[1:3, ::2], "one": whole[2, 2], "none": whole[:0], "flag": whole > 5}
    found = read_tensors(saved(views))
    assert all((found[name] == view.numpy()).all() and found[name].shape == tuple(view.shape) for name, view in views.items())


def test_parameters_modules_states_and_plain_values_are_read(saved):
    layer = torch.nn.Linear(3, 2)
    found = read_tensors(saved({"model": layer.state_dict(), "own": layer.weight, "epoch": 3, "note": "done"}))
    assert (found["own"] == layer.weight.detach().numpy()).all()
    assert (found["epoch"], found["note"]) == (3, "done")
    assert list(without_wrapper(found)) == ["weight", "bias"]


def test_arrays_cannot_be_written_to(saved):
    found = read_tensors(saved({"weight": torch.zeros(3)}))["weight"]
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1


class Calls:
    """A pickle that calls something."""

    def __init__(self, function, *arguments):
        self._call = function, arguments

    def __reduce__(self):
        return self._call


def test_a_file_that_would_run_code_is_refused(saved, tmp_path):
    path = saved({"weight": Calls(open, str(tmp_path / "made"), "w")})
    with pytest.raises(Unreadable, match=r"it holds a .*open, expected tensors alone"):
        read_tensors(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("offset", "size", "stride"), [(0, (5,), (1,)), (2, (3,), (1,)), (0, (2, 2), (3, 1)), (3, (2,), (-1,)), (-1, (1,), (1,))]
)
def test_a_tensor_that_reaches_beyond_its_storage_is_refused(saved, offset, size, stride):
    storage = torch.zeros(4)._typed_storage()
    call = Calls(torch._utils._rebuild_tensor_v2, storage, offset, size, stride, False, collections.OrderedDict())
    with pytest.raises(Unreadable, match="reaches beyond its 4 elements"):
        read_tensors(saved({"weight": call}))


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_such_file_is_refused(tmp_path, content):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(Unreadable):
        read_tensors(tmp_path / "model.pt")


def test_a_file_that_is_cut_off_is_refused(saved):
    path = saved({"weight": torch.zeros(10_000)})
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(Unreadable):
        read_tensors(path)


def test_weights_in_torch_s_older_format_are_refused(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "model.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(Unreadable):
        read_tensors(tmp_path / "model.pt")
