"""Builds SenseVoice checkpoints of the real architecture in miniature: upstream's own class and folder layout, random weights from a seed.

Random weights alone would answer the prompts with any piece of the vocabulary, so the output layer's rows of a few tags are pointed at
what the encoder gives for those prompts. What it says of the audio stays random, and varied.
"""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import yaml

TAGS = (
    "zh en yue ja ko nospeech HAPPY SAD ANGRY NEUTRAL FEARFUL DISGUSTED SURPRISED EMO_UNKNOWN Speech BGM Applause Laughter Cry Sneeze "
    "Breath Cough Sing Speech_Noise Event_UNK withitn woitn"
).split()
TEXT = """
the meeting begins at nine and we are ready to hear what the customer wants from the agent
please wait a minute while the order is sent to the office by the door with the blue window
The weather is good today. Nobody is late! Is the train here? Yes, number 12 of 30, at 10:45.
今天天气很好我们去公园散步明天早上九点开会请大家准时到
我哋今日去飲茶聽日返工唔該你等一陣先
きょうはいいてんきですねあしたのあさ会議がありますおねがいします
안녕하세요 오늘 회의는 아홉 시에 시작합니다 고객의 질문이 있어요
"""
CONFIG = {
    "model": "SenseVoiceSmall",
    "model_conf": {"length_normalized_loss": True, "sos": 1, "eos": 2, "ignore_id": -1},
    "encoder": "SenseVoiceEncoderSmall",
    "encoder_conf": {
        "output_size": 64,
        "attention_heads": 4,
        "linear_units": 128,
        "num_blocks": 3,
        "tp_blocks": 2,
        "dropout_rate": 0.1,
        "positional_dropout_rate": 0.1,
        "attention_dropout_rate": 0.1,
        "input_layer": "pe",
        "pos_enc_class": "SinusoidalPositionEncoder",
        "normalize_before": True,
        "kernel_size": 11,
        "sanm_shfit": 0,
        "selfattention_layer_type": "sanm",
    },
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
    },
    "dataset": "SenseVoiceCTCDataset",
}
FILES = {
    "init_param": "model.pt",
    "config": "config.yaml",
    "tokenizer_conf": {"bpemodel": "bpe.model"},
    "frontend_conf": {"cmvn_file": "am.mvn"},
}
LANGUAGE_PROMPTS = (("zh", 3), ("en", 4), ("yue", 7), ("ja", 11), ("ko", 12), ("nospeech", 13))  # rows of upstream's prompt embedding
BLANK_LOGIT, TAG_LOGIT, NEVER = 6.0, 24.0, -1e4  # against random logits of about 2.5: a third of the rows are blank
ISOLATED = "甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥"
"""Characters that occur alone in the text, so that no piece joins two of them."""
Speakable = Callable[[str], bool]


def build(
    folder: Path, *, seed: int = 0, tags: tuple[str, ...] = tuple(TAGS), byte_fallback: bool = False, speakable: Speakable | None = None
) -> Path:
    """A whole checkpoint. Where ``speakable`` is given, only pieces that it accepts, tags and blanks are ever said."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (folder / "configuration.json").write_text(json.dumps({"model": {"type": "funasr"}, "file_path_metas": FILES}))
    (folder / "bpe.model").write_bytes(vocabulary(tags, byte_fallback=byte_fallback))
    (folder / "am.mvn").write_text(normalisation(seed))
    torch.save(weights(CONFIG, folder / "bpe.model", seed=seed, speakable=speakable), folder / "model.pt")
    return folder


def vocabulary(tags: tuple[str, ...] = tuple(TAGS), *, byte_fallback: bool = False) -> bytes:
    """A sentencepiece model like upstream's: byte pairs, no space put before a text."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*TEXT.strip().splitlines(), *ISOLATED]),
        model_writer=model,
        model_type="bpe",
        vocab_size=700 if byte_fallback else 400,
        hard_vocab_limit=False,
        max_sentencepiece_length=6,
        character_coverage=1.0,
        user_defined_symbols=[f"<|{tag}|>" for tag in tags],
        add_dummy_prefix=False,
        byte_fallback=byte_fallback,
        minloglevel=2,
    )
    return model.getvalue()


def normalisation(seed: int) -> str:
    """Means and variances as Kaldi writes them, of the size that they have for int16 speech."""
    generator = np.random.default_rng(seed)
    shift = " ".join(f"{value:.6f}" for value in np.tile(generator.uniform(-13, -8, 80), 7))
    scale = " ".join(f"{value:.6f}" for value in np.tile(generator.uniform(0.15, 0.3, 80), 7))
    return (
        f"<Nnet> \n<Splice> 560 560\n[ 0 ]\n<AddShift> 560 560\n<LearnRateCoef> 0 [ {shift} ]\n"
        f"<Rescale> 560 560\n<LearnRateCoef> 0 [ {scale} ]\n</Nnet> \n"
    )


def weights(config: dict, tokenizer: Path, *, seed: int, speakable: Speakable | None = None) -> dict[str, torch.Tensor]:
    """Random weights for upstream's class, with the tags' rows of the output layer fitted to the prompts."""
    import sentencepiece
    from funasr.models.sense_voice.model import SenseVoiceSmall

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer))
    count = pieces.get_piece_size()
    torch.manual_seed(seed)
    model = SenseVoiceSmall(
        encoder=config["encoder"], encoder_conf=config["encoder_conf"], input_size=560, vocab_size=count, **config["model_conf"]
    ).eval()
    output = model.ctc.ctc_lo
    width = output.in_features
    torch.nn.init.normal_(output.weight, std=2.5 / width**0.5)
    torch.nn.init.zeros_(output.bias)
    output.bias.data[0] = BLANK_LOGIT
    for id in range(3, count):
        piece = pieces.id_to_piece(id)
        if speakable is not None and not piece.startswith("<|") and not speakable(piece):
            output.bias.data[id] = NEVER
    output.bias.data[1:3] = NEVER  # <s> and </s>
    fit_tags(model, pieces)
    return model.state_dict()


@torch.no_grad()
def fit_tags(model, pieces) -> None:
    """Points the tags of the prompts, and two that are not prompted for, at what the encoder makes of the prompt rows."""
    prompts = [(language, row, itn, style) for language, row in LANGUAGE_PROMPTS for itn, style in (("withitn", 14), ("woitn", 15))]
    queries = model.embed(torch.tensor([[row, 1, 2, style] for _, row, _, style in prompts]))
    sound = torch.randn(1, 8, 560).expand(len(prompts), -1, -1)
    hidden, _ = model.encoder(torch.cat((queries, sound), 1), torch.full((len(prompts),), 12))
    answers: dict[str, list[torch.Tensor]] = {}
    for rows, (language, _, itn, _) in zip(hidden, prompts, strict=True):
        for row, tag in zip(rows, (language, "NEUTRAL", "Speech", itn), strict=False):
            answers.setdefault(tag, []).append(row)
    for tag, found in answers.items():
        id = pieces.piece_to_id(f"<|{tag}|>")
        if id != pieces.unk_id():
            mean = torch.stack(found).mean(0)
            model.ctc.ctc_lo.weight[id] = TAG_LOGIT * mean / mean.square().sum()
