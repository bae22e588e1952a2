"""SenseVoice as an ONNX graph: features and prompts in; of each row the best id and its probability out, and the tags' logits.

Made from the checkpoint's names and numbers, with neither torch nor upstream's classes, and with nothing in it that the answer does not
need: the vocabulary's logits never leave it, the memory block's shortcut is part of its kernel, and padding is masked only where rows
meet, which is in attention and in the memory block.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from streamer.engine.ctc import PROMPT_ROWS
from streamer.engine.folder import EPSILON, PULL, Description, sizes_of
from streamer.engine.graph import FLOAT, INT64, Float, Graph, Network
from streamer.errors import ModelCorrupt

MASKED: Final = -1e30
"""Added to the scores of padding; finite, because a row of nothing else would give no numbers."""
TAGS_NOTE: Final = "streamer.tags"
"""Under which a model tells whose logits it gives, so that an exported one can be read by a later version."""


def network(found: Description, arrays: Any, *, tags: Sequence[int], levels: int | None = None) -> Network:
    """The graph of a checkpoint's ``arrays``, in int8 with so many levels (see ``graph``) or in float32.

    Raises ``ModelCorrupt`` where they do not fit what its folder says.
    """
    return _SenseVoice(found, arrays, levels=levels).network(tags)


class _SenseVoice:
    """Builds the graph, from the input on."""

    def __init__(self, found: Description, arrays: Any, *, levels: int | None) -> None:
        self._found, self._arrays = found, arrays
        self._sizes = sizes_of(found)
        self._graph = Graph(levels=levels)

    def network(self, tags: Sequence[int]) -> Network:
        graph, width, inputs = self._graph, self._sizes.width, self._found.layout.stack * self._found.layout.mels
        x = self._inputs(inputs)
        x = self._layer(x, "encoder.encoders0.0", inputs)
        for block in range(self._sizes.blocks - 1):
            x = self._layer(x, f"encoder.encoders.{block}", width)
        x = self._norm(x, "encoder.after_norm", width)
        for block in range(self._sizes.last_blocks):
            x = self._layer(x, f"encoder.tp_encoders.{block}", width)
        self._outputs(self._norm(x, "encoder.tp_norm", width), tags)
        return graph.network(
            {
                "features": (FLOAT, ["batch", "frames", inputs]),
                "lengths": (INT64, ["batch"]),
                "prompts": (INT64, ["batch", PROMPT_ROWS]),
            },
            {
                "ids": (INT64, ["batch", "rows"]),
                "p": (FLOAT, ["batch", "rows"]),
                "tags": (FLOAT, ["batch", PROMPT_ROWS, len(tags)]),
            },
            {TAGS_NOTE: " ".join(map(str, tags))},
        )

    def _inputs(self, inputs: int) -> str:
        """Prompts before features, scaled, with their positions: ``[batch * rows, inputs]``. Sets the shapes and masks of this batch."""
        graph, sizes = self._graph, self._sizes
        embedded = graph.add("Gather", graph.constant(self._take("embed.weight", 16, inputs), np.float32), "prompts")
        x = graph.add("Concat", embedded, "features", axis=1)
        batch, rows = graph.add("Shape", x, start=0, end=1), graph.add("Shape", x, start=1, end=2)
        self._flat = graph.ints(-1, sizes.width)
        self._by_item = graph.add("Concat", batch, rows, graph.ints(-1), axis=0)
        self._by_row = graph.add("Concat", batch, rows, axis=0)
        self._by_head = graph.add("Concat", batch, rows, graph.ints(sizes.heads, sizes.width // sizes.heads), axis=0)
        count = graph.add("Squeeze", rows)
        numbers = graph.add("Range", graph.constant(0, np.int64), count, graph.constant(1, np.int64))
        lengths = graph.add("Unsqueeze", graph.add("Add", "lengths", graph.ints(PROMPT_ROWS)), graph.ints(1))
        own = graph.add("Less", numbers, lengths)  # [batch, rows]
        self._own = graph.add("Unsqueeze", graph.add("Cast", own, to=FLOAT), graph.ints(2))
        bias = graph.add("Where", own, graph.constant(0, np.float32), graph.constant(MASKED, np.float32))
        self._bias = graph.add("Unsqueeze", bias, graph.ints(1, 2))  # [batch, heads, rows, rows], two of which are the same for all
        scaled = graph.add("Mul", x, graph.constant(sizes.width**0.5, np.float32))
        return graph.add("Reshape", graph.add("Add", scaled, self._positions(numbers, inputs)), graph.ints(-1, inputs))

    def _positions(self, numbers: str, inputs: int) -> str:
        """Sines and cosines ``[rows, inputs]``; upstream counts rows from one."""
        graph = self._graph
        step = np.log(np.float32(10_000)) / np.float32(inputs / 2 - 1)
        speeds = np.exp(np.arange(inputs // 2, dtype=np.float32) * -step)
        position = graph.add("Cast", graph.add("Add", numbers, graph.ints(1)), to=FLOAT)
        angles = graph.add("Mul", graph.add("Unsqueeze", position, graph.ints(1)), graph.constant(speeds, np.float32))
        return graph.add("Concat", graph.add("Sin", angles), graph.add("Cos", angles), axis=1)

    def _layer(self, x: str, name: str, inputs: int) -> str:
        """``[batch * rows, inputs]`` to ``[batch * rows, width]``; only where both are the same is the input added."""
        graph, width, hidden = self._graph, self._sizes.width, self._sizes.hidden
        heard = self._attention(self._norm(x, f"{name}.norm1", inputs), f"{name}.self_attn", inputs)
        x = graph.add("Add", x, heard) if inputs == width else heard
        inner = graph.add("Relu", self._linear(self._norm(x, f"{name}.norm2", width), f"{name}.feed_forward.w_1", width, hidden))
        return graph.add("Add", x, self._linear(inner, f"{name}.feed_forward.w_2", hidden, width))

    def _attention(self, x: str, name: str, inputs: int) -> str:
        graph, sizes = self._graph, self._sizes
        width, ahead = sizes.width, f"{name}.linear_q_k_v"
        joint = graph.add("Reshape", self._linear(x, ahead, inputs, 3 * width), self._by_item)
        q, k, v = graph.split("Split", joint, graph.ints(width, width, width), outputs=(f"{name}.q", f"{name}.k", f"{name}.v"), axis=-1)
        q = graph.add("Mul", self._heads(q, 0, 2, 1, 3), graph.constant((width // sizes.heads) ** -0.5, np.float32))
        scores = graph.add("Add", graph.add("MatMul", q, self._heads(k, 0, 2, 3, 1)), self._bias)
        seen = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), self._heads(v, 0, 2, 1, 3))
        seen = graph.add("Reshape", graph.add("Transpose", seen, perm=[0, 2, 1, 3]), self._flat)
        return graph.add("Add", self._linear(seen, f"{name}.linear_out", width, width), self._memory(v, name))

    def _heads(self, x: str, *order: int) -> str:
        return self._graph.add("Transpose", self._graph.add("Reshape", x, self._by_head), perm=list(order))

    def _memory(self, v: str, name: str) -> str:
        """Each channel over the rows around, and itself: one kernel. In two dimensions, of which one is 1, the runtime is faster."""
        graph, sizes = self._graph, self._sizes
        kernel = self._take(f"{name}.fsmn_block.weight", sizes.width, 1, sizes.kernel).copy()
        kernel[:, 0, sizes.left] += 1
        channels = graph.add("Transpose", graph.add("Mul", v, self._own), perm=[0, 2, 1])
        found = graph.add(
            "Conv",
            graph.add("Unsqueeze", channels, graph.ints(2)),
            graph.weight(f"{name}.fsmn_block.weight", kernel[:, :, None]),
            group=sizes.width,
            kernel_shape=[1, sizes.kernel],
            pads=[0, sizes.left, 0, sizes.kernel - 1 - sizes.left],
        )
        return graph.add("Reshape", graph.add("Transpose", graph.add("Squeeze", found, graph.ints(2)), perm=[0, 2, 1]), self._flat)

    def _outputs(self, x: str, tags: Sequence[int]) -> None:
        graph, width = self._graph, self._sizes.width
        weight = self._take("ctc.ctc_lo.weight", self._found.vocabulary.size, width)
        bias = self._take("ctc.ctc_lo.bias", self._found.vocabulary.size)
        logits = graph.linear(x, "ctc.ctc_lo.weight", weight, bias)
        graph.add("Reshape", graph.add("ArgMax", logits, axis=-1, keepdims=0), self._by_row, output="ids")
        likely = graph.add("ReduceMax", graph.add("Softmax", logits, axis=-1), axes=[-1], keepdims=0)
        graph.add("Reshape", likely, self._by_row, output="p")
        first = graph.add("Slice", graph.add("Reshape", x, self._by_item), graph.ints(0), graph.ints(PROMPT_ROWS), graph.ints(1))
        ours = graph.add("MatMul", first, graph.constant(weight[list(tags)].T, np.float32))
        graph.add("Add", ours, graph.constant(bias[list(tags)], np.float32), output="tags")

    def _norm(self, x: str, name: str, width: int) -> str:
        weight, bias = (self._graph.constant(self._take(f"{name}.{part}", width), np.float32) for part in ("weight", "bias"))
        return self._graph.add("LayerNormalization", x, weight, bias, axis=-1, epsilon=EPSILON)

    def _linear(self, x: str, name: str, inputs: int, outputs: int) -> str:
        weight = self._take(f"{name}.weight", outputs, inputs)
        return self._graph.linear(x, f"{name}.weight", weight, self._take(f"{name}.bias", outputs))

    def _take(self, name: str, *shape: int) -> Float:
        """A weight of the checkpoint, in float32."""
        found = self._arrays.get(name) if isinstance(self._arrays, Mapping) else None
        if not isinstance(found, np.ndarray) or found.shape != shape:
            given = found.shape if isinstance(found, np.ndarray) else "absent"
            raise ModelCorrupt(f"{self._found.weights}: {name} is {given}, expected {shape}; it does not fit its config.yaml. {PULL}")
        return np.ascontiguousarray(found, np.float32)
