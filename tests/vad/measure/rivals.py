"""Detectors to compare with, where they are at hand: each turns int16 ``[n]`` into a probability for every hop."""

import re
from functools import partial
from importlib import import_module

import numpy as np

from streamer.vad.choose import NAMES, choose_judge
from tests.vad.measure.recordings import SHARED

MODELS = SHARED / "vad_models"


class Ours:
    """A judge of ours, over a whole recording."""

    def __init__(self, name):
        self.judge = choose_judge(name)
        self.hop = self.judge.frame_samples

    def __call__(self, samples):
        return np.array(self.judge.open(1).judge(samples[None, : len(samples) // self.hop * self.hop]))[:, 0]


class Ten:
    """The package ``ten-vad``: a closed library, for x86-64 on Linux; needs libc++."""

    hop = 256

    def __init__(self):
        self.make = import_module("ten_vad").TenVad
        self.make(self.hop)

    def __call__(self, samples):
        detector = self.make(self.hop)
        frames = samples[: len(samples) // self.hop * self.hop].reshape(-1, self.hop)
        return np.array([detector.process(frame)[0] for frame in frames])


class FireRed:
    """FireRedVAD's streaming model: 80 mel bands, normalised by the mean and variance of its training."""

    hop = 160

    def __init__(self):
        self.network = network("fireredvad/fireredvad_stream_vad.onnx")
        sums = import_module("kaldiio").load_mat(str(MODELS / "fireredvad/cmvn.ark"))
        self.mean = sums[0, :-1] / sums[0, -1]
        self.deviation = np.sqrt(sums[1, :-1] / sums[0, -1] - self.mean**2)

    def __call__(self, samples):
        bands = (fbank(samples, "povey") - self.mean) / self.deviation
        return self.network.run(["probs"], {"feat": bands[None].astype(np.float32)})[0][0, :, 0]


class Fsmn:
    """FunASR's FSMN-VAD, by its frames' probability of not being silence: five frames of 80 bands stacked, shifted and scaled."""

    hop = 160

    def __init__(self):
        self.network = network("fsmn-vad/model.onnx")
        rows = [row.split() for row in re.findall(r"\[([^\]]*)\]", (MODELS / "fsmn-vad/am.mvn").read_text())]
        self.shift, self.scale = (np.array(row, np.float32) for row in rows if len(row) == 400)

    def __call__(self, samples):
        bands = fbank(samples, "hamming")
        padded = np.concatenate([bands[:1], bands[:1], bands, bands[-1:], bands[-1:]])
        stacked = np.concatenate([padded[n : n + len(bands)] for n in range(5)], axis=1)
        memory = {f"in_cache{n}": np.zeros((1, 128, 19, 1), np.float32) for n in range(4)}
        speech = ((stacked + self.shift) * self.scale)[None].astype(np.float32)
        return 1 - self.network.run(["logits"], {"speech": speech, **memory})[0][0, :, 0]


def network(path):
    if not (MODELS / path).is_file():
        raise FileNotFoundError(MODELS / path)
    runtime = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(str(MODELS / path), options, providers=["CPUExecutionProvider"])


def fbank(samples, window):
    kaldi = import_module("kaldi_native_fbank")
    options = kaldi.FbankOptions()
    options.frame_opts.dither, options.frame_opts.window_type = 0, window
    options.mel_opts.num_bins = 80
    bank = kaldi.OnlineFbank(options)
    bank.accept_waveform(16_000, samples.astype(np.float32))
    bank.input_finished()
    return np.array([bank.get_frame(n) for n in range(bank.num_frames_ready)])


def at_hand():
    """All that can run here, by name, and why the others cannot."""
    makers = {**{name: partial(Ours, name) for name in NAMES}, "ten-vad": Ten, "firered": FireRed, "fsmn": Fsmn}
    found, missing = {}, {}
    for name, make in makers.items():
        try:
            found[name] = make()
        except (ImportError, OSError) as reason:
            missing[name] = reason
    return found, missing
