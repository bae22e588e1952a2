"""ONNX graphs, written operator by operator: names, constants, and matrices in float32 or int8.

Large weights stay outside of the graph as named arrays, so that a checkpoint's mapped file can be given to the runtime as it is.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import onnx

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float32]
Ends = dict[str, tuple[int, list[int | str]]]
"""Names to ONNX's number for the type of their elements, and their shapes. A word in a shape is a size that varies."""

OPSET: Final = 17  # the first with LayerNormalization
IR_VERSION: Final = 8
LEVELS: Final = 127
"""Of an int8 weight to either side of nothing."""
LEVELS_ANYWHERE: Final = 63
"""x86 without VNNI adds pairs of products in 16 bits, where pairs of large ones are clipped. With these none is."""


@dataclass(frozen=True, slots=True)
class Network:
    """A graph, and the large weights that it names."""

    model: "onnx.ModelProto"
    weights: dict[str, Array]


class Graph:
    """Operators in the order in which they are added; each gives the name of its output.

    ``levels`` to either side of nothing have the matrices, in int8; without, they stay in float32.
    """

    def __init__(self, *, levels: int | None) -> None:
        self._levels = levels
        self._nodes: list[Any] = []
        self._inside: list[Any] = []
        self._weights: dict[str, Array] = {}

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        return self.split(operator, *inputs, outputs=(output or f"{operator}.{len(self._nodes)}",), **attributes)[0]

    def split(self, operator: str, *inputs: str, outputs: tuple[str, ...], **attributes: Any) -> tuple[str, ...]:
        """An operator of several outputs."""
        from onnx import helper

        self._nodes.append(helper.make_node(operator, list(inputs), list(outputs), name=outputs[0], **attributes))
        return outputs

    def constant(self, values: Any, dtype: npt.DTypeLike) -> str:
        """A small array, inside the graph."""
        from onnx import numpy_helper

        name = f"constant.{len(self._inside)}"
        self._inside.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant(values, np.int64)

    def weight(self, name: str, values: Array) -> str:
        """A large array, outside of the graph."""
        self._weights[name] = values
        return name

    def linear(self, rows: str, name: str, weight: Float, bias: Float) -> str:
        """``rows [n, inputs]`` by ``weight [outputs, inputs]``."""
        shift = self.constant(bias, np.float32)
        if self._levels is None:
            return self.add("Gemm", rows, self.weight(name, weight), shift, transB=1)
        levels, scale = quantised(weight, self._levels)
        parts = tuple(f"{name}.{part}" for part in ("rows", "step", "zero"))
        bytes_, step, zero = self.split("DynamicQuantizeLinear", rows, outputs=parts)
        sums = self.add("Cast", self.add("MatMulInteger", bytes_, self.weight(name, levels), zero), to=FLOAT)
        return self.add("Add", self.add("Mul", sums, self.add("Mul", step, self.constant(scale, np.float32))), shift)

    def network(
        self, inputs: dict[str, tuple[int, list[Any]]], outputs: dict[str, tuple[int, list[Any]]], notes: dict[str, str]
    ) -> Network:
        """The whole, with the element types and shapes of what goes in and out. A shape's words are sizes that vary."""
        from onnx import TensorProto, helper

        outside = []
        for name, values in self._weights.items():
            tensor = TensorProto(name=name, dims=values.shape, data_type=helper.np_dtype_to_tensor_dtype(values.dtype))
            tensor.data_location = TensorProto.EXTERNAL
            outside.append(tensor)
        given, found = ([helper.make_tensor_value_info(name, *end) for name, end in ends.items()] for ends in (inputs, outputs))
        graph = helper.make_graph(self._nodes, "sensevoice", given, found, [*self._inside, *outside])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="streamer")
        helper.set_model_props(model, notes)
        return Network(model, self._weights)


FLOAT: Final = 1
INT64: Final = 7
"""ONNX's numbers for these types of elements."""


def quantised(weight: Float, levels: int) -> tuple[npt.NDArray[np.int8], Float]:
    """``[outputs, inputs]`` to levels ``[inputs, outputs]`` and the size of one, for each output its own."""
    scale = np.maximum(np.abs(weight).max(1), np.finfo(np.float32).tiny) / levels
    return np.ascontiguousarray(np.rint(weight / scale[:, None]).astype(np.int8).T), scale.astype(np.float32)
