"""What gateways and engine processes say: everything arrives as it was sent, in pieces of any size."""

from dataclasses import replace

import numpy as np
import pytest

from streamer.core.events import Dropped, Failed, Hypothesis, Job, JobKind
from streamer.engine import WarmUp
from streamer.engine.scripted import Scripted, heard
from streamer.workers import messages
from streamer.workers.messages import Kind, Messages, answer_of, job_of, pack, pack_answer, pack_job

NOWHERE = np.zeros(0, np.int16)
FIELDS = ("session", "channel", "segment", "kind", "begin", "end", "language", "itn", "hotwords")


def job(**given):
    samples = np.arange(8000, dtype=np.int16)
    fields = dict(session="é1", channel=1, segment=7, kind=JobKind.SPECULATIVE, begin=16_000, end=24_000, samples=samples)
    return Job(**(fields | dict(language="yue", itn=False, hotwords=("one", "two")) | given))


def single(data):
    (message,) = Messages().feed(data)
    return message


def test_a_job_arrives_with_its_audio_along():
    sent = job()
    got = job_of(single(pack_job(5, sent, None)), NOWHERE)

    assert [getattr(got, name) for name in FIELDS] == [getattr(sent, name) for name in FIELDS]
    assert isinstance(got.kind, JobKind)
    assert np.array_equal(got.samples, sent.samples)


def test_audio_that_lies_in_the_arena_is_not_sent_and_not_copied():
    arena = np.zeros(20_000, np.int16)
    arena[4096:12_096] = job().samples
    data = pack_job(5, job(), 8192)
    got = job_of(single(data), arena)

    assert len(data) < 64
    assert np.array_equal(got.samples, job().samples)
    assert np.shares_memory(got.samples, arena)


def test_audio_that_would_lie_beyond_the_arena_is_refused():
    with pytest.raises(ValueError, match="8000 samples at byte 8192 are not in an arena of 16384 bytes"):
        job_of(single(pack_job(5, job(), 8192)), np.zeros(8192, np.int16))


def test_messages_arrive_whole_however_the_socket_cuts_them():
    data = b"".join(pack_job(n, job(), None) for n in range(3)) + pack(Kind.DISCARD, "a", None)
    unpacker = Messages()
    got = [message for at in range(0, len(data), 777) for message in unpacker.feed(data[at : at + 777])]

    assert [message[:2] for message in got] == [(0, 0), (0, 1), (0, 2), (2, "a")]


def test_a_hypothesis_arrives_as_it_was():
    sent = heard(job())
    got = answer_of(single(pack_answer(9, sent)), sent.job, None)

    names = ("tokens", "raw_text", "language", "emotion", "event", "itn", "queue_ms", "decode_ms")
    assert [getattr(got, name) for name in names] == [getattr(sent, name) for name in names]
    assert got.job is sent.job


def test_failures_and_drops_arrive():
    failed = answer_of(single(pack_answer(9, Failed(job(), "poison"))), job(), None)

    assert (type(failed), failed.reason) == (Failed, "poison")
    assert isinstance(answer_of(single(pack_answer(9, Dropped(job()))), job(), None), Dropped)


def test_what_the_model_is_arrives():
    info, warm = Scripted().info, WarmUp(seconds=1.5, forwards=((1, 2.0, 3.0),))

    assert messages.info_of(single(pack(messages.pack_info(info)))[0]) == info
    assert messages.warm_up_of(single(pack(messages.pack_warm_up(warm)))[0]) == warm
    assert messages.info_of(None) is messages.warm_up_of(None) is None


def test_rows_are_read_by_the_gateways_reader_into_the_same_hypothesis(two_cities_16k, tmp_path):
    """The miniature's own rows, left unread, sent, and read by another reader of the same folder."""
    from streamer.engine.folder import describe
    from streamer.engine.load import load_engine
    from streamer.engine.models import Models, ModelSettings, known
    from streamer.engine.rows import Reader, RowEngine

    models = Models(ModelSettings(cache=tmp_path, offline=True), say=print)
    found = known("miniature").find(models, False)
    engine = load_engine(found, "cpu")
    assert isinstance(engine, RowEngine)
    sent = job(samples=two_cities_16k[:48_000], language="auto", begin=0, end=48_000)
    (expected,) = engine.transcribe([sent])
    engine.reader.postponed = True
    (unread,) = engine.transcribe([sent])
    unread = replace(unread, queue_ms=3.0, decode_ms=12.5)
    data = pack_answer(1, unread)
    got = answer_of(single(data), sent, Reader(describe(found.path).vocabulary, found.path))
    engine.close()

    assert isinstance(got, Hypothesis)
    assert (got.tokens, got.raw_text) == (expected.tokens, expected.raw_text)
    assert (got.language, got.emotion, got.event, got.itn) == (expected.language, expected.emotion, expected.event, expected.itn)
    assert (got.queue_ms, got.decode_ms) == (3.0, 12.5)
    assert len(data) < 2000
