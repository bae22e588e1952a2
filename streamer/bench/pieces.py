"""A vocabulary as large as SenseVoice's, of Chinese characters, with its tags where upstream has them."""

from typing import Final

from streamer.core.richtext import EMOTION_TAGS, EVENT_TAGS, ITN_TAGS, LANGUAGE_TAGS

SIZE: Final = 25_055
TAG_ROWS: Final = {  # the first one's id; others have upstream's numbers in their code
    24_884: ("zh", "en"),
    24_888: ("yue",),
    24_892: ("ja",),
    24_896: ("ko",),
    24_992: ("nospeech", "Speech"),
    24_995: ("BGM",),
    24_997: ("Laughter",),
    24_999: ("Applause",),
    25_001: ("HAPPY", "SAD", "ANGRY", "NEUTRAL", "FEARFUL", "DISGUSTED", "SURPRISED"),
    25_009: ("EMO_UNKNOWN", "Cry", "Sneeze", "Breath", "Cough", "Sing", "Speech_Noise", "withitn", "woitn"),
    25_019: ("Event_UNK",),
}


def pieces() -> list[str]:
    """The vocabulary. Any text is divided in one way alone, and nothing hangs on spaces: peers look for the words again in their text."""
    tags = {first + n: f"<|{name}|>" for first, names in TAG_ROWS.items() for n, name in enumerate(names)}
    assert {tag[2:-2] for tag in tags.values()} == {*LANGUAGE_TAGS, *EMOTION_TAGS, *EVENT_TAGS, *ITN_TAGS}
    characters = (*range(0x4E00, 0xA000), *range(0x3400, 0x4DC0))
    found = ["<unk>", "<s>", "</s>", *map(chr, characters)][:SIZE]
    return [tags.get(id, piece) for id, piece in enumerate(found)]


def tokenizer() -> bytes:
    """A sentencepiece model of them, with no space put before a text and nothing normalised."""
    from sentencepiece import sentencepiece_model_pb2 as schema

    model = schema.ModelProto()  # type: ignore[attr-defined]  # made when it is imported
    kinds = {"<unk>": 2, "<s>": 3, "</s>": 3}  # unknown and control; tags are 4, defined by the user, and the rest 1
    for piece in pieces():
        model.pieces.add(piece=piece, score=-10.0, type=kinds.get(piece, 4 if piece.startswith("<|") else 1))
    model.trainer_spec.model_type = 1  # unigram, where each character is a piece whatever its score
    model.trainer_spec.vocab_size = SIZE
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = False
    return bytes(model.SerializeToString(deterministic=True))
