"""From found weights to the engine that runs them."""

from typing import assert_never

from streamer.engine import Engine
from streamer.engine.device import Precision, installed, means_cpu
from streamer.engine.models import Found, Kind
from streamer.errors import ConfigurationError, ModelNotFound


def load_engine(found: Found, device: str, *, precision: str = "auto", graphs: bool = True) -> Engine:
    """Load the model on ``device`` (``auto``, ``cpu``, ``cuda:0``), in the thread that will own it. Takes seconds; warms nothing up.

    ``precision`` and ``graphs`` are for GPUs, and as ``SenseVoice`` takes them.
    """
    match found.kind:
        case Kind.SENSEVOICE | Kind.SENSEVOICE_INT8 | Kind.ONNX:
            return _sensevoice(found, device, precision, graphs)
        case Kind.BUNDLED:
            from streamer.engine.bundled import Bundled

            return Bundled(found.notice)
        case Kind.SCRIPTED:
            from streamer.engine.scripted import Scripted

            return Scripted()
        case _:
            assert_never(found.kind)


def _sensevoice(found: Found, device: str, precision: str, graphs: bool) -> Engine:
    """On a CPU by ONNX Runtime, which is the faster there and gives the same ids; on a GPU, or without ONNX Runtime, by torch."""
    if found.path is None:
        raise ModelNotFound("SenseVoice needs the folder of its weights, and none was given")
    cpu_only = found.kind is not Kind.SENSEVOICE
    if cpu_only and device not in ("auto", "cpu"):
        raise ConfigurationError(f"--device is {device!r}, and {found.kind} is for CPUs: use --device cpu, or a folder with model.pt")
    on_cpu = cpu_only or means_cpu(device)
    if on_cpu and precision not in ("auto", Precision.FLOAT32):
        raise ConfigurationError(f"--precision is {precision!r}, and on a CPU there is float32 alone (and --model sensevoice-int8)")
    if on_cpu and installed("onnx", "onnxruntime"):
        from streamer.engine.onnx import OnnxSenseVoice

        return OnnxSenseVoice(found.path, int8=found.kind is Kind.SENSEVOICE_INT8, notice=found.notice)
    if cpu_only or not installed("torch"):
        wanted = "onnx" if on_cpu else "torch"
        raise ConfigurationError(f"--device is {device!r}, and what SenseVoice needs there is not installed: pip install '.[{wanted}]'")
    from streamer.engine.sensevoice import SenseVoice

    return SenseVoice(found.path, device=device, precision=precision, graphs=graphs, notice=found.notice)
