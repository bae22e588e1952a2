"""The engine on a miniature checkpoint: upstream's answers, item by item, whatever the batch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.core.events import LANGUAGES, SAMPLE_RATE, Failed, Hypothesis
from streamer.engine import BatchLimits, OutOfMemory
from streamer.engine.sensevoice import SenseVoice
from streamer.errors import ConfigurationError
from tests.engine import checkpoints
from tests.engine.reference import TIE, Upstream, excused

pytestmark = pytest.mark.usefixtures("one_thread")

SECONDS = (0.3, 0.7, 1.0, 1.9, 3.0, 4.4, 6.0, 8.5, 12.0)
MAX_EXCUSED = 3
"""Of some thousands of rows: near ties are rare, and a real difference is never one of them."""


@pytest.fixture(scope="module")
def clips(speech):
    """Speech of every length, noise, a tone and silence."""
    generator = np.random.default_rng(0)
    clock = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    cut = [speech[int(n * 33_333) :][: int(seconds * SAMPLE_RATE)] for n, seconds in enumerate(SECONDS)]
    return [
        *cut,
        generator.integers(-8_000, 8_000, 20_000, np.int16),
        (20_000 * np.sin(2 * np.pi * 440 * clock)).astype(np.int16),
        np.zeros(9_000, np.int16),
    ]


def check(engine, upstream, jobs):
    """Every item of one batch against upstream alone; returns rows, excused rows and the hypotheses."""
    total = ties = 0
    answers = [upstream.generate(job.samples, language=job.language, itn=job.itn) for job in jobs]
    hypotheses = engine.transcribe(jobs)
    for answer, rows, hypothesis in zip(answers, engine.rows(jobs), hypotheses, strict=True):
        assert isinstance(hypothesis, Hypothesis)
        differing = excused(answer, rows)
        if not differing:
            assert hypothesis.raw_text == answer.text
        total += len(rows.ids)
        ties += differing
    return total, ties, hypotheses


@pytest.mark.parametrize("itn", [True, False])
@pytest.mark.parametrize("language", LANGUAGES)
def test_each_item_of_a_batch_of_mixed_lengths_gives_upstream_s_ids_and_text(engine, upstream, clips, job_of, language, itn):
    _, ties, hypotheses = check(engine, upstream, [job_of(clip, language=language, itn=itn) for clip in clips])
    assert ties <= MAX_EXCUSED
    assert len({hypothesis.raw_text for hypothesis in hypotheses}) > len(clips) / 2  # not one answer to everything


def test_languages_and_itn_differ_within_one_batch(engine, upstream, clips, job_of):
    jobs = [
        job_of(clip, language=LANGUAGES[n % len(LANGUAGES)], itn=n % 2 == 0) for n, clip in enumerate([*clips, *clips[::-1], *clips[::2]])
    ]
    total, ties, _ = check(engine, upstream, jobs)
    assert total > 1_000
    assert ties <= MAX_EXCUSED


def test_a_language_that_upstream_does_not_know_is_read_as_auto(engine, clips, job_of):
    unknown, auto = engine.transcribe([job_of(clips[3], language="de"), job_of(clips[3], language="auto")])
    assert unknown.raw_text == auto.raw_text


def test_probabilities_are_those_of_the_best_ids(engine, upstream, clips, job_of):
    upstream.generate(clips[4], language="en")
    logits = upstream._logits[0][0]
    rows = engine.rows([job_of(clips[4], language="en"), job_of(clips[8])])[0]
    assert rows.p == pytest.approx(logits.softmax(-1).max(-1).values.numpy(), abs=1e-4)


def test_label_scores_are_the_softmax_over_each_label_set(engine, upstream, clips, job_of):
    hypothesis = engine.transcribe([job_of(clips[4], language="ja"), job_of(clips[8])])[0]
    upstream.generate(clips[4], language="ja")
    logits = upstream._logits[0][0]
    for row, scores, pieces in (
        (0, hypothesis.language, {"zh": "zh", "ja": "ja", "nospeech": "nospeech"}),
        (1, hypothesis.emotion, {"happy": "HAPPY", "neutral": "NEUTRAL", "unknown": "EMO_UNKNOWN"}),
        (2, hypothesis.event, {"speech": "Speech", "bgm": "BGM", "unknown": "Event_UNK"}),
        (3, hypothesis.itn, {"withitn": "withitn", "woitn": "woitn"}),
    ):
        assert sum(scores.values()) == pytest.approx(1.0)
        ids = [upstream.tokenizer.sp.piece_to_id(f"<|{tag}|>") for tag in pieces.values()]
        ours = np.log([scores[label] for label in pieces])
        assert ours - ours[0] == pytest.approx((logits[row, ids] - logits[row, ids[0]]).numpy(), abs=1e-3)
    assert max(hypothesis.language, key=hypothesis.language.get) == "ja"


def test_texts_of_tokens_join_to_the_raw_text_without_its_first_four_tags(engine, clips, job_of):
    for hypothesis in engine.transcribe([job_of(clip, language="en", itn=False) for clip in clips]):
        prompt = "<|en|><|NEUTRAL|><|Speech|><|woitn|>"
        assert hypothesis.raw_text == prompt + "".join(token.text for token in hypothesis.tokens)


def test_tokens_follow_one_another_within_the_audio(engine, clips, job_of):
    for hypothesis in engine.transcribe([job_of(clip) for clip in clips]):
        edges = [edge for token in hypothesis.tokens for edge in (token.begin, token.end)]
        assert edges == sorted(edges)
        assert all(0 <= edge <= len(hypothesis.job.samples) + 80 for edge in edges)  # 80 samples: upstream's half row may reach 5 ms beyond
        assert all(0 < token.p <= 1 for token in hypothesis.tokens)


@pytest.mark.parametrize("length", [0, 1, 200, 399, 400, 1_359, 1_360])
def test_audio_of_hardly_any_length_is_answered(engine, upstream, speech, job_of, length):
    job = job_of(speech[30_000 : 30_000 + length])
    alone, beside = engine.transcribe([job])[0], engine.transcribe([job, job_of(speech[:32_000])])[0]
    assert isinstance(alone, Hypothesis)
    assert alone.raw_text == beside.raw_text
    if length >= 400:  # upstream takes shorter windows of shorter audio, and breaks down on none
        assert alone.raw_text == upstream.generate(job.samples).text


def test_an_item_whose_scores_are_no_numbers_fails_alone(checkpoint, tmp_path, clips, job_of):
    state = torch.load(checkpoint / "model.pt", weights_only=True)
    state["embed.weight"][12] = torch.nan  # the prompt for Korean
    folder = tmp_path / "broken"
    folder.mkdir()
    for path in checkpoint.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    torch.save(state, folder / "model.pt")
    jobs = [job_of(clips[2], language=language) for language in ("en", "ko", "zh")]
    english, korean, chinese = SenseVoice(folder, device="cpu").transcribe(jobs)
    assert isinstance(korean, Failed)
    assert korean.job is jobs[1]
    assert korean.reason.startswith("The model gave scores that are no numbers for 1.00 s of audio in language 'ko'; expected finite ones.")
    assert english.raw_text.startswith("<|en|>")
    assert chinese.raw_text.startswith("<|zh|>")


def test_no_jobs_have_no_answers(engine):
    assert engine.transcribe([]) == []


def test_more_rows_than_are_held_at_once_give_the_same_answers(engine, clips, job_of, monkeypatch):
    jobs = [job_of(clip) for clip in clips]
    whole = engine.rows(jobs)
    monkeypatch.setattr("streamer.engine.padded.ROWS_AT_ONCE", 100)
    assert all((one.ids == other.ids).all() for one, other in zip(whole, engine.rows(jobs), strict=True))


def test_what_the_model_is_and_can_do(engine):
    assert (engine.info.name, engine.info.device, engine.info.notice) == ("miniature", "cpu", None)
    can = engine.info.capabilities
    assert can.languages == ("zh", "en", "yue", "ja", "ko")
    assert can.emotion and can.events and can.itn and can.confidence and not can.hotwords
    assert can.word_times == "aligned"


def test_a_vocabulary_without_emotions_gives_none(tmp_path, clips, job_of):
    engine = SenseVoice(checkpoints.build(tmp_path / "few", tags=("en", "zh", "Speech")), device="cpu")
    assert not engine.info.capabilities.emotion
    assert not engine.info.capabilities.itn
    (hypothesis,) = engine.transcribe([job_of(clips[2])])
    assert hypothesis.emotion is None
    assert hypothesis.event == {"speech": 1.0}
    assert set(hypothesis.language) == {"zh", "en"}


def test_warm_up_runs_every_bucket_alone_and_in_its_largest_batch(checkpoint):
    limits = BatchLimits(max_items=4, max_audio_s=2.0, buckets_s=(0.5, 1.0, 4.0))
    cost = SenseVoice(checkpoint, device="cpu", batch_limits=limits).warm_up()
    assert [(batch, seconds) for batch, seconds, _ in cost.forwards] == [(1, 0.5), (4, 0.5), (1, 1.0), (2, 1.0), (1, 4.0)]
    assert all(ms > 0 for _, _, ms in cost.forwards)
    assert cost.seconds * 1000 >= sum(ms for _, _, ms in cost.forwards)


def test_the_longest_bucket_holds_the_longest_segment(engine):
    assert engine.batch_limits.buckets_s[-1] >= 30.0


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        ("tpu", "--device is 'tpu', expected auto, cpu, cuda or cuda:N."),
        ("meta", "--device is 'meta', expected auto, cpu, cuda or cuda:N."),
        ("cuda:99", "--device is 'cuda:99', but torch sees"),
    ],
)
def test_a_device_that_is_not_there_is_named(checkpoint, device, sentence):
    with pytest.raises(ConfigurationError) as caught:
        SenseVoice(checkpoint, device=device)
    assert str(caught.value).startswith(sentence)


@pytest.fixture(scope="module")
def isolated(tmp_path_factory):
    """Says only characters that no piece joins. Upstream tokenises its own text anew to align it, and here finds the same tokens again."""
    return checkpoints.build(tmp_path_factory.mktemp("models") / "isolated", speakable=lambda piece: piece in checkpoints.ISOLATED)


@pytest.mark.parametrize("language", ["zh", "en", "ko"])
def test_times_equal_those_of_upstream_s_alignment(isolated, clips, job_of, language):
    upstream = Upstream(isolated)
    jobs = [job_of(clip, language=language) for clip in clips]
    compared = 0
    for job, hypothesis in zip(jobs, SenseVoice(isolated, device="cpu").transcribe(jobs), strict=True):
        answer = upstream.generate(job.samples, language=language, times=True)
        assert hypothesis.raw_text == answer.text
        assert [token.text for token in hypothesis.tokens] == (answer.words or [])
        assert_times([(token.begin, token.end) for token in hypothesis.tokens], answer.times_ms)
        compared += len(hypothesis.tokens)
    assert compared > 100


def test_words_equal_those_of_upstream_where_it_finds_its_tokens_again(engine, upstream, clips, job_of):
    jobs = [job_of(clip, language="en", itn=itn) for clip in clips for itn in (True, False)]
    compared = 0
    for job, hypothesis in zip(jobs, engine.transcribe(jobs), strict=True):
        pieces = upstream.tokenizer.text2tokens(hypothesis.raw_text)[4:]
        if upstream.tokenizer.tokens2ids(pieces) != [[token.id] for token in hypothesis.tokens]:
            continue
        answer = upstream.generate(job.samples, language="en", itn=job.itn, times=True)
        spans = [
            (piece, token.begin / SAMPLE_RATE, token.end / SAMPLE_RATE) for piece, token in zip(pieces, hypothesis.tokens, strict=True)
        ]
        times_ms, words = upstream.auto.model.post(spans)
        assert words == (answer.words or [])
        assert_times([(begin * 16, end * 16) for begin, end in times_ms], answer.times_ms)
        compared += len(words)
    assert compared > 10


def assert_times(samples, times_ms):
    """Upstream's seconds are binary fractions that it cuts to milliseconds: some of its times are one too small."""
    assert [edge for span in samples for edge in span] == pytest.approx([edge * 16 for span in times_ms or [] for edge in span], abs=16)


