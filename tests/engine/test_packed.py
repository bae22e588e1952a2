"""The packed forward pass and its kernels: upstream's answers without padding. On a GPU if there is one, else in Triton's interpreter."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from streamer.core.events import LANGUAGES, SAMPLE_RATE, Failed
from streamer.engine import BatchLimits
from streamer.engine.device import choose_precision
from streamer.engine.sensevoice import SenseVoice
from streamer.errors import ConfigurationError, ModelCorrupt
from tests.engine import checkpoints
from tests.engine.reference import excused

pytest.importorskip("triton", reason="triton is not installed, which the packed forward pass is made of")
pytestmark = pytest.mark.usefixtures("one_thread")

DEVICE = "cuda:0" if torch.cuda.is_available() else "cpu"
SECONDS = (0.3, 2.1, 0.01, 1.0, 4.4)
LIMITS = BatchLimits(max_items=8, max_audio_s=10.0, buckets_s=(), packed=True)


@pytest.fixture(scope="module", autouse=True)
def kernels():
    """With several rows in every program, of which the last has too few; and in the interpreter, programs are what takes time."""
    from streamer.engine import kernels

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "TILED_ROWS", 1)
        yield kernels


@pytest.fixture(scope="module")
def packed(checkpoint, one_thread):
    engine = SenseVoice(checkpoint, device=DEVICE, precision="float32", packed=True, batch_limits=LIMITS)
    if DEVICE != "cpu":
        engine.warm_up()
    return engine


@pytest.fixture(scope="module")
def jobs(speech, job_of):
    """All languages, both ITN settings, speech of several lengths, next to nothing, and silence."""
    clips = [speech[n * 33_333 :][: int(seconds * SAMPLE_RATE)] for n, seconds in enumerate(SECONDS)]
    clips.append(np.zeros(9_000, np.int16))
    return [job_of(clip, language=LANGUAGES[n % len(LANGUAGES)], itn=n % 2 == 0) for n, clip in enumerate(clips)]


def random(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32)).to(DEVICE)


def integers(values):
    return torch.tensor(values, dtype=torch.int32, device=DEVICE)


def test_a_mixed_batch_gives_upstream_s_ids(packed, upstream, jobs):
    answers = [upstream.generate(job.samples, language=job.language, itn=job.itn) for job in jobs if len(job.samples) >= 400]
    rows = [rows for job, rows in zip(jobs, packed.rows(jobs), strict=True) if len(job.samples) >= 400]
    assert sum(excused(answer, found) for answer, found in zip(answers, rows, strict=True)) <= 1


def test_ids_probabilities_and_tags_are_those_of_the_padded_pass(packed, engine, jobs):
    for ours, theirs in zip(packed.rows(jobs), engine.rows(jobs), strict=True):
        assert (ours.ids == theirs.ids).all()
        assert ours.p == pytest.approx(theirs.p, abs=1e-4)
        assert ours.tags == pytest.approx(theirs.tags, abs=1e-3)


def test_an_utterance_alone_gives_what_it_gives_in_company(packed, jobs):
    for job, beside in zip(jobs[:3], packed.rows(jobs), strict=False):
        (alone,) = packed.rows([job])
        assert (alone.ids == beside.ids).all()
        assert alone.p == pytest.approx(beside.p, abs=1e-5)


def test_a_batch_beyond_every_capacity_is_answered_too_and_spoils_nothing(checkpoint, packed, jobs):
    limits = BatchLimits(max_items=1, max_audio_s=0.5, buckets_s=(), packed=True)
    small = SenseVoice(checkpoint, device=DEVICE, precision="float32", packed=True, batch_limits=limits)
    if DEVICE != "cpu":
        small.warm_up()
    wanted = packed.rows(jobs[:2])
    for some in (jobs[:2], jobs[:1], jobs[:2], jobs[:1]):
        for ours, theirs in zip(small.rows(some), wanted, strict=False):
            assert (ours.ids == theirs.ids).all()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of numpy, which interprets the kernels
def test_an_item_whose_scores_are_no_numbers_fails_alone(checkpoint, tmp_path, jobs):
    state = torch.load(checkpoint / "model.pt", weights_only=True)
    state["embed.weight"][3] = torch.nan  # the prompt for Mandarin
    for path in checkpoint.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    torch.save(state, tmp_path / "model.pt")
    engine = SenseVoice(tmp_path, device=DEVICE, precision="float32", packed=True, batch_limits=LIMITS)
    answers = engine.transcribe(jobs[:3])
    assert [isinstance(answer, Failed) for answer in answers] == [job.language == "zh" for job in jobs[:3]]


def test_weights_that_do_not_fit_are_named(checkpoint, tmp_path):
    state = torch.load(checkpoint / "model.pt", weights_only=True)
    state["encoder.encoders.0.norm1.bias"] = torch.zeros(63)
    for path in checkpoint.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(ModelCorrupt, match=r"model.pt: encoder.encoders.0.norm1.bias is \(63,\), expected \(64,\)"):
        SenseVoice(tmp_path, device=DEVICE, precision="float32", packed=True, batch_limits=LIMITS)


def test_warming_up_runs_every_length_alone_and_in_the_largest_batch(checkpoint, monkeypatch):
    monkeypatch.setattr("streamer.engine.rows.BUCKETS_S", (0.3, 0.5))
    limits = BatchLimits(max_items=2, max_audio_s=1.0, buckets_s=(), packed=True)
    cost = SenseVoice(checkpoint, device=DEVICE, precision="float32", packed=True, batch_limits=limits).warm_up()
    assert [(batch, seconds) for batch, seconds, _ in cost.forwards] == [(1, 0.3), (2, 0.3), (1, 0.5), (2, 0.5)]


@pytest.mark.parametrize("rows", [1, 9])
@pytest.mark.parametrize("width", [64, 560 // 7])
def test_sums_are_normalised_and_kept(kernels, rows, width):
    stream, added, gain, bias = random(rows, width), random(rows, width, seed=1), random(width, seed=2), random(width, seed=3)
    wanted = stream + added
    out = torch.empty_like(stream)
    kernels.add_norm(out, gain, bias, 1e-5, stream=stream, keep=True, added=added)
    assert stream.cpu().numpy() == pytest.approx(wanted.cpu().numpy(), abs=1e-6)
    assert out.cpu().numpy() == pytest.approx(torch.nn.functional.layer_norm(wanted, (width,), gain, bias).cpu().numpy(), abs=1e-5)


def test_the_memory_block_hears_its_own_utterance_alone(kernels):
    joint, taps = random(12, 3 * 64), random(11, 64, seed=1)
    spans = [(0, 7), (7, 8), (8, 11), (0, 0)]  # the last row is empty
    rows = [span for span, count in zip(spans, (7, 1, 3, 1), strict=True) for _ in range(count)]
    begins, ends = (integers([span[side] for span in rows]) for side in (0, 1))
    stream, out = torch.full((12, 64), 5.0, device=DEVICE), torch.empty(12, 64, device=DEVICE)
    kernels.add_norm(
        out,
        torch.ones(64, device=DEVICE),
        torch.zeros(64, device=DEVICE),
        1e-5,
        stream=stream,
        keep=True,
        fresh=True,
        memory=(joint[:, 128:], taps, begins, ends, 5),
    )
    for begin, end in spans[:3]:
        padded = torch.nn.functional.pad(joint[begin:end, 128:].cpu().t()[None], (5, 5))
        wanted = torch.nn.functional.conv1d(padded, taps.cpu().t()[:, None], groups=64)[0].t()
        assert stream[begin:end].cpu().numpy() == pytest.approx(wanted.numpy(), abs=1e-5)
    assert not stream[11].any()


def test_rows_attend_to_their_own_utterance_alone(kernels):
    joint, out = random(80, 3 * 64), torch.full((80, 64), 7.0, device=DEVICE)
    spans = [(0, 40), (40, 45), (45, 79)]
    blocks = [[first, begin, end] for begin, end in spans for first in range(begin, end, 16)]
    kernels.attend(out, joint, integers([*blocks, [0, 0, 0]]), 16, 4, "ieee")
    for begin, end in spans:
        q, k, v = joint[begin:end].cpu().reshape(end - begin, 3, 4, 16).permute(1, 2, 0, 3)  # on the CPU no switch makes it TF32
        wanted = torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(0, 1).reshape(end - begin, 64)
        assert out[begin:end].cpu().numpy() == pytest.approx(wanted.numpy(), abs=1e-5)
    assert (out[79] == 7.0).all()  # in no block


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_best_id_is_the_first_of_equals_and_no_number_has_no_probability(kernels, monkeypatch):
    monkeypatch.setattr(kernels, "COLUMNS", 64)  # of 300, so that the last step is not full
    logits = 5 * random(4, 300)
    logits[1, [70, 200]] = 40.0
    logits[2, 8] = torch.nan
    logits[3] -= 1e4
    ids, p = integers([0] * 4), torch.empty(4, device=DEVICE)
    kernels.best(ids, p, logits)
    expected = logits[[0, 1, 3]]
    assert ids[[0, 1, 3]].tolist() == [int(expected[0].argmax()), 70, int(expected[2].argmax())]
    assert p[[0, 1, 3]].tolist() == pytest.approx(expected.softmax(-1).max(-1).values.tolist(), abs=1e-6)
    assert p[2].isnan()


def test_capacities_grow_by_a_quarter_at_the_most_once_a_forward_is_more_than_its_launch():
    from streamer.engine.replay import capacities

    sizes = list(capacities(8_000))
    assert sizes[0] == 32
    assert sizes[-2] < 8_000 <= sizes[-1]
    large = [size for size in sizes if size >= 256]
    assert all(after <= 1.25 * before for before, after in pairwise(large))


@pytest.mark.skipif(DEVICE == "cpu", reason="torch sees no GPU: there is nothing to record")
@pytest.mark.parametrize(("precision", "p"), [("float32", 1e-5), ("tf32", 1e-2), ("bfloat16", 1e-1)])
def test_recordings_give_what_launching_gives(checkpoint, jobs, precision, p):
    recorded, launched = (
        SenseVoice(checkpoint, device=DEVICE, precision=precision, graphs=graphs, batch_limits=LIMITS) for graphs in (True, False)
    )
    recorded.warm_up()
    for batch in ([job] for job in jobs), [jobs], [jobs[::-1]]:
        for some in batch:
            for ours, theirs in zip(recorded.rows(some), launched.rows(some), strict=True):
                assert (ours.ids == theirs.ids).mean() >= 0.95
                assert ours.p == pytest.approx(theirs.p, abs=p)


@pytest.mark.skipif(DEVICE == "cpu", reason="torch sees no GPU: a CPU has neither TF32 nor bfloat16 here")
@pytest.mark.parametrize(("precision", "share"), [("tf32", 0.99), ("bfloat16", 0.95)])
def test_fewer_bits_give_nearly_the_same_ids(checkpoint, packed, jobs, precision, share):
    fewer = SenseVoice(checkpoint, device=DEVICE, precision=precision, batch_limits=LIMITS)
    same = np.concatenate([a.ids == b.ids for a, b in zip(fewer.rows(jobs), packed.rows(jobs), strict=True)])
    assert same.mean() >= share


@pytest.mark.parametrize("name", ["tf32", "bfloat16"])
def test_a_precision_that_the_device_lacks_is_named(checkpoint, name):
    with pytest.raises(ConfigurationError, match=f"^--precision is '{name}', which cpu cannot do"):
        SenseVoice(checkpoint, device="cpu", precision=name)


def test_a_precision_that_nobody_has_is_named():
    with pytest.raises(ConfigurationError, match="^--precision is 'int4', expected auto, float32, tf32 or bfloat16.$"):
        choose_precision("int4", torch.device("cpu"))


def test_a_checkpoint_whose_heads_the_kernels_cannot_take_is_computed_by_upstream(tmp_path, caplog):
    config = checkpoints.CONFIG | {"encoder_conf": checkpoints.CONFIG["encoder_conf"] | {"attention_heads": 8}}
    assert config["encoder_conf"]["output_size"] // 8 < 16
    from streamer.engine.folder import describe
    from streamer.engine.sensevoice import why_not_packed

    folder = checkpoints.build(tmp_path / "narrow")
    found = describe(folder)
    found.config["encoder_conf"]["attention_heads"] = 8
    assert why_not_packed(found, torch.device("cpu")) == "its heads have 8 elements, expected a power of two from 16 on"
