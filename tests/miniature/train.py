"""Train the miniature: OMP_NUM_THREADS=1 python -m tests.miniature.train EPOCHS CORPUS MODEL [WORKERS]

Reads a folder that make_corpus.py made and writes a checkpoint folder that funasr.AutoModel loads. The four prompt rows (language,
event and emotion, text normalisation) learn by cross-entropy and the words by CTC, as SenseVoice's do; since the corpus knows when each
word was said, a second cross-entropy ties each piece to its place, which teaches faster and keeps the times true. After each epoch the
averaged weights are saved, and the state in CORPUS, from which the same command goes on after an interruption. Each worker is a process
with its own batches, whose gradients are averaged: matrices this small gain nothing from threads.
"""

import json
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as workers
import torch.multiprocessing as processes
from funasr.frontends.wav_frontend import WavFrontend
from torch.nn.functional import ctc_loss, nll_loss

from tests.miniature.checkpoint import CONFIG, Pieces, build, write_configuration, write_normalisation, write_vocabulary
from tests.miniature.words import LANGUAGES, Unit, plain, written

FRAMES = 2048  # per batch
FRAME_SAMPLES = 960
PEAK_RATE, WARM_UP, DECAY_SHARE = 1.5e-3, 400, 0.35
AVERAGE = 0.998
Tokens, Places = tuple[int, ...], tuple[tuple[int, int], ...]
NOTHING = -1


@dataclass(frozen=True, slots=True)
class Example:
    """One clip: features at ``[begin, begin + frames)``; targets without and with inverse text normalisation."""

    begin: int
    frames: int
    language: str
    emotion: str
    event: str
    tokens: tuple[Tokens, Tokens]
    places: tuple[Places, Places]
    """``(frame, token)`` where a token is known to be spoken."""


def featurise(corpus: Path, rows: list[dict[str, Any]]) -> tuple[np.ndarray, list[int]]:
    """The features of all clips end to end, ``[frames, 560]`` float16, not normalised, and each clip's frames. Kept in CORPUS."""
    kept, counts = corpus / "features.npy", corpus / "frames.json"
    if not counts.exists():
        frontend, pcm, parts = WavFrontend(**CONFIG["frontend_conf"]), np.memmap(corpus / "pcm.raw", np.int16, "r"), []
        for row in rows:
            sound = torch.from_numpy(pcm[row["offset"] : row["offset"] + row["length"]].astype(np.float32) / 32768)
            parts.append(frontend(sound[None], torch.tensor([len(sound)]))[0][0].numpy().astype(np.float16))
        np.save(kept, np.concatenate(parts))
        counts.write_text(json.dumps([len(part) for part in parts]))
    return np.load(kept, mmap_mode="r"), json.loads(counts.read_text())


