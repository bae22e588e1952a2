"""The tensors in a file that ``torch.save`` wrote, as numpy arrays, without torch.

Such a file is a zip archive: a pickle that tells names and shapes, and one raw record for each storage. The pickle is read with a table
of classes of its own, which can build dictionaries and tensors and nothing else, so no code in the file is ever run. Records are stored
as they are: an array is a view of the mapped file, and costs no memory until it is used.
"""

import io
import pickle
import pickletools
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype("<u2"),  # numpy has none: widened below
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("<i1"),
    "ByteStorage": np.dtype("<u1"),
    "BoolStorage": np.dtype("?"),
}
WRAPPERS: Final = ("state_dict", "model_state_dict", "model")
"""Under which of these training scripts put the weights; upstream looks there too."""
DAMAGE: Final = (
    *(zipfile.BadZipFile, zlib.error, struct.error, pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError, AttributeError),
    *(OSError, ArithmeticError, MemoryError, RuntimeError),  # a place before the beginning, a size beyond all, a password, another packing
)
"""What a damaged archive makes of its readers."""
LOCAL_HEADER: Final = struct.Struct("<26xHH")  # of a zip entry: the lengths of its name and of what follows the name


class Unreadable(Exception):
    """The file is no archive of torch's, is cut off, or holds something else than tensors and plain values."""


def read_tensors(path: Path) -> Any:
    """What was saved, with arrays for tensors: for a model a dictionary of them. Raises ``Unreadable``, or ``OSError`` without a file."""
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                records = {info.filename.partition("/")[2]: info for info in archive.infolist()}
                if "data.pkl" not in records:
                    raise Unreadable("it has no data.pkl")
                return _Reader(path, archive, records).load()
        except DAMAGE as error:
            raise Unreadable(str(error) or repr(error)) from error


def without_wrapper(saved: Any) -> Any:
    """The weights in what a training script saved."""
    for wrapper in WRAPPERS:
        if isinstance(saved, dict) and isinstance(saved.get(wrapper), dict):
            saved = saved[wrapper]
    return saved


class _Reader(pickle.Unpickler):
    """Unpickles one archive."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, records: Mapping[str, zipfile.ZipInfo]) -> None:
        self._pages = np.memmap(path, np.uint8, "r")
        self._records = records
        data = archive.read(_stored(records["data.pkl"]))
        for code, place, _ in pickletools.genops(data):
            # The reader in C makes a table up to the highest place: four damaged bytes would be 32 GB.
            if code.name in ("PUT", "BINPUT", "LONG_BINPUT") and not 0 <= (place or 0) <= len(data):
                raise pickle.UnpicklingError(f"it would remember a value at place {place}, in {len(data)} bytes")
        super().__init__(io.BytesIO(data))

    def find_class(self, module: str, name: str) -> Any:
        table: dict[tuple[str, str], Callable[..., Any] | str] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch._utils", "_rebuild_parameter"): lambda data, *rest: data,
        }
        if module == "torch" and name in DTYPES:
            return name
        if (module, name) not in table:
            raise pickle.UnpicklingError(f"it holds a {module}.{name}, expected tensors alone")
        return table[module, name]

    def persistent_load(self, pid: Any) -> tuple[Array, str]:
        """A storage: its elements, and the name of their kind."""
        _, kind, key, _, count = pid
        info, dtype = self._records[f"data/{key}"], DTYPES[kind]
        begin = info.header_offset + LOCAL_HEADER.size
        begin += sum(LOCAL_HEADER.unpack(self._pages[info.header_offset : begin].tobytes()))
        size = count * dtype.itemsize
        if info.compress_type != zipfile.ZIP_STORED or size > info.file_size or begin + size > len(self._pages):
            raise pickle.UnpicklingError(f"its record data/{key} is not the {size} bytes that it should be")
        return self._pages[begin : begin + size].view(dtype), kind


def _stored(info: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """A record that is as long as it lies in the file, and cannot unfold to more."""
    if info.compress_type != zipfile.ZIP_STORED:
        raise pickle.UnpicklingError(f"its record {info.filename} is compressed, which torch never does")
    return info


def _tensor(storage: tuple[Array, str], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *rest: Any) -> Array:
    elements, kind = storage
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if 0 not in shape and not (0 <= offset and min(strides, default=0) >= 0 and last < len(elements)):
        raise pickle.UnpicklingError(f"a tensor of shape {shape} reaches beyond its {len(elements)} elements")
    if prod(shape) > len(elements):
        raise pickle.UnpicklingError(f"a tensor of shape {shape} has more than its {len(elements)} elements")
    item = elements.dtype.itemsize
    found = np.lib.stride_tricks.as_strided(elements[offset:], shape, [stride * item for stride in strides], writeable=False)
    return (found.astype("<u4") << 16).view("<f4") if kind == "BFloat16Storage" else found
