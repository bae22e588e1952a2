"""A packed forward pass with its buffers, recorded once for each capacity as a CUDA graph and then replayed.

A forward of one utterance is five hundred kernels of a few microseconds: launching them one by one from Python takes longer than running
them. A recording is launched as one. What differs between batches lies in the buffers, so a few recordings serve every batch: it takes
the smallest that its rows fit into. Longer batches than the largest are launched kernel by kernel.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from streamer.core.events import Samples
from streamer.engine.ctc import PROMPT_ROWS
from streamer.engine.frontend import Layout
from streamer.engine.packed import Outputs, PackedForward
from streamer.engine.packing import Batch, Capacity, lay_out, rows_of
from streamer.engine.rows import Rows

logger: Final = logging.getLogger(__name__)

STEPS: Final = ((32, 128), (64, 512), (128, 1024), (256, 2048), (512, 4096), (1024, 1 << 30))
"""Rows from one capacity to the next, up to so many. From 256 rows on at most a fifth is computed for nothing; below, nothing is gained."""


def capacities(most: int) -> Iterator[int]:
    """Rows of each recording, up to the first that holds ``most``."""
    rows = 0
    while rows < most:
        rows += next(step for step, end in STEPS if rows < end)
        yield rows


class Replay:
    """Runs batches of up to so many ``rows`` from recordings, where ``graphs`` is asked for and the device is a GPU."""

    def __init__(
        self, forward: PackedForward, layout: Layout, tags: int, device: torch.device, *, rows: Sequence[int], graphs: bool
    ) -> None:
        self._forward, self._layout, self._device = forward, layout, device
        self._graphs = graphs and device.type == "cuda"
        self._sizes = [Capacity(most, layout) for most in rows]
        self._buffers = _Buffers(self._sizes[-1], tags, device)
        self._recorded: dict[int, tuple[Any, Outputs]] = {}

    def record(self) -> None:
        """Record every capacity, the largest first: the others then find their memory among what it used."""
        if not self._graphs or self._recorded:
            return
        pool = None
        for capacity in reversed(self._sizes):
            wave, numbers = self._buffers.on_device(capacity)
            numbers.zero_()
            try:
                self._forward(capacity, wave, numbers)  # compiles what is new, and makes what is kept
                torch.cuda.synchronize(self._device)
                graph = torch.cuda.CUDAGraph()
                # Only this thread is watched for what a recording cannot hold: another device's engine may be loading beside it.
                with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
                    outputs = self._forward(capacity, wave, numbers)
            except torch.cuda.OutOfMemoryError:
                torch.cuda.empty_cache()
                logger.warning("%s has no memory to record batches of %d rows; such batches will be launched", self._device, capacity.rows)
                continue
            pool = pool or graph.pool()
            self._recorded[capacity.rows] = graph, outputs

    def __call__(self, audio: Sequence[Samples], prompts: npt.NDArray[np.int64]) -> list[Rows]:
        """The rows of each utterance. Raises ``torch.cuda.OutOfMemoryError``."""
        rows = int(rows_of(audio, self._layout).sum())
        capacity = next((size for size in self._sizes if size.rows >= rows), None)
        buffers = self._buffers
        if capacity is None:
            capacity = Capacity(rows, self._layout)
            buffers = _Buffers(capacity, buffers.tags.shape[1], self._device)
        batch = buffers.fill(audio, prompts, capacity)
        if capacity.rows in self._recorded:
            graph, outputs = self._recorded[capacity.rows]
            graph.replay()
        else:
            outputs = self._forward(capacity, *buffers.on_device(capacity))
        return buffers.read(outputs, batch)


class _Buffers:
    """What goes to the device and what comes back, on both sides; on the host in memory that the device can reach by itself."""

    def __init__(self, capacity: Capacity, tags: int, device: torch.device) -> None:
        self._device = device
        pinned = device.type == "cuda"
        self._wave = torch.zeros(capacity.samples, dtype=torch.int16, pin_memory=pinned)
        self._numbers = torch.zeros(capacity.numbers, dtype=torch.int32, pin_memory=pinned)
        self._there = self._wave.to(device), self._numbers.to(device)
        self._ids = torch.zeros(capacity.rows, dtype=torch.int32, pin_memory=pinned)
        self._p = torch.zeros(capacity.rows, pin_memory=pinned)
        self.tags = torch.zeros(capacity.items * PROMPT_ROWS, tags, pin_memory=pinned)

    def on_device(self, capacity: Capacity) -> tuple[torch.Tensor, torch.Tensor]:
        """Audio and tables of a batch of this capacity."""
        wave, numbers = self._there
        return wave[: capacity.samples], numbers[: capacity.numbers]

    def fill(self, audio: Sequence[Samples], prompts: npt.NDArray[np.int64], capacity: Capacity) -> Batch:
        batch = lay_out(audio, prompts, capacity, self._wave.numpy(), self._numbers.numpy()[: capacity.numbers])
        wave, numbers = self._there
        wave[: batch.samples].copy_(self._wave[: batch.samples], non_blocking=True)
        numbers[: capacity.numbers].copy_(self._numbers[: capacity.numbers], non_blocking=True)
        return batch

    def read(self, outputs: Outputs, batch: Batch) -> list[Rows]:
        """Waits for the device."""
        rows, count = int(batch.lengths.sum()), len(batch.lengths) * PROMPT_ROWS
        self._ids[:rows].copy_(outputs.ids[:rows], non_blocking=True)
        self._p[:rows].copy_(outputs.p[:rows], non_blocking=True)
        self.tags[:count].copy_(outputs.tags[:count], non_blocking=True)
        if self._device.type == "cuda":
            torch.cuda.current_stream(self._device).synchronize()
        # Copies: the next batch takes these buffers.
        ids, p = self._ids[:rows].numpy().astype(np.int64), self._p[:rows].numpy().copy()
        tags = self.tags[:count].numpy().reshape(-1, PROMPT_ROWS, self.tags.shape[1]).copy()
        ends = np.cumsum(batch.lengths).tolist()
        return [Rows(ids[begin:end], p[begin:end], own) for begin, end, own in zip([0, *ends[:-1]], ends, tags, strict=True)]
