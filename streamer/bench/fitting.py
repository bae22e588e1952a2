"""Points the tags of random weights at what the encoder makes of the prompts, so that a text begins as SenseVoice's does."""

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from streamer.engine.ctc import PROMPT_ROWS
from streamer.engine.rows import EMOTION_PROMPT, EVENT_PROMPT, ITN_PROMPTS, LANGUAGE_PROMPTS

if TYPE_CHECKING:
    import torch

HEADS: Final = 4
SPOKEN: Final = ("zh", "en", "yue", "ja", "ko")
NEVER: Final = -1e4
TAG_LOGIT: Final = 280.0
TAG_BIAS: Final = -110.0
"""A tag has some 80 in its own place, where the best random logit is 34, and 15 at most in the rows after it."""
SOUNDS: Final = 4
LENGTH: Final = 12
"""Rows of noise that are heard after the prompts."""


def fit_tags(state: "dict[str, torch.Tensor]", ids: dict[str, int], seed: int) -> None:
    """Sets the output rows of the tags, of which ``ids`` has all: languages, ITN, ``NEUTRAL`` and ``Speech`` are said, others never."""
    import torch

    itn_tags = {True: "withitn", False: "woitn"}
    spoken = {**{language: language for language in SPOKEN}, "auto": "en"}
    asked = [(tag, LANGUAGE_PROMPTS[language], itn) for language, tag in spoken.items() for itn in itn_tags]
    prompts = torch.tensor([[row, EVENT_PROMPT, EMOTION_PROMPT, ITN_PROMPTS[itn]] for _, row, itn in asked])
    embedded = state["embed.weight"][prompts]
    answers: dict[str, list[torch.Tensor]] = defaultdict(list)
    others: list[torch.Tensor] = []
    for sound in _sounds(embedded.shape[-1], seed):
        hidden = encode(state, torch.cat((embedded, sound.expand(len(asked), -1, -1)), 1))
        for rows, (language, _, itn) in zip(hidden, asked, strict=True):
            for row, tag in zip(rows, (language, "NEUTRAL", "Speech", itn_tags[itn]), strict=False):
                answers[tag].append(row)
        others.append(hidden[:, PROMPT_ROWS:].mean((0, 1)))
    common = torch.stack(others).mean(0)  # of the rows that hear the sound, where no tag should be said
    state["ctc.ctc_lo.bias"][list(ids.values())] = NEVER
    for tag, found in answers.items():
        mean = torch.stack(found).mean(0)
        state["ctc.ctc_lo.weight"][ids[tag]] = TAG_LOGIT * (mean - common) / ((mean - common) @ mean)
        state["ctc.ctc_lo.bias"][ids[tag]] = TAG_BIAS


def _sounds(width: int, seed: int) -> "torch.Tensor":
    """``[SOUNDS, LENGTH, width]``: noise that changes no faster than speech, over grounds from loud to silent."""
    import torch

    noise = torch.randn((SOUNDS, LENGTH + 2, width), generator=torch.Generator().manual_seed(seed))
    ground = torch.linspace(-2, 1, SOUNDS)[:, None, None]
    return ground + torch.nn.functional.avg_pool1d(noise.mT, 3, stride=1).mT * 3**0.5


def encode(state: "dict[str, torch.Tensor]", x: "torch.Tensor") -> "torch.Tensor":
    """Upstream's encoder, of inputs of one length ``[batch, rows, inputs]``, to ``[batch, rows, width]``."""
    import torch

    width, inputs = len(state["encoder.after_norm.weight"]), x.shape[-1]
    position = torch.arange(1, x.shape[1] + 1)[:, None] * 10_000.0 ** (-torch.arange(inputs // 2) / (inputs / 2 - 1))
    x = x * width**0.5 + torch.cat((position.sin(), position.cos()), 1)
    names = dict.fromkeys(name.rpartition(".norm1")[0] for name in state if ".norm1." in name)
    for name in names:
        if name == "encoder.tp_encoders.0":
            x = _norm(state, "encoder.after_norm", x)
        heard = _attention(state, f"{name}.self_attn", _norm(state, f"{name}.norm1", x))
        x = x + heard if x.shape == heard.shape else heard
        inner = _linear(state, f"{name}.feed_forward.w_1", _norm(state, f"{name}.norm2", x)).relu()
        x = x + _linear(state, f"{name}.feed_forward.w_2", inner)
    return _norm(state, "encoder.tp_norm", x)


def _attention(state: "dict[str, torch.Tensor]", name: str, x: "torch.Tensor") -> "torch.Tensor":
    from torch.nn.functional import conv1d, scaled_dot_product_attention

    q, k, v = _linear(state, f"{name}.linear_q_k_v", x).chunk(3, -1)
    q, k, v_heads = (part.view(*part.shape[:2], HEADS, -1).transpose(1, 2) for part in (q, k, v))
    seen = scaled_dot_product_attention(q, k, v_heads)
    kernel, channels = state[f"{name}.fsmn_block.weight"], v.transpose(1, 2)
    memory = channels + conv1d(channels, kernel, padding=kernel.shape[-1] // 2, groups=len(kernel))
    return _linear(state, f"{name}.linear_out", seen.transpose(1, 2).flatten(2)) + memory.transpose(1, 2)


def _linear(state: "dict[str, torch.Tensor]", name: str, x: "torch.Tensor") -> "torch.Tensor":
    from torch.nn.functional import linear

    return linear(x, state[f"{name}.weight"], state[f"{name}.bias"])


def _norm(state: "dict[str, torch.Tensor]", name: str, x: "torch.Tensor") -> "torch.Tensor":
    from torch.nn.functional import layer_norm

    return layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], 1e-5)
