"""Score a checkpoint folder on a corpus folder through funasr.AutoModel: python -m tests.miniature.evaluate MODEL CORPUS

Error rates per language (words for English, characters elsewhere) without and with inverse text normalisation, tags, words invented
where nothing is said, and whether each word's time lies where it was said. The language is ``auto`` throughout.
"""

import json
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from funasr import AutoModel

from tests.miniature.words import Unit, plain, written

FRAME_SAMPLES = 960
NEAR_SAMPLES = 960  # a time this far outside its word still counts as inside: the model tells times in steps of 60 ms
TAGS = ("language", "emotion", "event")


def distance(reference: list[str], heard: list[str]) -> int:
    """Levenshtein's."""
    row = list(range(len(heard) + 1))
    for i, wanted in enumerate(reference, 1):
        before, row[0] = row[0], i
        for j, got in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (wanted != got))
    return row[-1]


def split(language: str, text: str) -> list[str]:
    return text.split() if language == "en" else list(text.replace(" ", ""))


class Scores:
    """Counts over a corpus."""

    def __init__(self, folder: Path) -> None:
        self.auto = AutoModel(model=str(folder), device="cpu", disable_update=True, disable_pbar=True)
        self.errors: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.units: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.right: Counter[str] = Counter()
        self.tagged: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.invented: Counter[str] = Counter()
        self.offsets: list[float] = []
        self.inside = 0

    def hear(self, sound: np.ndarray, *, itn: bool) -> tuple[list[str], str]:
        raw = self.auto.generate(input=sound, language="auto", use_itn=itn)[0]["text"]
        return re.findall(r"<\|([^|]*)\|>", raw)[:4], re.sub(r"<\|[^|]*\|>", "", raw).strip()

    def add(self, row: dict[str, Any], sound: np.ndarray) -> None:
        language, units = row["language"], [Unit(**unit) for unit in row["units"]]
        tags, heard = self.hear(sound, itn=False)
        self._count_tags(row, tags)
        if not units:
            kind = row["event"] if language == "nospeech" else "pieces of words"
            self.tagged[f"clips of {kind}"] += 1
            self.invented[kind] += len(split(language, heard))
            return
        said = "".join(plain(language, units)).strip()
        self._count("plain", language, said, heard)
        whole = units[-1].mark != "" and units[0].begin > 0
        self._count("plain, whole" if whole else "plain, cut", language, said, heard)
        with_marks = "".join(form + unit.mark for form, unit in zip(written(language, units), units, strict=True)).strip()
        self._count("with ITN", language, with_marks, self.hear(sound, itn=True)[1])
        if said == heard:
            self._count_times(language, units, sound)

    def _count(self, kind: str, language: str, said: str, heard: str) -> None:
        reference = split(language, said)
        self.errors[kind][language] += distance(reference, split(language, heard))
        self.units[kind][language] += len(reference)

    def _count_tags(self, row: dict[str, Any], tags: list[str]) -> None:
        for place, name in enumerate(TAGS):
            if name == "language" or row["units"] or row["language"] == "nospeech":
                self.tagged[name] += 1
                self.right[name] += tags[place] == row[name]
                if tags[place] != row[name]:
                    self.missed[f"{row[name]} as {tags[place]}"] += 1

    def _count_times(self, language: str, units: list[Unit], sound: np.ndarray) -> None:
        """The peak of each piece against the span of its word; only where the text is right, so that they can be paired."""
        model, frontend, tokenizer = self.auto.model, self.auto.kwargs["frontend"], self.auto.kwargs["tokenizer"]
        features, lengths = frontend(torch.from_numpy(sound)[None], torch.tensor([len(sound)]))
        with torch.no_grad():
            query = model.embed(torch.tensor([[0, 1, 2, model.textnorm_dict["woitn"]]]))
            rows = model.ctc.log_softmax(model.encoder(torch.cat([query, features], 1), lengths + 4)[0])[0, 4:]
        best = [0, *rows.argmax(-1).tolist()]
        spikes = [(token, i) for i, (last, token) in enumerate(zip(best, best[1:], strict=False)) if token not in (0, last)]
        owners = [unit for unit, form in zip(units, plain(language, units), strict=True) for _ in range(len("".join(form.split())))]
        letters = 0
        for token, frame in spikes:
            text = tokenizer.decode([token]).replace(" ", "")
            unit = owners[min(letters, len(owners) - 1)]
            letters += len(text)
            if text:
                moment = frame * FRAME_SAMPLES
                self.inside += unit.begin - NEAR_SAMPLES <= moment <= unit.end + NEAR_SAMPLES
                self.offsets.append((moment - (unit.begin + unit.end) / 2) / 16)

    def report(self) -> str:
        lines = []
        for kind, errors in self.errors.items():
            rates = ", ".join(f"{language} {errors[language] / count:.3f}" for language, count in sorted(self.units[kind].items()))
            lines.append(f"error rate, {kind}: {rates}")
        lines.append("tags right: " + ", ".join(f"{name} {self.right[name] / self.tagged[name]:.3f}" for name in TAGS))
        lines.append("most missed: " + ", ".join(f"{what} {count}" for what, count in self.missed.most_common(10)))
        silent = ", ".join(f"{kind} {count} in {self.tagged[f'clips of {kind}']} clips" for kind, count in sorted(self.invented.items()))
        lines.append(f"words invented: {silent}")
        low, middle, high = np.percentile(self.offsets, [5, 50, 95])
        lines.append(
            f"times: {self.inside / len(self.offsets):.3f} of {len(self.offsets)} pieces inside their word; "
            f"from its middle 5 % {low:.0f} ms, median {middle:.0f} ms, 95 % {high:.0f} ms"
        )
        return "\n".join(lines) + "\n"


def main(folder: Path, corpus: Path) -> None:
    scores = Scores(folder)
    pcm = np.memmap(corpus / "pcm.raw", np.int16, "r")
    for row in json.loads((corpus / "rows.json").read_text(encoding="utf-8")):
        scores.add(row, pcm[row["offset"] : row["offset"] + row["length"]].astype(np.float32) / 32768)
    sys.stdout.write(scores.report())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
