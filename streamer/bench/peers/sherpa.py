"""A checkpoint as sherpa-onnx reads one: our own graph with the names, the logits and the notes that it asks for, and ``tokens.txt``.

It spares sherpa-onnx what its own export carries: nothing that this graph leaves out is needed for the answer.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from streamer.engine.ctc import PROMPT_ROWS
from streamer.engine.folder import Description, describe
from streamer.engine.graph import FLOAT, INT64
from streamer.engine.onnx import read_network
from streamer.engine.rows import EMOTION_PROMPT, EVENT_PROMPT, ITN_PROMPTS, LANGUAGE_PROMPTS

if TYPE_CHECKING:
    from onnx import GraphProto

INT32: Final = 6
"""ONNX's number for it."""


def export(folder: Path, output: Path) -> tuple[Path, Path]:
    """Write ``sherpa.onnx`` and ``tokens.txt``, and give their paths. Raises ``ModelNotFound``, ``ModelCorrupt`` and ``OSError``."""
    import onnx
    import sentencepiece

    found = describe(folder)
    network = read_network(found, levels=None)
    model = network.model
    for tensor in model.graph.initializer:
        if tensor.name in network.weights:  # sherpa-onnx reads one file
            tensor.raw_data = network.weights[tensor.name].tobytes()
            tensor.data_location = onnx.TensorProto.DEFAULT
    _rename_ends(model.graph, found)
    onnx.helper.set_model_props(model, _notes(found))
    output.mkdir(parents=True, exist_ok=True)
    graph, tokens = output / "sherpa.onnx", output / "tokens.txt"
    graph.write_bytes(model.SerializeToString())
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(found.files[1]))
    tokens.write_text("".join(f"{pieces.id_to_piece(id)} {id}\n" for id in range(pieces.get_piece_size())), encoding="utf-8")
    return graph, tokens


def _rename_ends(graph: "GraphProto", found: Description) -> None:
    """In: ``x``, ``x_length``, ``language``, ``text_norm``. Out: ``logits [batch, rows, vocabulary]``."""
    from onnx import helper, numpy_helper

    def constant(name: str, *values: int) -> str:
        graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    ids = next(node for node in graph.node if node.op_type == "ArgMax")
    by_row = next(node for node in graph.node if ids.output[0] in node.input).input[1]
    one, last = constant("sherpa.1", 1), constant("sherpa.-1", -1)
    fixed = constant("sherpa.fixed", EVENT_PROMPT, EMOTION_PROMPT)
    head = [
        helper.make_node("Identity", ["x"], ["features"]),
        helper.make_node("Cast", ["x_length"], ["lengths"], to=INT64),
        helper.make_node("Cast", ["language"], ["sherpa.language"], to=INT64),
        helper.make_node("Cast", ["text_norm"], ["sherpa.itn"], to=INT64),
        helper.make_node("Unsqueeze", ["sherpa.language", one], ["sherpa.first"]),
        helper.make_node("Unsqueeze", ["sherpa.itn", one], ["sherpa.last"]),
        helper.make_node("Shape", ["sherpa.first"], ["sherpa.batch"], end=1),
        helper.make_node("Concat", ["sherpa.batch", constant("sherpa.2", 2)], ["sherpa.shape"], axis=0),
        helper.make_node("Expand", [fixed, "sherpa.shape"], ["sherpa.middle"]),
        helper.make_node("Concat", ["sherpa.first", "sherpa.middle", "sherpa.last"], ["prompts"], axis=1),
    ]
    tail = [
        helper.make_node("Concat", [by_row, last], ["sherpa.whole"], axis=0),
        helper.make_node("Reshape", [ids.input[0], "sherpa.whole"], ["logits"]),
    ]
    nodes = [*head, *graph.node, *tail]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    width = found.layout.stack * found.layout.mels
    graph.input.append(helper.make_tensor_value_info("x", FLOAT, ["batch", "frames", width]))
    graph.input.extend(helper.make_tensor_value_info(name, INT32, ["batch"]) for name in ("x_length", "language", "text_norm"))
    graph.output.append(helper.make_tensor_value_info("logits", FLOAT, ["batch", "rows", found.vocabulary.size]))


def _notes(found: Description) -> dict[str, str]:
    shift, scale = (",".join(f"{value:.9g}" for value in row) for row in found.cmvn)
    languages = {f"lang_{name}": str(row) for name, row in LANGUAGE_PROMPTS.items()}
    return languages | {
        "model_type": "sense_voice_ctc",
        "comment": f"{found.name}, {PROMPT_ROWS} prompts",
        "version": "2",
        "vocab_size": str(found.vocabulary.size),
        "lfr_window_size": str(found.layout.stack),
        "lfr_window_shift": str(found.layout.stride),
        "normalize_samples": "0",
        "neg_mean": shift,
        "inv_stddev": scale,
        "with_itn": str(ITN_PROMPTS[True]),
        "without_itn": str(ITN_PROMPTS[False]),
    }
