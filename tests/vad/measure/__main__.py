"""The tables of docs/quality.md, "Voice activity".

frames    each detector's frames against marked speech
segments  what the session makes of them: cuts, merges, clipped syllables, endpoint latency
cuts      where forced cuts fall, against the times of words
cost      CPU for a second of one stream: calls for one, 16 and 128 streams, and paced sessions that share the judge's turns
"""

import argparse
import asyncio
import sys
import time

import numpy as np

from streamer.bench.replay import Pace, Replay, encode
from streamer.bench.segmentation import SegmentationTally, compare
from streamer.bench.tally import nearest_rank
from streamer.core import endpointer
from streamer.core.endpointer import EndReason
from streamer.core.events import SAMPLE_RATE, Settings, SpeechEnded
from streamer.engine.scripted import Scripted
from streamer.judging import Batched
from streamer.vad.choose import NAMES, choose_judge
from tests.vad.measure.recordings import chapter, everything
from tests.vad.measure.rivals import at_hand

FRAME_MS = 10
THRESHOLD = 0.5


def frames(arguments):
    recordings = everything()
    found, missing = at_hand()
    for name, reason in missing.items():
        sys.stdout.write(f"without {name}: {reason}\n")
    row("detector", "group", "minutes", "precision", "recall", "F1", "onset late p50/p95 ms", "tail early p50/p95 ms", "false alarms")
    for name, detector in found.items():
        for group in groups(recordings):
            row(name, group, *frame_figures(detector, [one for one in recordings if one.group == group]))


def frame_figures(detector, recordings):
    hits = heard = marked = false = silent = 0
    onsets, tails = [], []
    for one in recordings:
        count = len(one.samples) // (FRAME_MS * 16)
        middles = (np.arange(count) + 0.5) * FRAME_MS
        probabilities = detector(one.samples)
        said = probabilities[np.minimum((middles * 16 / detector.hop).astype(int), len(probabilities) - 1)] >= THRESHOLD
        truth = np.zeros(count, bool)
        for begin, end in one.speech:
            within = (middles >= begin) & (middles < end)
            truth |= within
            inside = np.flatnonzero(said & within)
            if len(inside):
                onsets.append(max(0, int(inside[0] * FRAME_MS - begin)))
                tails.append(max(0, int(end - (inside[-1] + 1) * FRAME_MS)))
        hits, heard, marked = hits + (said & truth).sum(), heard + said.sum(), marked + truth.sum()
        false, silent = false + (said & ~truth).sum(), silent + (~truth).sum()
    minutes = sum(len(one.samples) for one in recordings) / SAMPLE_RATE / 60
    accuracy = (f"{hits / heard:.3f}", f"{hits / marked:.3f}", f"{2 * hits / (heard + marked):.3f}") if marked else ("", "", "")
    return f"{minutes:.1f}", *accuracy, percentiles(onsets), percentiles(tails), f"{false / max(1, silent):.3f}"


def segments(arguments):
    recordings = everything()
    endpointer.LEAST_PATIENCE = arguments.patience
    head = (
        "detector",
        "group",
        "segments/min",
        "forced/min",
        "cuts/min",
        "merges/min",
        "missed",
        "onset clipped p95 ms",
        "tail clipped p95 ms",
    )
    row(*head, "endpoint p50/p95 ms")
    for name in NAMES:
        replay = Replay(Scripted(), choose_judge(name), Settings(endpoint_silence_ms=arguments.silence, partials=False), Pace())
        for group in groups(recordings):
            tally, ended, forced = SegmentationTally(), 0, 0
            for one in (one for one in recordings if one.group == group):
                heard = replay.run(*encode(one.samples[None], Pace()))
                tally += compare(heard, one.speech)
                ended += len(heard.of(SpeechEnded))
                forced += sum(one.reason == EndReason.MAX_LENGTH for _, one in heard.of(SpeechEnded))
            minutes = tally.ms / 60_000
            rates = (f"{count / minutes:.2f}" for count in (ended, forced, tally.cuts, tally.merges))
            clipped = (nearest_rank(values, 0.95) for values in (tally.onsets, tally.tails))
            row(name, group, *rates, f"{tally.missed} of {tally.utterances}", *clipped, percentiles(tally.endpoints))


