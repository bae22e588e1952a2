"""SenseVoice's forward pass over packed rows: from int16 audio to ids, probabilities and tags, without leaving the device.

Utterances of any lengths lie one after the other, so nothing is spent on padding. What upstream does in twenty-five kernels a layer is
four matrix products and three kernels of ours (``kernels``). The sum that runs through the layers, the normalisations and what is added
up inside a product are float32 in every mode.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch

from streamer.engine import kernels
from streamer.engine.ctc import PROMPT_ROWS
from streamer.engine.device import Precision
from streamer.engine.folder import EPSILON, PULL, Description, sizes_of
from streamer.engine.frontend import Frontend
from streamer.engine.packing import Capacity
from streamer.errors import ModelCorrupt

ROWS_AT_ONCE: Final = 2048  # x 25,055 logits x 4 bytes = 205 MB
ALIGNED: Final = 64
NEVER: Final = -1e30  # a logit; finite, so that it is a number


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """Of every row its best id ``[rows]`` int32 and that one's probability ``[rows]``; of every prompt row the logits of the tags."""

    ids: torch.Tensor
    p: torch.Tensor
    tags: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class _Affine:
    """A matrix ``[in, out]``, or a normalisation's gain ``[width]``, and what is added."""

    weight: torch.Tensor
    bias: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    norm_1: _Affine
    joint: _Affine
    """To queries, keys and values."""
    taps: torch.Tensor
    """Of the memory block ``[kernel, width]``, its shortcut in the middle one."""
    out: _Affine
    norm_2: _Affine
    inner: _Affine
    outer: _Affine


@dataclass(frozen=True, slots=True, eq=False)
class _Tables:
    """Which rows are of one utterance, and the blocks of ``queries`` rows that attention answers."""

    begins: torch.Tensor
    ends: torch.Tensor
    blocks: torch.Tensor
    queries: int