@pytest.fixture(scope="module")
def alone(engine, clips, job_of):
    """Each item's answer alone, and whether one of its rows is close to a tie."""
    answers = {}
    for n, clip in enumerate(clips):
        for language in LANGUAGES:
            for itn in (True, False):
                job = job_of(clip, language=language, itn=itn)
                logits = []
                hook = engine._forward.model.ctc.ctc_lo.register_forward_hook(lambda module, given, found, to=logits: to.append(found))
                (hypothesis,) = engine.transcribe([job])
                hook.remove()
                best = torch.cat(logits).topk(2).values
                answers[n, language, itn] = (job, hypothesis, bool((best[:, 0] - best[:, 1] < TIE).any()))
    return answers


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_what_else_is_in_a_batch_never_changes_an_answer(engine, alone, data):
    wanted = [alone[key] for key in data.draw(st.lists(st.sampled_from(sorted(alone)), min_size=2, max_size=7))]
    for (_, lonely, tie), found in zip(wanted, engine.transcribe([job for job, _, _ in wanted]), strict=True):
        if tie:
            continue
        assert found.raw_text == lonely.raw_text
        assert [replace(token, p=None) for token in found.tokens] == [replace(token, p=None) for token in lonely.tokens]
        assert [token.p for token in found.tokens] == pytest.approx([token.p for token in lonely.tokens], abs=1e-4)
        for ours, theirs in ((found.language, lonely.language), (found.emotion, lonely.emotion), (found.event, lonely.event)):
            assert ours == pytest.approx(theirs, abs=1e-4)


def test_hardly_any_answer_is_close_to_a_tie(alone):
    assert sum(tie for _, _, tie in alone.values()) <= len(alone) // 20


def test_a_device_without_memory_says_so_in_the_engines_own_words(engine, clips, job_of, monkeypatch):
    import torch

    def full(jobs):
        raise torch.cuda.OutOfMemoryError("tried to allocate 20 GiB")

    monkeypatch.setattr(engine, "rows", full)
    with pytest.raises(OutOfMemory, match="^cpu has no memory for a batch of 2: tried to allocate 20 GiB$"):
        engine.transcribe([job_of(clips[0]), job_of(clips[1])])
