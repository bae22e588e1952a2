"""The physical limit: what the machine's matrix products would allow if a model were nothing else and nothing were lost."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any, Final

import numpy as np

from streamer.engine.ctc import PROMPT_ROWS
from streamer.engine.device import installed
from streamer.engine.folder import Description, sizes_of
from streamer.engine.graph import FLOAT, Graph

CPU_SIZE: Final = 2048
CUDA_SIZE: Final = 8192
TRIES: Final = 24  # other work on the machine spoils some
FRAMES_PER_S: Final = 100


def gflop(found: Description, lengths_s: Sequence[float]) -> float:
    """Of forward passes over items of these lengths, padding none: two for each product that is added."""
    sizes, inputs = sizes_of(found), found.layout.stack * found.layout.mels
    width, layers = sizes.width, sizes.blocks + sizes.last_blocks
    layer = 3 * width * width + width * width + 2 * width * sizes.hidden + width * sizes.kernel
    row = layers * layer + 3 * width * (inputs - width) + width * found.vocabulary.size
    rows = np.array(lengths_s) * FRAMES_PER_S / found.layout.stride + PROMPT_ROWS
    return float(2 * (rows * row + layers * 2 * rows**2 * width).sum() / 1e9)


def peaks(device: str, threads: Sequence[int]) -> dict[str, float]:
    """GFLOP per second of one large product, the best of some tries: for each number of threads, or on CUDA for each kind of number."""
    if device.startswith("cuda"):
        return dict(_cuda_peaks(device))
    return {f"fp32, {count} thread{'s'[: count > 1]}": max(_cpu_peaks(count)) for count in threads}


def ceilings(found: Description, lengths_s: Sequence[float], peak: Mapping[str, float]) -> list[dict[str, Any]]:
    """Beside each peak the seconds of such audio in a second."""
    each = gflop(found, lengths_s) / sum(lengths_s)
    return [
        {"numbers": numbers, "gflop_per_s": round(rate, 1), "gflop_per_audio_s": round(each, 2), "audio_s_per_s": round(rate / each, 1)}
        for numbers, rate in peak.items()
    ]


def _cpu_peaks(threads: int) -> Iterator[float]:
    """Of each library that is here: which is the fastest depends on the processor."""
    one = np.random.default_rng(0).standard_normal((CPU_SIZE, CPU_SIZE), np.float32)
    if installed("onnx", "onnxruntime"):
        yield _rate(_onnx_product(one, threads), CPU_SIZE)
    if installed("torch"):
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        matrix = torch.from_numpy(one)
        yield _rate(lambda: matrix @ matrix, CPU_SIZE)
        torch.set_num_threads(before)


def _onnx_product(one: Any, threads: int) -> Callable[[], Any]:
    import onnxruntime

    graph = Graph(levels=None)
    graph.add("MatMul", "x", graph.constant(one, np.float32), output="y")
    shape = (FLOAT, [CPU_SIZE, CPU_SIZE])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    model = graph.network({"x": shape}, {"y": shape}, {}).model.SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(["y"], {"x": one})


def _cuda_peaks(device: str) -> Iterator[tuple[str, float]]:
    import torch

    before = torch.backends.cuda.matmul.allow_tf32
    for name, dtype, tf32 in (("fp32", torch.float32, False), ("TF32", torch.float32, True), ("bf16", torch.bfloat16, False)):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        matrix = torch.randn((CUDA_SIZE, CUDA_SIZE), device=device).to(dtype)

        def product(matrix: "torch.Tensor" = matrix) -> None:
            torch.matmul(matrix, matrix)
            torch.cuda.synchronize(device)

        yield name, _rate(product, CUDA_SIZE)
    torch.backends.cuda.matmul.allow_tf32 = before


def _rate(product: Callable[[], Any], size: int) -> float:
    took = []
    for _ in range(TRIES):
        before = perf_counter()
        product()
        took.append(perf_counter() - before)
    return 2 * size**3 / min(took) / 1e9