def cuts(arguments):
    """The chapter with an endpoint that never comes, so that every segment is cut by force."""
    reading = chapter()
    random = np.random.default_rng(0)
    loud = np.sqrt(np.mean(reading.samples.astype(float) ** 2))
    row("detector", "sound", "longest s", "cuts", "more than 40 ms within a word")
    for name in NAMES:
        for sound, snr_db in (("clean", None), ("white noise 10 dB", 10), ("white noise 0 dB", 0)):
            noise = 0 if snr_db is None else random.standard_normal(len(reading.samples)) * loud / 10 ** (snr_db / 20)
            samples = np.clip(reading.samples + noise, -32768, 32767).astype(np.int16)
            for longest in (3, 5, 10, 20):
                settings = Settings(endpoint_silence_ms=5_000, max_segment_ms=longest * 1000, partials=False)
                heard = Replay(Scripted(), choose_judge(name), settings, Pace()).run(*encode(samples[None], Pace()))
                ends = [one.end_ms for _, one in heard.of(SpeechEnded) if one.reason == EndReason.MAX_LENGTH]
                within = sum(any(begin + 40 < end < stop - 40 for begin, stop in reading.speech) for end in ends)
                row(name, sound, longest, len(ends), within)


def cost(arguments):
    row("detector", "1 stream", "16 streams", "128 streams", "a silent stream", "1 session", "16 sessions", "64 sessions")
    voice = next(one.samples for one in everything() if one.group == "clean")
    for name in NAMES:
        judge = choose_judge(name)
        calls = [called(judge, voice, streams) for streams in (1, 16, 128)]
        silent = called(judge, np.zeros(len(voice), np.int16), 16)
        row(name, *calls, silent, *(asyncio.run(paced(judge, voice, count)) for count in (1, 16, 64)))
    found, _ = at_hand()
    for name, detector in found.items():
        if name not in NAMES:
            began = time.process_time()
            detector(voice)
            row(name, cpu(began, len(voice) / SAMPLE_RATE))


def called(judge, voice, streams):
    """Tenths of a second at a time, all streams in one call."""
    step = max(1, 1600 // judge.frame_samples) * judge.frame_samples
    steps = max(2, min(40 * 16 // streams, len(voice) // step))
    opened = [judge.open(1) for _ in range(streams)]
    judge.judge_many([(stream, voice[None, :step]) for stream in opened])
    began = time.process_time()
    for n in range(1, steps):
        judge.judge_many([(stream, voice[None, n * step : (n + 1) * step]) for stream in opened])
    return cpu(began, streams * (steps - 1) * step / SAMPLE_RATE)


async def paced(judge, voice, sessions, seconds=5):
    """Sessions that bring a tenth of a second every tenth of a second, each at its own moment, and share the judge's turns."""
    judging = Batched(judge)

    async def session(start):
        line = judging.open(1, lambda probabilities: None, lambda error: None)
        whole, sent = 0, 0
        for n in range(seconds * 10):
            await asyncio.sleep(max(0.0, start + n / 10 - loop.time()))
            sent += 1600
            complete = sent // judge.frame_samples * judge.frame_samples
            line.ask(np.take(voice, np.arange(whole, complete), mode="wrap")[None])
            whole = complete

    loop = asyncio.get_running_loop()
    began = time.process_time()
    await asyncio.gather(*(session(loop.time() + n / sessions / 10) for n in range(sessions)))
    spent = cpu(began, sessions * seconds)
    await judging.close()
    return spent


def cpu(began, seconds):
    return f"{(time.process_time() - began) * 1000 / seconds:.2f}"


def groups(recordings):
    return dict.fromkeys(one.group for one in recordings)


def percentiles(values):
    return f"{nearest_rank(values, 0.5):.0f}/{nearest_rank(values, 0.95):.0f}" if values else ""


def row(*cells):
    sys.stdout.write("| " + " | ".join("" if cell is None else str(cell) for cell in cells) + " |\n")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=("frames", "segments", "cuts", "cost"))
    parser.add_argument("--silence", type=int, default=Settings().endpoint_silence_ms, metavar="MS", help="endpoint_silence_ms")
    parser.add_argument("--patience", type=float, default=endpointer.LEAST_PATIENCE, metavar="SHARE", help="1 keeps the silence fixed")
    arguments = parser.parse_args()
    {"frames": frames, "segments": segments, "cuts": cuts, "cost": cost}[arguments.table](arguments)


if __name__ == "__main__":
    main()
