"""A checkpoint written as ONNX, for machines and programs that should not have to read ``model.pt``.

The weights lie beside the graph in a file of their own, which runtimes map into memory: reading and writing take none for themselves.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final

from streamer.engine.folder import describe
from streamer.engine.graph import LEVELS_ANYWHERE, Array, Network
from streamer.engine.onnx import read_network
from streamer.errors import ConfigurationError

PAGE: Final = 4096
"""Where a weight begins: only whole pages can be mapped."""


def export(folder: Path, output: Path, *, int8: bool) -> Path:
    """Write ``model.onnx`` or ``model_int8.onnx`` into ``output``, and what belongs to it. Raises ``ModelNotFound``, ``ModelCorrupt``, and
    ``ConfigurationError`` where nothing can be written."""
    found = describe(folder)
    network = read_network(found, levels=LEVELS_ANYWHERE if int8 else None)  # a file may be carried to any machine
    path = output / ("model_int8.onnx" if int8 else "model.onnx")
    try:
        output.mkdir(parents=True, exist_ok=True)
        for source, name in zip(found.files, ("config.yaml", "bpe.model", "am.mvn"), strict=True):
            if output.resolve() != folder.resolve():
                shutil.copyfile(source, output / name)
        _write(network, path)
    except OSError as error:
        raise ConfigurationError(f"{output} cannot be written ({error.strerror or error}); choose another folder with --output") from error
    return path


def _write(network: Network, path: Path) -> None:
    """Both take the places of older ones, which a running server may have mapped, when they are whole."""
    data = path.with_name(f"{path.name}.data")
    fresh, fresh_data = (file.with_name(f"{file.name}.new") for file in (path, data))
    with fresh_data.open("wb") as stream:
        places = _write_weights(network.weights, stream)
    for tensor in network.model.graph.initializer:
        if tensor.name in places:
            offset, length = places[tensor.name]
            for key, value in (("location", data.name), ("offset", offset), ("length", length)):
                tensor.external_data.add(key=key, value=str(value))
    fresh.write_bytes(network.model.SerializeToString())
    fresh_data.replace(data)
    fresh.replace(path)


def _write_weights(weights: Mapping[str, Array], stream: BinaryIO) -> dict[str, tuple[int, int]]:
    """Where each lies: offset and length in bytes."""
    places = {}
    for name, values in weights.items():
        stream.seek(-stream.tell() % PAGE, 1)
        places[name] = stream.tell(), values.nbytes
        stream.write(values.data)
    return places