class PackedForward:
    """The weights of a checkpoint on one device. Raises ``ModelCorrupt`` where they do not fit what its folder says.

    Batches of up to ``most_rows`` rows can be recorded: nothing that they read is made while they run.

    TF32 is a switch of the whole process, and set here.
    """

    def __init__(
        self,
        found: Description,
        state: Mapping[str, torch.Tensor],
        tags: Sequence[int],
        device: torch.device,
        precision: Precision,
        *,
        most_rows: int,
    ) -> None:
        self._found, self._device, self._sizes = found, device, sizes_of(found)
        self._dtype = torch.bfloat16 if precision is Precision.BFLOAT16 else torch.float32
        self._dot = "ieee" if precision is Precision.FLOAT32 else "tf32"
        self._frontend = Frontend(torch.from_numpy(found.cmvn), found.layout, device)
        width, inputs = self._sizes.width, found.layout.stack * found.layout.mels
        self._queries = self._take(state, "embed.weight", 16, inputs)
        blocks = ["encoder.encoders0.0", *(f"encoder.encoders.{n}" for n in range(self._sizes.blocks - 1))]
        self._layers = [self._layer(state, name, width if n else inputs) for n, name in enumerate(blocks)]
        self._last_layers = [self._layer(state, f"encoder.tp_encoders.{n}", width) for n in range(self._sizes.last_blocks)]
        self._after, self._last = (self._norm(state, f"encoder.{name}_norm", width) for name in ("after", "tp"))
        output = self._affine(state, "ctc.ctc_lo", width, found.vocabulary.size, torch.float32)
        chosen = torch.tensor(tags, device=device)
        self._tags = _Affine(output.weight[:, chosen].contiguous(), output.bias[chosen])
        self._output = _widened(output)
        self._positions = _positions(most_rows, inputs, device)
        if device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = precision is not Precision.FLOAT32

    def __call__(self, capacity: Capacity, wave: torch.Tensor, numbers: torch.Tensor) -> Outputs:
        """A batch laid out for ``capacity`` by ``packing.lay_out``, on the device."""
        (begins, ends, first, last, prompts), blocks, prompt_rows = capacity.tables(numbers)
        x = self._inputs(wave, begins, first, last, prompts)
        hidden = self._encoded(x, _Tables(begins, ends, blocks, capacity.queries))
        ids = torch.empty(capacity.rows, dtype=torch.int32, device=self._device)
        p = torch.empty(capacity.rows, device=self._device)
        for at in range(0, capacity.rows, ROWS_AT_ONCE):
            part = slice(at, at + ROWS_AT_ONCE)
            kernels.best(ids[part], p[part], torch.addmm(self._output.bias, hidden[part], self._output.weight))
        return Outputs(ids, p, torch.addmm(self._tags.bias, hidden[prompt_rows], self._tags.weight))

    def _inputs(
        self, wave: torch.Tensor, begins: torch.Tensor, first: torch.Tensor, last: torch.Tensor, prompts: torch.Tensor
    ) -> torch.Tensor:
        """Prompts and features ``[rows, inputs]``, scaled, with their positions."""
        positions = self._positions  # never replaced: recordings point at it
        if len(begins) > len(positions):
            positions = _positions(len(begins), self._queries.shape[1], self._device)
        numbers = torch.arange(len(begins), dtype=torch.int32, device=self._device) - begins  # of a row in its utterance
        features = self._frontend.packed(wave, numbers - PROMPT_ROWS, first, last)
        x = torch.where((numbers < PROMPT_ROWS)[:, None], self._queries[prompts], features)
        placed: torch.Tensor = x * self._sizes.width**0.5 + positions[numbers]
        return placed

    def _encoded(self, x: torch.Tensor, tables: _Tables) -> torch.Tensor:
        """``[rows, inputs]`` to ``[rows, width]``, float32."""
        rows, width = len(x), self._sizes.width
        stream = torch.empty(rows, width, device=self._device)
        normal = torch.empty(rows, width, dtype=self._dtype, device=self._device)
        heard = torch.zeros_like(normal)  # rows that nothing is in are in no block
        first = torch.empty(rows, x.shape[1], dtype=self._dtype, device=self._device)
        self._normalise(first, self._layers[0].norm_1, x)
        outer = self._run(self._layers[0], first, heard, normal, stream, tables, fresh=True)
        for layer in self._layers[1:]:
            self._normalise(normal, layer.norm_1, stream, outer)
            outer = self._run(layer, normal, heard, normal, stream, tables)
        after = torch.empty_like(stream)
        self._normalise(after, self._after, stream, outer)
        added = None
        for layer in self._last_layers:
            self._normalise(normal, layer.norm_1, after, added)
            added = self._run(layer, normal, heard, normal, after, tables)
        last = torch.empty_like(stream)
        self._normalise(last, self._last, after, added)
        return last

    def _run(
        self,
        layer: _Layer,
        x: torch.Tensor,
        heard: torch.Tensor,
        normal: torch.Tensor,
        stream: torch.Tensor,
        tables: _Tables,
        *,
        fresh: bool = False,
    ) -> torch.Tensor:
        """One layer on its normalised input: what attention and memory heard joins the stream, what comes after is given back."""
        width = self._sizes.width
        joint = torch.addmm(layer.joint.bias, x, layer.joint.weight)
        kernels.attend(heard, joint, tables.blocks, tables.queries, self._sizes.heads, self._dot)
        out = torch.addmm(layer.out.bias, heard, layer.out.weight)
        kernels.add_norm(
            normal,
            layer.norm_2.weight,
            layer.norm_2.bias,
            EPSILON,
            stream=stream,
            keep=True,
            fresh=fresh,
            added=out,
            memory=(joint[:, 2 * width :], layer.taps, tables.begins, tables.ends, self._sizes.left),
        )
        inner = torch._addmm_activation(layer.inner.bias, normal, layer.inner.weight)  # noqa: SLF001 - ReLU within the product
        return torch.addmm(layer.outer.bias, inner, layer.outer.weight)

    def _normalise(self, out: torch.Tensor, norm: _Affine, stream: torch.Tensor, added: torch.Tensor | None = None) -> None:
        kernels.add_norm(out, norm.weight, norm.bias, EPSILON, stream=stream, keep=added is not None, added=added)

    def _layer(self, state: Mapping[str, torch.Tensor], name: str, inputs: int) -> _Layer:
        sizes, width = self._sizes, self._sizes.width
        taps = self._take(state, f"{name}.self_attn.fsmn_block.weight", width, 1, sizes.kernel)[:, 0].t().contiguous()
        taps[sizes.left] += 1
        return _Layer(
            norm_1=self._norm(state, f"{name}.norm1", inputs),
            joint=self._affine(state, f"{name}.self_attn.linear_q_k_v", inputs, 3 * width, self._dtype),
            taps=taps,
            out=self._affine(state, f"{name}.self_attn.linear_out", width, width, self._dtype),
            norm_2=self._norm(state, f"{name}.norm2", width),
            inner=self._affine(state, f"{name}.feed_forward.w_1", width, sizes.hidden, self._dtype),
            outer=self._affine(state, f"{name}.feed_forward.w_2", sizes.hidden, width, self._dtype),
        )

    def _norm(self, state: Mapping[str, torch.Tensor], name: str, width: int) -> _Affine:
        return _Affine(*(self._take(state, f"{name}.{part}", width) for part in ("weight", "bias")))

    def _affine(self, state: Mapping[str, torch.Tensor], name: str, inputs: int, outputs: int, dtype: torch.dtype) -> _Affine:
        weight = self._take(state, f"{name}.weight", outputs, inputs).to(dtype)
        return _Affine(weight.t(), self._take(state, f"{name}.bias", outputs).to(dtype))

    def _take(self, state: Mapping[str, torch.Tensor], name: str, *shape: int) -> torch.Tensor:
        """A weight of the checkpoint, in float32, on the device."""
        found = state.get(name) if isinstance(state, Mapping) else None
        if not isinstance(found, torch.Tensor) or found.shape != shape:
            given = tuple(found.shape) if isinstance(found, torch.Tensor) else "absent"
            raise ModelCorrupt(f"{self._found.weights}: {name} is {given}, expected {shape}; it does not fit its config.yaml. {PULL}")
        return found.to(self._device, torch.float32)


def _positions(rows: int, width: int, device: torch.device) -> torch.Tensor:
    """Sines and cosines ``[rows, width]``; upstream counts rows from one."""
    step = torch.log(torch.tensor(10_000.0)) / (width / 2 - 1)
    speeds = torch.exp(torch.arange(width // 2) * -step)
    angles = torch.arange(1, rows + 1)[:, None] * speeds
    return torch.cat((angles.sin(), angles.cos()), 1).to(device)


def _widened(output: _Affine) -> _Affine:
    """With columns that are never the best, up to a number that the matrix units like."""
    lacking = -output.bias.shape[0] % ALIGNED
    weight = torch.nn.functional.pad(output.weight.t(), (0, 0, 0, lacking))
    return _Affine(weight.t(), torch.nn.functional.pad(output.bias, (0, lacking), value=NEVER))
