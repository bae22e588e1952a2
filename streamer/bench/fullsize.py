"""A SenseVoiceSmall of the real size with random weights, for machines that have none: what it costs to run does not depend on the values.

It is made from a seed and from nothing else, so that every machine measures the same one. What it says of the audio means nothing, but its
numbers are those of a working network: activations of one size at every depth, answers that change with the sound, blanks between them.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from streamer.bench.fitting import NEVER, fit_tags
from streamer.bench.pieces import SIZE, pieces, tokenizer

if TYPE_CHECKING:
    import torch

Float = npt.NDArray[np.float32]

PARAMETERS: Final = 233_999_167
WIDTH: Final = 512
INPUTS: Final = 560
"""Seven stacked frames of 80 mels."""
HIDDEN: Final = 2048
KERNEL: Final = 11
BLOCKS: Final = 50
TP_BLOCKS: Final = 20
PROMPTS: Final = 16
CONFIG: Final[dict[str, Any]] = {
    "model": "SenseVoiceSmall",
    "model_conf": {"length_normalized_loss": True, "sos": 1, "eos": 2, "ignore_id": -1},
    "encoder": "SenseVoiceEncoderSmall",
    "encoder_conf": {
        "output_size": WIDTH,
        "attention_heads": 4,
        "linear_units": HIDDEN,
        "num_blocks": BLOCKS,
        "tp_blocks": TP_BLOCKS,
        "dropout_rate": 0.1,
        "positional_dropout_rate": 0.1,
        "attention_dropout_rate": 0.1,
        "input_layer": "pe",
        "pos_enc_class": "SinusoidalPositionEncoder",
        "normalize_before": True,
        "kernel_size": KERNEL,
        "sanm_shfit": 0,  # so spelled upstream
        "selfattention_layer_type": "sanm",
    },
    "tokenizer": "SentencepiecesTokenizer",
    "tokenizer_conf": {"bpemodel": None, "unk_symbol": "<unk>", "split_with_space": True},
    "frontend": "WavFrontend",
    "frontend_conf": {
        "fs": 16_000,
        "window": "hamming",
        "n_mels": 80,
        "frame_length": 25,
        "frame_shift": 10,
        "lfr_m": 7,
        "lfr_n": 6,
        "cmvn_file": None,
    },
}
TOKENIZER: Final = "chn_jpn_yue_eng_ko_spectok.bpe.model"
FILES: Final = {
    "init_param": "model.pt",
    "config": "config.yaml",
    "tokenizer_conf": {"bpemodel": TOKENIZER},
    "frontend_conf": {"cmvn_file": "am.mvn"},
}
LOGIT_STD: Final = 8.0
BLANK_LOGIT: Final = 32.0
"""Against the best of 25,000 random ones: two fifths of the rows are blank."""


def build(folder: Path, seed: int = 0) -> Path:
    """Write the checkpoint into ``folder``, as both hubs lay one out: 937 MB, in ten seconds. Raises ``OSError``."""
    import torch
    import yaml  # type: ignore[import-untyped]  # its types are a package of their own

    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    (folder / "configuration.json").write_text(json.dumps({"model": {"type": "funasr"}, "file_path_metas": FILES}), encoding="utf-8")
    (folder / TOKENIZER).write_bytes(tokenizer())
    (folder / "am.mvn").write_text(_normalisation(generator), encoding="utf-8")
    torch.save(_weights(generator, seed), folder / "model.pt")
    return folder


def _normalisation(generator: np.random.Generator) -> str:
    """Means and variances as Kaldi writes them, of the size that they have for speech as int16."""
    shift, scale = (
        " ".join(f"{value:.6f}" for value in np.tile(generator.uniform(low, high, 80), 7)) for low, high in ((-13, -8), (0.15, 0.3))
    )
    return (
        f"<Nnet> \n<Splice> 560 560\n[ 0 ]\n<AddShift> 560 560\n<LearnRateCoef> 0 [ {shift} ]\n"
        f"<Rescale> 560 560\n<LearnRateCoef> 0 [ {scale} ]\n</Nnet> \n"
    )


def _weights(generator: np.random.Generator, seed: int) -> "dict[str, torch.Tensor]":
    import torch

    state = {name: torch.from_numpy(values) for name, values in arrays(generator)}
    assert sum(values.numel() for values in state.values()) == PARAMETERS
    fit_tags(state, {piece[2:-2]: id for id, piece in enumerate(pieces()) if piece.startswith("<|")}, seed)
    return state


def arrays(generator: np.random.Generator) -> Iterator[tuple[str, Float]]:
    """Every tensor under upstream's name, in a fixed order."""

    def normal(*shape: int, std: float) -> Float:
        return np.float32(std) * generator.standard_normal(shape, np.float32)

    def level(values: Float) -> Float:
        """Sums to nothing over the inputs, so that what all rows have in common does not grow from layer to layer."""
        return np.asarray(values - values.mean(-1, keepdims=True), np.float32)

    def norm(name: str, width: int) -> Iterator[tuple[str, Float]]:
        yield f"{name}.weight", 1 + normal(width, std=0.1)
        yield f"{name}.bias", normal(width, std=0.02)

    def linear(name: str, inputs: int, outputs: int, gain: float = 1.0) -> Iterator[tuple[str, Float]]:
        yield f"{name}.weight", level(normal(outputs, inputs, std=gain * inputs**-0.5))
        yield f"{name}.bias", normal(outputs, std=0.02)

    layers = ["encoders0.0", *(f"encoders.{n}" for n in range(BLOCKS - 1)), *(f"tp_encoders.{n}" for n in range(TP_BLOCKS))]
    yield "embed.weight", normal(PROMPTS, INPUTS, std=1.0)
    for number, layer in enumerate(layers):
        name, inputs = f"encoder.{layer}", WIDTH if number else INPUTS
        yield from norm(f"{name}.norm1", inputs)
        yield from linear(f"{name}.self_attn.linear_q_k_v", inputs, 3 * WIDTH)
        yield f"{name}.self_attn.fsmn_block.weight", level(normal(WIDTH, 1, KERNEL, std=0.2))
        yield from linear(f"{name}.self_attn.linear_out", WIDTH, WIDTH, gain=0.5)
        yield from norm(f"{name}.norm2", WIDTH)
        yield from linear(f"{name}.feed_forward.w_1", WIDTH, HIDDEN)
        yield from linear(f"{name}.feed_forward.w_2", HIDDEN, WIDTH)
    yield from norm("encoder.after_norm", WIDTH)
    yield from norm("encoder.tp_norm", WIDTH)
    yield "ctc.ctc_lo.weight", normal(SIZE, WIDTH, std=LOGIT_STD * WIDTH**-0.5)
    bias = np.zeros(SIZE, np.float32)
    bias[0], bias[1:3] = BLANK_LOGIT, NEVER
    yield "ctc.ctc_lo.bias", bias
