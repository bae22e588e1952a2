"""The miniature's checkpoint folder in funasr's layout: configuration, normalisation, vocabulary, and the model they describe."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import yaml
from funasr.models.sense_voice.model import SenseVoiceSmall

from tests.miniature.words import Unit, plain, written

BREAK = "||||"  # sentencepiece never joins what lies on both sides of it
VOCABULARY = 1000
LANGUAGE_TAGS = (
    "zh en zh/en en/zh yue minnan wuyu dialect ja de es ru ko fr pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur "
    "hr bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am "
    "yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su"
).split()
OTHER_TAGS = (
    "ASR AED SER nospeech Speech /Speech BGM /BGM Laughter /Laughter Applause /Applause HAPPY SAD ANGRY NEUTRAL FEARFUL DISGUSTED "
    "SURPRISED OTHER EMO_UNKNOWN Cry Sneeze Breath Cough Sing Speech_Noise withitn woitn GBG Event_UNK"
).split()
TAGS = [*LANGUAGE_TAGS, *OTHER_TAGS, *(f"SPECIAL_TOKEN_{i}" for i in range(1, 36))]
CONFIG: dict[str, Any] = {
    "encoder": "SenseVoiceEncoderSmall",
    "encoder_conf": {
        "output_size": 128,
        "attention_heads": 4,
        "linear_units": 512,
        "num_blocks": 4,
        "tp_blocks": 1,
        "dropout_rate": 0.0,
        "positional_dropout_rate": 0.0,
        "attention_dropout_rate": 0.0,
        "input_layer": "pe",
        "pos_enc_class": "SinusoidalPositionEncoder",
        "normalize_before": True,
        "kernel_size": 11,
        "sanm_shfit": 0,
        "selfattention_layer_type": "sanm",
    },
    "model": "SenseVoiceSmall",
    "model_conf": {"length_normalized_loss": True, "sos": 1, "eos": 2, "ignore_id": -1},
    "tokenizer": "SentencepiecesTokenizer",
    "tokenizer_conf": {"bpemodel": None, "unk_symbol": "<unk>", "split_with_space": True},
    "frontend": "WavFrontend",
    "frontend_conf": {
        "fs": 16000,
        "window": "hamming",
        "n_mels": 80,
        "frame_length": 25,
        "frame_shift": 10,
        "lfr_m": 7,
        "lfr_n": 6,
        "cmvn_file": None,
        "dither": 0.0,
    },
    "dataset": "SenseVoiceCTCDataset",
}
CONFIGURATION = {
    "framework": "pytorch",
    "task": "auto-speech-recognition",
    "model": {"type": "funasr"},
    "file_path_metas": {
        "init_param": "model.pt",
        "config": "config.yaml",
        "tokenizer_conf": {"bpemodel": "bpe.model"},
        "frontend_conf": {"cmvn_file": "am.mvn"},
    },
}


def write_configuration(folder: Path) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    (folder / "configuration.json").write_text(json.dumps(CONFIGURATION, indent=2) + "\n", encoding="utf-8")


def write_normalisation(folder: Path, mean: np.ndarray, deviation: np.ndarray) -> None:
    """The mean and deviation of each of the 560 features, in Kaldi's text form: shift, then scale."""
    size = len(mean)
    shift, scale = (" ".join(f"{value:.6f}" for value in values) for values in (-mean, 1 / deviation))
    (folder / "am.mvn").write_text(
        f"<Nnet>\n<Splice> {size} {size}\n[ 0 ]\n<AddShift> {size} {size}\n<LearnRateCoef> 0 [ {shift} ]\n"
        f"<Rescale> {size} {size}\n<LearnRateCoef> 0 [ {scale} ]\n</Nnet>\n",
        encoding="utf-8",
    )


def write_vocabulary(folder: Path, utterances: list[tuple[str, list[Unit]]]) -> None:
    """Train the pieces: parts of words in English and Korean, of words in Japanese, characters in Chinese; marks and tags stand alone."""
    lines = []
    for language, units in utterances:
        marks = [BREAK + unit.mark if unit.mark else "" for unit in units]
        for forms, use in ((plain(language, units), False), (written(language, units), True)):
            parts = ((form if form[0] == " " else BREAK + form) + mark * use for form, mark in zip(forms, marks, strict=True))
            lines.append("".join(parts).strip())
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_prefix=str(folder / "bpe"),
        vocab_size=VOCABULARY,
        model_type="bpe",
        user_defined_symbols=[f"<|{tag}|>" for tag in TAGS],
        character_coverage=1.0,
        hard_vocab_limit=False,
        normalization_rule_name="identity",
        pretokenization_delimiter=BREAK,
        minloglevel=2,
    )
    (folder / "bpe.vocab").unlink()


class Pieces:
    """The vocabulary, unit by unit."""

    def __init__(self, folder: Path) -> None:
        self._processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "bpe.model"))
        self._known: dict[str, list[int]] = {}
        self.size = int(self._processor.get_piece_size())

    def tag(self, name: str) -> int:
        return int(self._processor.piece_to_id(f"<|{name}|>"))

    def of(self, form: str) -> list[int]:
        """The pieces of one form of ``plain`` or ``written``, or of a mark."""
        if form not in self._known:
            # A mark in front takes the word boundary that sentencepiece puts at the beginning of every text.
            self._known[form] = self._processor.encode(form[1:]) if form[0] == " " else self._processor.encode("。" + form)[2:]
        return self._known[form]


def build(vocabulary: int) -> SenseVoiceSmall:
    """The model with random weights."""
    return SenseVoiceSmall(
        encoder=CONFIG["encoder"], encoder_conf=CONFIG["encoder_conf"], input_size=560, vocab_size=vocabulary, **CONFIG["model_conf"]
    )
