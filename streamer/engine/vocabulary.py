"""SenseVoice's vocabulary: its tags, found by their pieces, and the text of its tokens."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from streamer.core.events import Token
from streamer.core.richtext import EMOTION_TAGS, EVENT_TAGS, ITN_TAGS, LANGUAGE_TAGS
from streamer.engine.ctc import Run, span
from streamer.errors import ModelCorrupt

LabelIds = Mapping[str, int]
"""Label, lower case, to the id of its tag."""

CONTINUATION_BYTES: Final = range(0x80, 0xC0)
"""Bytes that go on with a character of UTF-8; any other begins one."""


class Vocabulary:
    """A sentencepiece model with SenseVoice's tags. It may lack some of them, as a small model does.

    Raises ``ModelCorrupt`` where the file cannot be read or has none.
    """

    languages: LabelIds
    emotions: LabelIds
    events: LabelIds
    itn: LabelIds

    def __init__(self, path: Path) -> None:
        import sentencepiece

        try:
            self._pieces = sentencepiece.SentencePieceProcessor(model_file=str(path))
        except (OSError, RuntimeError) as error:
            raise ModelCorrupt(f"{path} cannot be read as a sentencepiece model ({error}); pull the model again.") from error
        self.size: int = self._pieces.get_piece_size()
        self.languages = self._found(LANGUAGE_TAGS)
        self.emotions = self._found(EMOTION_TAGS)
        self.events = self._found(EVENT_TAGS)
        self.itn = self._found({name: name for name in ITN_TAGS})
        anchors = [*self.languages.values(), *self.emotions.values(), *self.events.values()]
        if not anchors:
            raise ModelCorrupt(
                f"{path} has {self.size} pieces and none of SenseVoice's tags, such as <|en|>, <|NEUTRAL|> or <|Speech|>; "
                "expected the tokenizer of a SenseVoice checkpoint. Name another folder with --model, or pull the model again."
            )
        # sentencepiece takes the space off the first piece of a text. A tag before it keeps the space where the model put it.
        self._anchor = anchors[0]
        self._anchor_text: str = self._pieces.decode([self._anchor])
        self._known: dict[int, tuple[str, int | None]] = {}  # of single ids, so no larger than the vocabulary

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, tags included: what upstream gives."""
        text: str = self._pieces.decode(list(ids))
        return text

    def tokens(self, runs: Sequence[Run]) -> tuple[Token, ...]:
        """Runs of text to tokens; the bytes of one character that the vocabulary lacks are one token, with the first one's id."""
        pieces = [self._known.get(run.id) or self._learn(run.id) for run in runs]
        if any(byte is not None for _, byte in pieces):
            return tuple(self._joined(group) for group in self._characters(runs))
        return tuple(self._token(run, text) for run, (text, _) in zip(runs, pieces, strict=True))

    def _token(self, run: Run, text: str) -> Token:
        begin, end = span(run)
        return Token(id=run.id, text=text, begin=begin, end=end, p=run.p)

    def _joined(self, group: Sequence[Run]) -> Token:
        first = group[0]
        text = self._text([run.id for run in group]) if len(group) > 1 else self._known[first.id][0]
        return self._token(Run(first.id, first.begin, group[-1].end, min(run.p for run in group)), text)

    def _learn(self, id: int) -> tuple[str, int | None]:
        """A piece's text, and its value where it is a byte, such as ``<0xE4>``."""
        byte = int(self._pieces.id_to_piece(id)[1:-1], 16) if self._pieces.is_byte(id) else None
        self._known[id] = self._text([id]), byte
        return self._known[id]

    def _text(self, ids: Sequence[int]) -> str:
        return self.decode((self._anchor, *ids))[len(self._anchor_text) :]

    def _characters(self, runs: Sequence[Run]) -> Iterator[list[Run]]:
        group: list[Run] = []
        for run in runs:
            byte = self._known[run.id][1]
            if group and not (byte in CONTINUATION_BYTES and self._known[group[-1].id][1] is not None):
                yield group
                group = []
            group.append(run)
        if group:
            yield group

    def _found(self, tags: Mapping[str, str]) -> LabelIds:
        ids = {label: self._pieces.piece_to_id(f"<|{name}|>") for name, label in tags.items()}
        return {label: id for label, id in ids.items() if id != self._pieces.unk_id()}