def normalisation(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each mel band, seven times over: a frame is seven spectra."""
    some = np.asarray(features[::11], np.float32).reshape(-1, 80)
    return np.tile(some.mean(0), 7), np.tile(some.std(0), 7)


def targets(language: str, units: list[Unit], pieces: Pieces, *, itn: bool, frames: int) -> tuple[Tokens, Places]:
    """The tokens of the text, and the frames at which those of its words are spoken."""
    tokens: list[int] = []
    places: dict[int, int] = {}
    for unit, form in zip(units, (written if itn else plain)(language, units), strict=True):
        ids = pieces.of(form)
        for i, token in enumerate(ids):
            moment = unit.begin + (unit.end - unit.begin) * (i + 0.5) / len(ids)
            places[min(round(moment / FRAME_SAMPLES), frames - 1)] = token
        tokens += ids + (pieces.of(unit.mark) if itn and unit.mark else [])
    return tuple(tokens), tuple(places.items())


def examples(rows: list[dict[str, Any]], counts: list[int], pieces: Pieces) -> list[Example]:
    made, begin = [], 0
    for row, frames in zip(rows, counts, strict=True):
        units = [Unit(**unit) for unit in row["units"]]
        both = [targets(row["language"], units, pieces, itn=itn, frames=frames) if units else ((), ()) for itn in (False, True)]
        tokens, places = (both[0][0], both[1][0]), (both[0][1], both[1][1])
        made.append(Example(begin, frames, row["language"], row["emotion"], row["event"], tokens, places))
        begin += frames
    return made


class Trainer:
    """The model, its averaged copy and the optimiser, over one corpus."""

    def __init__(self, epochs: int, corpus: Path, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        rows = json.loads((corpus / "rows.json").read_text(encoding="utf-8"))
        self.features, counts = featurise(corpus, rows)
        self.mean, self.deviation = normalisation(self.features)
        write_configuration(folder)
        write_normalisation(folder, self.mean, self.deviation)
        if not (folder / "bpe.model").exists():
            write_vocabulary(folder, [(row["language"], [Unit(**unit) for unit in row["units"]]) for row in rows if row["units"]])
        self.pieces = Pieces(folder)
        self.examples = examples(rows, counts, self.pieces)
        self.folder, self.kept, self.epochs, self.epoch, self.step = folder, corpus / "state.pt", epochs, 0, 0
        torch.manual_seed(0)
        self.model = build(self.pieces.size)
        self.average = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=PEAK_RATE, weight_decay=0.01, betas=(0.9, 0.98))
        if self.kept.exists():
            state = torch.load(self.kept, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.average, self.epoch, self.step = state["average"], state["epoch"], state["step"]

    def batches(self, rng: np.random.Generator) -> list[list[Example]]:
        """All examples once, in batches of like length and about FRAMES frames; this worker's share of them."""
        order = sorted(self.examples, key=lambda example: example.frames * rng.uniform(0.9, 1.1))
        made: list[list[Example]] = [[]]
        for example in order:
            if made[-1] and (len(made[-1]) + 1) * max(example.frames, max(other.frames for other in made[-1][-8:])) > FRAMES:
                made.append([])
            made[-1].append(example)
        order = rng.permutation(len(made))
        rank, count = workers.get_rank(), workers.get_world_size()
        return [made[i] for i in order[rank : len(made) - len(made) % count : count]]

    def seen(self, example: Example, rng: np.random.Generator) -> np.ndarray:
        """The features of one clip, normalised, with a little of time and pitch hidden."""
        sound = (self.features[example.begin : example.begin + example.frames].astype(np.float32) - self.mean) / self.deviation
        if rng.random() < 0.25:
            place = int(rng.integers(example.frames))
            sound[place : place + int(rng.integers(1, 3))] = 0
        if rng.random() < 0.5:
            low, width = int(rng.integers(72)), int(rng.integers(2, 11))
            sound.reshape(-1, 7, 80)[:, :, low : low + width] = 0
        return np.asarray(sound + rng.uniform(-0.15, 0.15), np.float32)

    def losses(self, batch: list[Example], rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The losses of tags, of text, and of the places of its pieces."""
        model, tag = self.model, self.pieces.tag
        longest = max(example.frames for example in batch)
        sound = np.zeros((len(batch), longest, 560), np.float32)
        places = np.full((len(batch), longest), NOTHING)
        language, style, tags = [], [], []
        itn = [int(rng.integers(2)) for _ in batch]
        for i, example in enumerate(batch):
            sound[i, : example.frames] = self.seen(example, rng)
            told = str(rng.choice(list(LANGUAGES))) if example.language == "nospeech" else example.language
            language.append(model.lid_dict[told] if rng.random() < 0.4 else 0)
            norm = ("woitn", "withitn")[itn[i]]
            style.append(model.textnorm_dict[norm])
            tags.append([tag(example.language), tag(example.emotion), tag(example.event), tag(norm)])
            for frame, token in example.places[itn[i]]:
                places[i, frame] = token
        asked = torch.tensor([[one, 1, 2, other] for one, other in zip(language, style, strict=True)])
        lengths = torch.tensor([example.frames for example in batch])
        tokens = [example.tokens[itn[i]] for i, example in enumerate(batch)]
        with torch.autocast("cpu", torch.bfloat16):
            hidden, _ = model.encoder(torch.cat([model.embed(asked), torch.from_numpy(sound)], 1), lengths + 4)
            rows = model.ctc.ctc_lo(hidden)
        rows = rows.float().log_softmax(-1)
        flat = torch.tensor([token for text in tokens for token in text])
        text = ctc_loss(rows[:, 4:].transpose(0, 1), flat, lengths, torch.tensor([len(text) for text in tokens]), zero_infinity=True)
        spots = torch.from_numpy(places).reshape(-1)
        known = spots != NOTHING
        place = nll_loss(rows[:, 4:].reshape(-1, self.pieces.size)[known], spots[known]) if bool(known.any()) else torch.zeros(())
        return nll_loss(rows[:, :4].reshape(-1, self.pieces.size), torch.tensor(tags).reshape(-1)), text, place

    def run_epoch(self) -> np.ndarray:
        """One pass over the corpus; the mean losses of tags, text and places."""
        rng, totals = np.random.default_rng(self.epoch), []
        batches = self.batches(rng)
        for i, batch in enumerate(batches):
            decay = (self.epochs - self.epoch - i / len(batches)) / (self.epochs * DECAY_SHARE)
            for group in self.optimiser.param_groups:
                group["lr"] = PEAK_RATE * max(min(1.0, (self.step + 1) / WARM_UP, decay), 0.005)
            tags, text, place = self.losses(batch, rng)
            self.optimiser.zero_grad()
            (tags + text + (1.0 if self.epoch < 3 else 0.3) * place).backward()
            self.share_gradients()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
            self.optimiser.step()
            self.step += 1
            kept = min(AVERAGE, self.step / (self.step + 50))
            with torch.no_grad():
                for name, value in self.model.state_dict().items():
                    self.average[name].lerp_(value, 1 - kept)
            totals.append([float(loss.detach()) for loss in (tags, text, place)])
        self.epoch += 1
        return np.mean(totals, 0)

    def share_gradients(self) -> None:
        """The mean over the workers, in one message."""
        gradients = [value.grad for value in self.model.parameters() if value.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        workers.all_reduce(flat)
        flat /= workers.get_world_size()
        for gradient, mean in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def save(self) -> None:
        torch.save(self.average, self.folder / "model.pt")
        state = {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict(), "average": self.average}
        torch.save(state | {"epoch": self.epoch, "step": self.step}, self.kept.with_suffix(".new"))
        self.kept.with_suffix(".new").replace(self.kept)


def work(rank: int, count: int, epochs: int, corpus: Path, folder: Path) -> None:
    """One worker; the first prepares, saves and reports."""
    workers.init_process_group(
        "gloo", init_method=f"file://{corpus}/meeting-point", rank=rank, world_size=count, timeout=timedelta(hours=1)
    )
    if rank:
        workers.barrier()
    trainer = Trainer(epochs, corpus, folder)
    if not rank:
        workers.barrier()
    while trainer.epoch < epochs:
        began, used = time.monotonic(), time.process_time()
        tags, text, place = trainer.run_epoch()
        if rank == 0:
            trainer.save()
            spent = f"{time.monotonic() - began:.0f} s, of a core {time.process_time() - used:.0f} s"
            sys.stdout.write(f"epoch {trainer.epoch}: tags {tags:.3f}, text {text:.3f}, places {place:.3f}; {spent}\n")
            sys.stdout.flush()
    workers.destroy_process_group()


def main(epochs: int, corpus: Path, folder: Path, count: int = 1) -> None:
    corpus = corpus.resolve()
    (corpus / "meeting-point").unlink(missing_ok=True)
    processes.spawn(work, (count, epochs, corpus, folder), nprocs=count)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), *map(int, sys.argv[4:]))
