"""The clock of a replay is the audio's: answers come when they are due, and the same audio gives the same messages."""

from dataclasses import replace

import numpy as np
import pytest

from streamer.bench.ablation import AblationTally, ablate
from streamer.bench.offline import decode_whole, windows
from streamer.bench.replay import Pace, Replay, encode, received
from streamer.bench.telephone import to_mulaw
from streamer.core.events import Encoding, Final, JobKind, Partial, Settings, SpeechEnded, SpeechStarted
from streamer.engine.scripted import Script, Scripted
from tests.driving import FRAME, judgement, speech

SCRIPT = "." * 50 + "#" * 100 + "." * 60 + "#" * 50 + "." * 50  # 1 s, 2 s of noise, 1.2 s, 1 s, 1 s


class Loud:
    """A judge that hears what is loud."""

    frame_samples = FRAME

    def open(self, channels):
        return self

    def judge(self, samples):
        return judgement(samples)


def replay(script=SCRIPT, pace=None, engine=None, settings=None, partials=True):
    pace = pace or Pace()
    samples = speech(script)[None]
    return Replay(engine or Scripted(), Loud(), settings or Settings(), pace).run(*encode(samples, pace), partials=partials)


def test_a_partial_comes_the_engines_latency_after_its_chunk():
    made = replay(pace=Pace(chunk_ms=100, latency_ms=70))
    at, first = made.of(Partial)[0]
    asked = next(job for job in made.asked if job.kind is JobKind.PARTIAL)

    assert made.of(SpeechStarted)[0][0] == 1100.0
    assert first.audio_end_ms == asked.end // 16 <= 1400
    assert at == 1400.0 - 100 + 70


def test_the_end_is_decided_when_the_silence_has_lasted_and_the_final_is_there():
    made = replay()
    [(first, _), (second, _)] = made.of(SpeechEnded)
    [(first_final, _), (second_final, _)] = made.of(Final)

    assert (first, second) == (3600.0, 5800.0)
    assert (first_final, second_final) == (first, second)


def test_an_engine_slower_than_the_silence_answers_late():
    made = replay(pace=Pace(latency_ms=500))

    assert [at for at, _ in made.of(Final)] == [3800.0, 6000.0]


def test_the_same_audio_gives_the_same_messages_at_the_same_times():
    assert replay().messages == replay().messages


@pytest.mark.parametrize("pace", [Pace(chunk_ms=20), Pace(chunk_ms=700), Pace(latency_ms=0), Pace(latency_ms=900)])
def test_neither_chunks_nor_latency_change_what_finals_say(pace):
    def said(made):
        return [replace(message, revision=0, decode_ms=0.0) for _, message in made.of(Final)]

    assert said(replay(pace=pace)) == said(replay())


def test_without_partials_there_are_finals_alone():
    made = replay(partials=False)

    assert made.of(Partial) == []
    assert len(made.of(Final)) == 2


def test_a_failed_final_is_told_and_the_rest_goes_on():
    engine = Scripted(Script(fails=lambda job: "too hard" if job.begin < 16_000 and job.kind is not JobKind.PARTIAL else None))

    assert len(replay(engine=engine).of(Final)) == 1


def test_lengths_and_frames_are_those_of_the_audio():
    made = replay()

    assert (made.duration_ms, made.frame_ms) == (6200, 20.0)
    assert len(made.probabilities) == 310
    assert sum(row[0] for row in made.probabilities) == 150


def test_telephone_audio_goes_through_the_sessions_own_decoder():
    samples = speech(SCRIPT)[None]
    audio_format, data = encode(samples, Pace(telephone=True))

    assert (audio_format.encoding, audio_format.sample_rate, len(data)) == (Encoding.MULAW, 8000, samples.shape[1] // 2)
    assert abs(received(audio_format, data).shape[1] - samples.shape[1]) <= 2
    assert replay(pace=Pace(telephone=True)).duration_ms == 6200


def test_mulaw_keeps_a_tone_of_the_telephone_band():
    tone = (8000 * np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)).astype(np.int16)[None]
    heard = received(*encode(tone, Pace(telephone=True)))[:, 2000:14_000].astype(float)
    error = heard - tone[:, 2000:14_000]

    assert 10 * np.log10((heard**2).mean() / (error**2).mean()) > 30


def test_both_channels_are_interleaved():
    tone = np.stack([np.full(160, 1000), np.full(160, -1000)]).astype(np.int16)

    assert encode(tone, Pace())[1][:4] == np.array([1000, -1000], "<i2").tobytes()
    assert (np.frombuffer(to_mulaw(tone, 8000), np.uint8)[40:44] < 128).tolist() == [False, True, False, True]  # bit 7 is plus


def test_up_to_thirty_seconds_are_one_window_and_longer_ones_are_split_where_it_is_quiet():
    samples = speech("#" * 1200 + "." * 20 + "#" * 1180)  # 24 s, 0.4 s of near silence, 23.6 s

    assert list(windows(samples[: 30 * 16_000])) == [(0, 30 * 16_000)]
    [(_, cut), (begin, end)] = windows(samples)
    assert 24.1 < cut / 16_000 < 24.3
    assert (begin, end) == (cut, len(samples))


def test_the_whole_recording_is_decoded_by_the_same_engine():
    assert len(decode_whole(Scripted(), speech("#" * 100)).split()) == 8
    assert decode_whole(Scripted(Script(fails=lambda job: "no")), speech("#" * 100)) == ""


def test_ablation_compares_at_the_same_times():
    made = replay(pace=Pace(latency_ms=150))
    figures = ablate(made, 150, lambda job, begin_ms: None).figures()

    assert figures["endpoint_to_final_ms"] == {"with_speculation": {"p50": 0.0, "p95": 0.0}, "without": {"p50": 150.0, "p95": 150.0}}
    assert figures["speculative_audio_used"] == 1.0
    assert figures["stable_words_not_in_final"] == 0.0
    assert figures["partials_without_stabiliser"] == {"upwr": 0.0, "upsr": 0.0, "erasure": 0.0}
    assert figures["decoded_per_speech"] > 1
    assert AblationTally().figures()["speculative_audio_used"] is None


def test_speech_that_goes_on_after_a_pause_wastes_its_speculation():
    made = replay("." * 50 + "#" * 50 + "." * 15 + "#" * 50 + "." * 50)

    assert 0 < ablate(made, 100, lambda job, begin_ms: None).figures()["speculative_audio_used"] < 1
