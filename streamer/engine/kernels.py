"""What SenseVoice does between its matrix products, as Triton kernels over packed rows: utterances lie one after the other, unpadded.

A row belongs to the utterance whose rows are ``[begin, end)``, and sees no others. Widths are in elements, rows are contiguous unless a
stride is named. Sums are float32 whatever the elements are.
"""

from typing import TYPE_CHECKING, Final

import triton
import triton.language as tl

if TYPE_CHECKING:
    import torch

TILE: Final = 8
TILED_ROWS: Final = 2048
"""Rows that one program adds and normalises where there are so many: neighbours hear the same rows, which in float32 it pays to have near.
Measured on an H100 at 5,120 rows: 23 µs for 31; in bfloat16, and of fewer rows, one a program is the faster."""
KEYS: Final = 32
"""Rows that one step of the attention listens to: of 16, 32 and 64, and with 4 and 8 warps, the fastest at 96, 640 and 5,120 rows."""
COLUMNS: Final = 4096
"""Logits of a row that one step of the search for the best looks at."""


@triton.jit
def _add_norm(
    stream,
    added,
    memory,
    memory_stride,
    taps,
    begins,
    ends,
    gain,
    bias,
    out,
    count,
    epsilon,
    ROWS: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    STREAM: tl.constexpr,
    ADDED: tl.constexpr,
    TAPS: tl.constexpr,
    LEFT: tl.constexpr,
    KEPT: tl.constexpr,
):
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    columns = tl.arange(0, BLOCK)
    own = (rows[:, None] < count) & (columns[None, :] < WIDTH)
    places = rows[:, None] * WIDTH + columns[None, :]
    x = tl.zeros([ROWS, BLOCK], tl.float32)
    if STREAM:
        x += tl.load(stream + places, mask=own, other=0.0)
    if ADDED:
        x += tl.load(added + places, mask=own, other=0.0).to(tl.float32)
    if TAPS:
        begin = tl.load(begins + rows, mask=rows < count, other=0)
        end = tl.load(ends + rows, mask=rows < count, other=0)
        for tap in tl.static_range(TAPS):
            at = rows + tap - LEFT
            inside = ((at >= begin) & (at < end))[:, None] & (columns[None, :] < WIDTH)
            heard = tl.load(memory + at[:, None] * memory_stride + columns[None, :], mask=inside, other=0.0).to(tl.float32)
            x += heard * tl.load(taps + tap * WIDTH + columns, mask=columns < WIDTH, other=0.0)[None, :]
    if KEPT:
        tl.store(stream + places, x, mask=own)
    mean = tl.sum(x, 1) / WIDTH
    centred = tl.where(columns[None, :] < WIDTH, x - mean[:, None], 0.0)
    scale = 1.0 / tl.sqrt(tl.sum(centred * centred, 1) / WIDTH + epsilon)
    strength = tl.load(gain + columns, mask=columns < WIDTH, other=0.0)
    offset = tl.load(bias + columns, mask=columns < WIDTH, other=0.0)
    y = centred * scale[:, None] * strength[None, :] + offset[None, :]
    tl.store(out + places, y.to(out.dtype.element_ty), mask=own)


@triton.jit
def _attend(
    joint,
    out,
    blocks,
    scale,
    WIDTH: tl.constexpr,
    HEAD: tl.constexpr,
    QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    block = tl.program_id(0)
    head = tl.program_id(1)
    first = tl.load(blocks + 3 * block).to(tl.int64)
    begin = tl.load(blocks + 3 * block + 1).to(tl.int64)
    end = tl.load(blocks + 3 * block + 2).to(tl.int64)
    if first < end:
        columns = tl.arange(0, HEAD)
        rows = first + tl.arange(0, QUERIES)
        asked = joint + head * HEAD + columns[None, :]
        q = tl.load(asked + rows[:, None] * (3 * WIDTH), mask=rows[:, None] < end, other=0.0)
        best = tl.full([QUERIES], -1e30, tl.float32)
        total = tl.zeros([QUERIES], tl.float32)
        heard = tl.zeros([QUERIES, HEAD], tl.float32)
        for at in range(begin, end, KEYS):
            keys = at + tl.arange(0, KEYS)
            inside = keys[:, None] < end
            k = tl.load(asked + WIDTH + keys[:, None] * (3 * WIDTH), mask=inside, other=0.0)
            scores = tl.dot(q, tl.trans(k), input_precision=PRECISION) * scale
            scores = tl.where(keys[None, :] < end, scores, -1e30)
            higher = tl.maximum(best, tl.max(scores, 1))
            weights = tl.exp(scores - higher[:, None])
            fade = tl.exp(best - higher)
            total = total * fade + tl.sum(weights, 1)
            v = tl.load(asked + 2 * WIDTH + keys[:, None] * (3 * WIDTH), mask=inside, other=0.0)
            heard = heard * fade[:, None] + tl.dot(weights.to(v.dtype), v, input_precision=PRECISION)
            best = higher
        y = heard / total[:, None]
        tl.store(out + rows[:, None] * WIDTH + head * HEAD + columns[None, :], y.to(out.dtype.element_ty), mask=rows[:, None] < end)


@triton.jit
def _best(
    logits,
    ids,
    p,
    count,
    COLUMNS: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, COLUMNS)
    best = tl.full([COLUMNS], -1e30, tl.float32)
    total = tl.zeros([COLUMNS], tl.float32)
    where = tl.zeros([COLUMNS], tl.int32)
    for at in range(0, count, COLUMNS):
        x = tl.load(logits + row * count + at + columns, mask=at + columns < count, other=-1e30)
        where = tl.where(x > best, at + columns, where)
        higher = tl.maximum(best, x)
        total = total * tl.exp(best - higher) + tl.exp(x - higher)
        best = higher
    most = tl.max(best, 0)
    # A logit that is no number is never the best, but its column's sum is none either, and so is p.
    tl.store(ids + row, tl.min(tl.where(best == most, where, count), 0))
    tl.store(p + row, 1.0 / tl.sum(total * tl.exp(best - most), 0))


def add_norm(
    out: "torch.Tensor",
    gain: "torch.Tensor",
    bias: "torch.Tensor",
    epsilon: float,
    *,
    stream: "torch.Tensor",
    keep: bool,
    fresh: bool = False,
    added: "torch.Tensor | None" = None,
    memory: "tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, int] | None" = None,
) -> None:
    """Normalises ``stream + added + memory`` into ``out``, all ``[rows, width]``, and keeps the sum in ``stream`` if asked to.

    ``fresh``: the stream has nothing yet, and is not read. ``memory`` is values with their stride in dimension 0, their taps
    ``[kernel, width]``, begins and ends of the rows' utterances, and how many taps lie before a row's own.
    """
    rows, width = out.shape
    values, taps, begins, ends, left = memory or (out, out, out, out, 0)
    tile = TILE if rows >= TILED_ROWS and out.element_size() == 4 else 1
    _add_norm[(triton.cdiv(rows, tile),)](
        stream,
        out if added is None else added,
        values,
        values.stride(0),
        taps,
        begins,
        ends,
        gain,
        bias,
        out,
        rows,
        epsilon,
        ROWS=tile,
        WIDTH=width,
        BLOCK=triton.next_power_of_2(width),
        STREAM=not fresh,
        ADDED=added is not None,
        TAPS=len(taps) if memory else 0,
        LEFT=left,
        KEPT=keep,
        num_warps=4,
    )


def attend(out: "torch.Tensor", joint: "torch.Tensor", blocks: "torch.Tensor", queries: int, heads: int, precision: str) -> None:
    """Attention of ``joint [rows, 3 * width]`` (queries, keys, values) into ``out [rows, width]``, each row among its utterance's.

    ``blocks [n, 3]`` names the rows that are answered: first row, begin and end of its utterance, for every ``queries`` rows of it;
    a block whose first row is not before its end is none. ``precision`` of float32 products: ``ieee`` or ``tf32``.
    """
    width = out.shape[1]
    head = width // heads
    _attend[(len(blocks), heads)](
        joint, out, blocks, head**-0.5, WIDTH=width, HEAD=head, QUERIES=queries, KEYS=KEYS, PRECISION=precision, num_warps=4
    )


def best(ids: "torch.Tensor", p: "torch.Tensor", logits: "torch.Tensor") -> None:
    """Of float32 ``logits [rows, count]`` each row's best id (the first of equals) and its probability, in one pass."""
    rows, count = logits.shape
    _best[(rows,)](logits, ids, p, count, COLUMNS=min(COLUMNS, triton.next_power_of_2(count)), num_warps=8)
