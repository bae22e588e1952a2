"""One input in, a list of effects out."""

from collections import deque
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.core.events import (
    Audio,
    AudioFormat,
    Closed,
    Configure,
    Discard,
    Dropped,
    Encoding,
    ErrorSent,
    Failed,
    Final,
    Flush,
    Flushed,
    Gone,
    Heartbeat,
    JobKind,
    Keepalive,
    Partial,
    Pulse,
    Quiet,
    Rejected,
    SessionConfigured,
    SessionCreated,
    Settings,
    Sound,
    SpeechEnded,
    SpeechStarted,
    Start,
    State,
    Stop,
    Submit,
    Sync,
    Synced,
    Warned,
)
from streamer.core.session import TRANSITIONS
from streamer.engine.scripted import heard
from streamer.errors import IdleTimeout, InvalidAudio, InvalidMessage, InvalidSetting
from tests.driving import PLAIN, Driver, speech

SENTENCE = "." * 20 + "#" * 60 + "." * 40  # 0.4 s of silence, 1.2 s of speech, 0.8 s of silence


def test_a_session_introduces_itself_and_its_model():
    created = Driver(model=PLAIN).sent[0]

    assert isinstance(created, SessionCreated)
    assert (created.session_id, created.protocol, created.model, created.notice) == ("s", 1, "plain", "only English")
    assert created.limits == {"idle_timeout_s": 60}


def test_a_sentence_opens_refreshes_ends_and_is_settled():
    driver = Driver().start().hear(speech(SENTENCE), cuts=range(0, 100_000, 640))

    kinds = [type(message) for message in driver.sent]
    assert kinds[:3] == [SessionCreated, SessionConfigured, SpeechStarted]
    assert kinds[3:-2] == [Partial] * len(kinds[3:-2])
    assert len(driver.partials) >= 3
    assert kinds[-2:] == [SpeechEnded, Final]
    final = driver.finals[0]
    assert (final.segment, final.begin_ms, final.end_ms, final.end_reason) == (0, 100, 1900, "endpoint")
    assert final.revision == len(driver.partials)
    assert final.text == heard(driver.submitted[-1]).raw_text.rpartition("|>")[2]
    assert final.words[0].begin_ms == 100
    assert [partial.revision for partial in driver.partials] == list(range(len(driver.partials)))


def test_the_speculative_decode_is_the_final_when_the_silence_holds():
    driver = Driver().start().hear(speech(SENTENCE), cuts=range(0, 100_000, 640))

    assert [job.kind for job in driver.submitted if job.kind is not JobKind.PARTIAL] == [JobKind.SPECULATIVE]


def test_speech_that_goes_on_makes_the_speculative_decode_a_partial():
    driver = Driver().start().hear(speech("#" * 30 + "." * 15 + "#" * 30 + "." * 40), cuts=range(0, 100_000, 640))

    speculative = [job for job in driver.submitted if job.kind is JobKind.SPECULATIVE]
    assert [job.end for job in speculative] == [(30 * 20 + 300) * 16, (75 * 20 + 300) * 16]
    assert len(driver.finals) == 1
    assert driver.finals[0].end_ms == 1800


def test_one_partial_is_in_flight_and_a_slow_engine_gives_fewer_of_them():
    driver = Driver(lag=100).start().hear(speech("#" * 500), cuts=range(0, 1_000_000, 640))

    assert [job.kind for job in driver.submitted] == [JobKind.PARTIAL]
    driver.lag = 0
    driver.hear(speech("#"))
    assert len(driver.submitted) == 2


def test_the_refresh_interval_grows_with_the_span_that_is_decoded():
    driver = Driver().start(Settings(max_segment_ms=30_000)).hear(speech("#" * 1400), cuts=range(0, 1_000_000, 640))

    gaps = np.diff([job.end for job in driver.submitted]) // 16
    assert gaps[0] == 300
    assert max(gaps) >= 900
    assert len(gaps) < 50


def test_partials_of_a_long_segment_hear_a_bounded_window_and_its_text_has_no_seam():
    driver = Driver().start(Settings(max_segment_ms=30_000)).hear(speech("#" * 1400), cuts=range(0, 1_000_000, 640))

    assert max(job.end - job.begin for job in driver.submitted) <= 16 * 9_500
    shown = driver.partials[-1].stable + driver.partials[-1].unstable
    driver.stop()
    assert driver.finals[0].begin_ms == 0
    assert driver.finals[0].text.startswith(shown)
    assert len(shown.split()) > 80


def test_partials_have_the_words_that_they_show_where_they_are_asked_for():
    audio = speech("." * 50 + "#" * 1400)
    plain = Driver().start(Settings(max_segment_ms=30_000)).hear(audio, cuts=range(0, 2_000_000, 640)).partials
    worded = Driver().start(Settings(max_segment_ms=30_000, partial_words=True)).hear(audio, cuts=range(0, 2_000_000, 640)).partials

    assert [(one.stable, one.unstable) for one in plain] == [(one.stable, one.unstable) for one in worded]
    assert not any(one.words for one in plain)
    for one in worded:  # of windows too, whose hypotheses begin in the middle
        assert [word.text for word in one.words] == (one.stable + one.unstable).split()
        edges = [edge for word in one.words for edge in (word.begin_ms, word.end_ms)]
        assert edges == sorted(edges)
        assert one.begin_ms <= edges[0] and edges[-1] <= one.end_ms
        assert one.confidence == pytest.approx(0.9)
    assert len(worded[-1].words) > 80


def test_partials_can_be_switched_off():
    driver = Driver().start(Settings(partials=False)).hear(speech(SENTENCE), cuts=range(0, 100_000, 640))

    assert driver.partials == []
    assert len(driver.finals) == 1


def test_a_partial_that_comes_after_its_final_is_forgotten():
    driver = Driver(lag=1).start().hear(speech("#" * 20))
    partial = driver.jobs.popleft()
    driver.receive(Flush("a"))
    driver.stop()
    before = len(driver.sent)
    driver.receive(heard(partial))

    assert len(driver.sent) == before
    assert driver.partials == []


def test_stop_finishes_what_is_open_then_says_goodbye():
    driver = Driver(lag=10).start().hear(speech("#" * 40))
    driver.receive(Stop())
    assert driver.closed is None
    driver.drain()

    assert [type(message) for message in driver.sent[-3:]] == [SpeechEnded, Final, Closed]
    assert driver.finals[0].end_reason == "stop"
    assert driver.closed == (1000, "stop")
    assert driver.sent[-1].totals == {"audio_ms": 800, "speech_ms": 800, "segments": 1, "finals": 1, "partials": 0, "errors": 0}


def test_stop_without_speech_is_answered_too():
    for driver in (Driver(), Driver().start(), Driver().start().hear(speech("." * 100))):
        driver.stop()
        assert isinstance(driver.sent[-1], Closed)
        assert driver.closed == (1000, "stop")


def test_every_flush_is_answered_once_in_order_after_the_finals_it_asks_for():
    driver = Driver(lag=10).start()
    driver.receive(Flush("empty"))
    driver.hear(speech("#" * 40))
    driver.receive(Flush(7))
    driver.receive(Flush())
    driver.hear(speech("#" * 40))
    driver.stop()

    told = [(type(m), getattr(m, "id", None), getattr(m, "segment", None)) for m in driver.sent if isinstance(m, Flushed | Final)]
    assert told == [(Flushed, "empty", None), (Final, None, 0), (Flushed, 7, None), (Flushed, None, None), (Final, None, 1)]


def test_a_sync_is_answered_once_what_came_before_is_heard_and_answered_and_ends_nothing():
    driver = Driver(lag=10).start()
    driver.hear(speech(SENTENCE))
    driver.receive(Sync("ended"))
    driver.hear(speech("#" * 40))
    driver.receive(Sync())
    assert not driver.of(Synced)
    driver.stop()

    told = [(type(m), getattr(m, "id", None), getattr(m, "segment", None)) for m in driver.sent if isinstance(m, Synced | Final)]
    assert told == [(Final, None, 0), (Synced, "ended", None), (Synced, None, None), (Final, None, 1)]


def test_a_sync_waits_for_the_judge():
    driver = Driver(judge_late=True).start()
    driver.hear(speech(SENTENCE))
    driver.receive(Sync(1))
    assert not driver.of(Synced)
    driver.judge_all()
    assert [(type(m)) for m in driver.sent[-2:]] == [Final, Synced]


@pytest.mark.parametrize(
    ("names", "channels", "mix"), [(("agent",), 2, False), (("a", "b"), 2, True), (("a", ""), 2, False), (("a" * 65,), 1, False)]
)
def test_names_of_channels_are_one_for_each_that_is_heard(names, channels, mix):
    AudioFormat(channels=2, channel_names=("agent", "customer"))
    with pytest.raises(InvalidSetting, match="for each channel heard"):
        AudioFormat(channels=channels, mix=mix, channel_names=names)


def test_a_flush_cuts_in_the_middle_of_a_frame_and_loses_no_sample():
    driver = Driver().start()
    audio = speech("#" * 80)
    driver.hear(audio[:10_001])
    driver.receive(Flush())
    driver.hear(audio[10_001:])
    driver.stop()

    spans = [(job.begin, job.end) for job in driver.submitted if job.kind is JobKind.FINAL]
    assert spans == [(0, 10_001), (10_001, len(audio))]


def test_a_failed_segment_leaves_as_an_error_and_the_session_goes_on():
    driver = Driver(answer=lambda job: Failed(job, "out of memory") if job.segment == 0 else heard(job)).start()
    driver.hear(speech(SENTENCE + SENTENCE))
    driver.stop()

    errors = driver.of(ErrorSent)
    assert [(e.code, e.segment, e.fatal) for e in errors] == [("transcription_failed", 0, False)]
    assert errors[0].message == "segment 0 (1.8 s) could not be transcribed: out of memory; the session goes on"
    assert [final.segment for final in driver.finals] == [1]
    assert driver.sent[-1].totals["errors"] == 1


def test_a_failed_flush_is_answered():
    driver = Driver(answer=lambda job: Failed(job, "broken")).start().hear(speech("#" * 40))
    driver.receive(Flush("x"))

    assert [type(message) for message in driver.sent[-2:]] == [ErrorSent, Flushed]


def test_a_lost_speculation_is_asked_again_as_the_final():
    driver = Driver(lag=100).start().hear(speech("#" * 40 + "." * 30))
    speculation = next(job for job in driver.jobs if job.kind is JobKind.SPECULATIVE)
    driver.jobs.remove(speculation)
    driver.receive(Dropped(speculation))
    again = driver.jobs[-1]

    assert again.kind is JobKind.FINAL
    assert (again.begin, again.end) == (speculation.begin, speculation.end)
    driver.stop()
    assert len(driver.finals) == 1


def test_finals_leave_in_order_even_when_answers_do_not_come_in_order():
    driver = Driver(lag=100).start().hear(speech(SENTENCE + SENTENCE))
    finals = [job for job in driver.jobs if job.kind is not JobKind.PARTIAL]
    driver.receive(heard(finals[1]))
    assert driver.finals == []
    driver.receive(heard(finals[0]))

    assert [final.segment for final in driver.finals] == [0, 1]


def test_channels_have_segments_of_their_own():
    left, right = speech("#" * 40 + "." * 80), speech("." * 60 + "#" * 60, seed=1)
    driver = Driver().start(channels=2).hear(np.stack([left, right], axis=1).reshape(-1))
    driver.stop()

    assert [(f.channel, f.segment, f.begin_ms, f.end_ms) for f in driver.finals] == [(0, 0, 0, 1100), (1, 1, 900, 2400)]


def test_mixed_channels_are_one():
    left, right = speech("#" * 40 + "." * 100), speech("." * 40 + "#" * 60 + "." * 40, seed=1)
    both = np.stack([left, right], axis=1).reshape(-1)
    driver = Driver().start(channels=2, mix=True).hear(both, cuts=range(0, 10_000, 777)).stop()

    assert driver.of(SessionConfigured)[0].format == AudioFormat(channels=2, mix=True)
    assert [(f.channel, f.segment, f.begin_ms, f.end_ms) for f in driver.finals] == [(0, 0, 0, 2300)]
    assert driver.of(Closed)[0].totals["audio_ms"] == 2800


def test_what_the_model_cannot_do_is_said():
    asked = Settings(language="zh", itn=False, hotwords=("kaldi",))
    warnings = [message.code for message in Driver(model=PLAIN).start(asked).of(Warned)]

    assert warnings == ["hotwords_unsupported", "language_unsupported", "itn_unsupported"]
    assert Driver(model=PLAIN).start().of(Warned) == []


def test_settings_change_from_the_sample_where_configure_came():
    driver = Driver().start().hear(speech("#" * 40))
    driver.receive(Configure({"language": "ja", "endpoint_silence_ms": 200}))
    driver.hear(speech("." * 15))

    assert driver.of(SessionConfigured)[-1].settings == replace(Settings(), language="ja", endpoint_silence_ms=200)
    assert driver.finals[0].language.code == "ja"


CLIENT_ENDS = Settings(endpoints=False)


def test_where_the_client_ends_segments_a_flush_does_and_silence_does_not():
    driver = Driver().start(CLIENT_ENDS).hear(speech(SENTENCE + SENTENCE), cuts=range(0, 200_000, 640))
    assert driver.of(SpeechEnded) == []
    driver.receive(Flush(1))
    driver.hear(speech("." * 100 + "#" * 20)).stop()

    assert [(f.begin_ms, f.end_ms, f.end_reason) for f in driver.finals] == [(100, 4800, "flush"), (6500, 7200, "stop")]


def test_where_the_client_ends_segments_a_pause_gets_one_partial_and_no_speculation():
    driver = Driver().start(CLIENT_ENDS).hear(speech("#" * 30 + "." * 200), cuts=range(0, 200_000, 640))

    assert {job.kind for job in driver.submitted} == {JobKind.PARTIAL}
    assert [job.end // 16 for job in driver.submitted] == [260, 560, 860, 900]
    quiet = Driver().start(replace(CLIENT_ENDS, partials=False)).hear(speech("#" * 30 + "." * 200))
    assert quiet.submitted == []


def test_where_the_client_ends_segments_a_pause_is_covered_once_a_late_partial_makes_room():
    driver = Driver(lag=100).start(CLIENT_ENDS).hear(speech("#" * 30 + "." * 40), cuts=range(0, 100_000, 640))
    assert [job.end // 16 for job in driver.submitted] == [260]
    driver.answer_next()

    assert [job.end // 16 for job in driver.submitted] == [260, 1400]


def test_whether_silence_ends_segments_may_change_within_one():
    driver = Driver().start().hear(speech("#" * 40))
    driver.receive(Configure({"endpoints": False}))
    driver.hear(speech("." * 100))
    assert driver.finals == []
    driver.receive(Configure({"endpoints": True}))
    driver.hear(speech("."))

    assert [(f.end_ms, f.end_reason) for f in driver.finals] == [(1100, "endpoint")]


def told(driver):
    """Finals by their segments and quiets by what they tell, in order."""
    kinds = (Final, ErrorSent, Quiet)
    return [(m.channel, m.end_ms, m.quiet_ms) if isinstance(m, Quiet) else m.segment for m in driver.sent if isinstance(m, kinds)]


def test_quiet_is_told_when_so_much_audio_has_passed_since_the_last_speech():
    driver = Driver().start(Settings(quiet_ms=1_000)).hear(speech(SENTENCE + "." * 9), cuts=range(0, 200_000, 640))
    assert driver.of(Quiet) == []
    driver.hear(speech("."))

    assert driver.sent[-1] == Quiet(channel=0, end_ms=driver.finals[0].words[-1].end_ms, quiet_ms=1_000)
    assert len(driver.hear(speech("." * 500)).stop().of(Quiet)) == 1


def test_no_quiet_is_told_unless_asked_for():
    assert Driver().start().hear(speech(SENTENCE + "." * 500)).stop().of(Quiet) == []


def test_quiet_that_speech_interrupts_is_not_told():
    driver = Driver().start(Settings(quiet_ms=1_000)).hear(speech("#" * 40 + "." * 45 + "#" * 40 + "." * 60)).stop()

    assert told(driver) == [0, 1, (0, driver.finals[1].words[-1].end_ms, 1_000)]


def test_quiet_comes_right_after_a_late_final_even_when_somebody_speaks_again():
    driver = Driver(lag=100).start(Settings(quiet_ms=1_000)).hear(speech(SENTENCE + "." * 50 + SENTENCE))
    assert driver.of(Quiet) == []
    driver.drain()

    assert told(driver) == [0, (0, driver.finals[0].words[-1].end_ms, 1_000), 1]


def test_quiet_shorter_than_the_endpoint_silence_comes_with_the_final():
    driver = Driver().start(Settings(quiet_ms=500, endpoint_silence_ms=1_500)).hear(speech("#" * 40 + "." * 75))

    assert [type(message) for message in driver.sent[-3:]] == [SpeechEnded, Final, Quiet]


@pytest.mark.parametrize("ending", [Flush("f"), Stop()])
def test_quiet_that_lasted_when_the_client_ends_a_segment_is_told_after_its_final(ending):
    driver = Driver(lag=5).start(Settings(quiet_ms=500, endpoints=False, partials=False)).hear(speech("#" * 40 + "." * 30))
    driver.receive(ending)
    driver.drain()

    assert [type(message) for message in driver.sent[-4:]] == [SpeechEnded, Final, Quiet, Flushed if ending == Flush("f") else Closed]
    early = Driver().start(Settings(quiet_ms=500)).hear(speech("#" * 40 + "." * 20))
    early.receive(ending)
    assert early.of(Quiet) == []


def unsure_of(*segments):
    return lambda job: applause(job) if job.segment in segments else heard(job)


def test_noise_that_was_withheld_is_no_utterance_but_the_one_before_it_still_gets_its_quiet():
    script = "#" * 40 + "." * 40 + "#" * 20 + "." * 60
    noise = Driver(answer=unsure_of(0, 1)).start(Settings(quiet_ms=1_000)).hear(speech(script)).stop()
    talk = Driver(answer=unsure_of(1)).start(Settings(quiet_ms=1_000)).hear(speech(script)).stop()

    assert told(noise) == [0, 1]
    assert told(talk) == [0, 1, (0, talk.finals[0].words[-1].end_ms, 1_000)]


def test_no_quiet_follows_a_segment_that_failed():
    driver = Driver(answer=lambda job: Failed(job, "broken")).start(Settings(quiet_ms=1_000)).hear(speech(SENTENCE + "." * 50)).stop()

    assert told(driver) == [0]


def test_each_channel_has_a_quiet_of_its_own():
    left, right = speech("#" * 40 + "." * 160), speech("#" * 140 + "." * 60, seed=1)
    driver = Driver().start(Settings(quiet_ms=1_000), channels=2).hear(np.stack([left, right], axis=1).reshape(-1))

    assert [(quiet.channel, quiet.end_ms) for quiet in driver.of(Quiet)] == [(f.channel, f.words[-1].end_ms) for f in driver.finals]


@settings(max_examples=60, deadline=None)
@given(
    script=st.lists(st.tuples(st.sampled_from("#."), st.integers(1, 80)), max_size=10),
    cuts=st.lists(st.integers(0, 200_000), max_size=20),
    lag=st.integers(0, 8),
    judge_late=st.booleans(),
    endpoints=st.booleans(),
    noise=st.frozensets(st.integers(0, 3)),
)
def test_quiet_follows_the_same_finals_however_the_bytes_are_cut_and_however_slow_the_engine_is(
    script, cuts, lag, judge_late, endpoints, noise
):
    audio = speech("".join(mark * count for mark, count in script))
    asked = Settings(quiet_ms=500, endpoints=endpoints, max_segment_ms=2_000)

    def heard_of(cuts=(), **how):
        return told(Driver(answer=unsure_of(*noise), **how).start(asked).hear(audio, cuts).stop())

    expected = heard_of()
    assert heard_of(cuts, lag=lag, judge_late=judge_late) == expected
    assert all(isinstance(before, int) for before, after in pairwise([None, *expected]) if isinstance(after, tuple))
    assert sum(isinstance(one, tuple) for one in expected) <= len({one for one in expected if isinstance(one, int)} - noise)


def test_a_setting_out_of_range_has_no_effect_and_is_told():
    driver = Driver().start()
    driver.receive(Configure({"endpoint_silence_ms": 5}))

    assert driver.of(ErrorSent)[0].message == "endpoint_silence_ms is 5, expected 100 to 5000"
    assert driver.of(ErrorSent)[0].fatal is False
    assert driver.session.state is State.OPEN


@pytest.mark.parametrize("event", [Audio(b"\0\0"), Flush(), Configure({})])
def test_audio_before_start_is_refused_with_a_sentence_and_a_close_code(event):
    driver = Driver()
    driver.receive(event)

    assert (driver.of(ErrorSent)[0].code, driver.of(ErrorSent)[0].fatal) == ("audio_before_start", True)
    assert driver.of(Closed)[0].reason == "audio_before_start"
    assert driver.closed == (1002, "audio_before_start")


def test_a_second_start_and_audio_after_stop_have_no_effect():
    driver = Driver(lag=10).start().hear(speech("#" * 40))
    driver.receive(Start(AudioFormat(), Settings()))
    driver.receive(Stop())
    for _ in range(50):
        driver.receive(Audio(b"\0\0"))
    driver.stop()

    assert [error.message for error in driver.of(ErrorSent)] == [
        "start came, but the session has already started; it has no effect",
        "audio came, but the session is stopping; it has no effect",
        "stop came, but the session is stopping; it has no effect",
    ]
    assert len(driver.finals) == 1
    assert driver.closed == (1000, "stop")


def test_nonsense_is_borne_for_a_while():
    driver = Driver().start()
    for _ in range(20):
        driver.receive(Rejected(InvalidMessage("no type")))
    assert driver.closed is None
    driver.receive(Rejected(InvalidMessage("no type")))

    assert driver.closed == (1008, "too_many_errors")
    assert driver.session.receive(Rejected(InvalidMessage("no type"))) == []


def test_a_stop_with_an_error_finishes_what_was_heard_first():
    for error, code in ((InvalidAudio("broken"), 1007), (IdleTimeout("nothing"), 1008)):
        driver = Driver(lag=10).start().hear(speech("#" * 40))
        driver.receive(Stop(reason=error.code, error=error))
        while driver.jobs:
            driver.answer_next()

        assert [type(message) for message in driver.sent[-3:]] == [Final, ErrorSent, Closed]
        assert driver.closed == (code, error.code)


def test_a_server_that_goes_away_closes_with_1001():
    driver = Driver().start()
    driver.receive(Stop(reason="going_away"))

    assert driver.closed == (1001, "going_away")


def test_a_stream_that_ends_within_a_sample_is_told():
    driver = Driver().start()
    driver.receive(Audio(b"\0\0\0"))
    driver.stop()

    assert [warning.code for warning in driver.of(Warned)] == ["incomplete_sample"]


def test_a_heartbeat_tells_what_was_received_and_what_was_answered():
    driver = Driver(lag=10).start().hear(speech("." * 50 + "#" * 50))
    driver.receive(Keepalive())
    driver.receive(Pulse(queue_ms=40, received_bytes=64_000, received_messages=1))

    told = Heartbeat(received_ms=2000, processed_ms=700, queue_ms=40, received_bytes=64_000, received_messages=1)
    assert driver.of(Heartbeat) == [told]


def test_nothing_is_said_once_the_client_is_gone():
    driver = Driver(lag=10).start().hear(speech("#" * 40))
    driver.receive(Gone())
    before = len(driver.sent)
    driver.stop()

    assert len(driver.sent) == before
    assert driver.session.state is State.CLOSED


def test_hours_of_silence_keep_no_audio():
    driver = Driver().start()
    for _ in range(600):
        driver.hear(np.zeros(16_000, np.int16))

    assert len(driver.session._timeline) < 16_000
    assert driver.session.backlog_samples == 0


def test_every_state_has_its_row():
    assert set(TRANSITIONS) == set(State)


@settings(max_examples=60, deadline=None)
@given(
    script=st.lists(st.tuples(st.sampled_from("#."), st.integers(1, 60)), max_size=8),
    cuts=st.lists(st.integers(0, 200_000), max_size=20),
    lag=st.integers(0, 5),
    judge_late=st.booleans(),
    encoding=st.sampled_from([Encoding.PCM_S16LE, Encoding.MULAW]),
    rate=st.sampled_from([8_000, 16_000, 44_100]),
    endpoints=st.booleans(),
)
def test_however_the_bytes_are_cut_and_however_slow_the_engine_is_the_finals_are_the_same(
    script, cuts, lag, judge_late, encoding, rate, endpoints
):
    audio = speech("".join(mark * count for mark, count in script))
    data = audio if encoding is Encoding.PCM_S16LE else (audio.view(np.uint8) | 0x10)

    def finals(**how):
        at = how.pop("cuts", ())
        driver = Driver(**how).start(Settings(endpoints=endpoints, max_segment_ms=2_000), encoding=encoding, sample_rate=rate)
        driver.hear(data, at)
        driver.stop()
        return [replace(final, revision=0) for final in driver.finals], driver.of(Closed)[0].totals["segments"]

    assert finals(cuts=cuts, lag=lag, judge_late=judge_late) == finals()


@settings(max_examples=30, deadline=None)
@given(
    scripts=st.lists(st.lists(st.tuples(st.sampled_from("#."), st.integers(1, 60)), max_size=5), min_size=2, max_size=6),
    order=st.randoms(use_true_random=False),
)
def test_sessions_side_by_side_never_hear_each_other(scripts, order):
    audios = [speech("".join(mark * count for mark, count in script), seed=n) for n, script in enumerate(scripts)]
    alone = [[final.text for final in Driver().start().hear(audio).stop().finals] for audio in audios]
    drivers = [Driver(lag=order.randint(0, 3), session_id=str(n)).start() for n in range(len(audios))]
    places = [0] * len(audios)
    while any(place < len(audio) for place, audio in zip(places, audios, strict=True)):
        n = order.choice([n for n in range(len(audios)) if places[n] < len(audios[n])])
        step = order.randint(1, 5_000)
        drivers[n].hear(audios[n][places[n] : places[n] + step])
        places[n] += step

    assert [[final.text for final in driver.stop().finals] for driver in drivers] == alone
    assert all(job.session == str(n) for n, driver in enumerate(drivers) for job in driver.submitted)


def applause(job):
    """An engine that hears applause in everything, and is unsure of its words."""
    return replace(
        heard(job),
        tokens=tuple(replace(token, p=0.5) for token in heard(job).tokens),
        event={"speech": 0.1, "applause": 0.9},
    )


def test_words_against_the_models_own_evidence_are_withheld_and_the_sound_is_told():
    driver = Driver(answer=applause).start().hear(speech(SENTENCE), cuts=range(0, 100_000, 640))

    final = driver.finals[0]
    assert (final.text, final.words, final.withheld) == ("", (), "applause 0.90, confidence 0.50")
    assert final.raw_text == heard(driver.submitted[-1]).raw_text
    assert driver.partials == []
    assert driver.of(Sound) == [Sound(channel=0, event="applause", p=0.9, begin_ms=100, end_ms=1900)]


def test_loud_audio_between_segments_is_asked_about_and_told_as_a_sound():
    loud = speech("#" * 160, seed=3) // 20  # below what the judge calls speech, above a quiet room
    driver = Driver(answer=applause).start().hear(loud)

    assert [(job.kind, job.begin, job.end) for job in driver.submitted] == [(JobKind.SOUND, 0, 48_000)]
    assert driver.of(Sound) == [Sound(channel=0, event="applause", p=0.9, begin_ms=0, end_ms=3000)]
    assert driver.of(SpeechStarted) == []


def test_sounds_can_be_switched_off_and_a_model_without_events_is_never_asked():
    loud = speech("#" * 160, seed=3) // 20

    assert Driver(answer=applause).start(Settings(sounds=False)).hear(loud).submitted == []
    assert Driver(answer=applause, model=PLAIN).start().hear(loud).submitted == []


def test_a_trend_of_emotions_is_given_when_asked_for():
    driver = Driver().start(Settings(emotion_trend=True)).hear(speech(SENTENCE))

    assert driver.finals[0].emotion.trend == driver.finals[0].emotion.scores
    assert Driver().start().hear(speech(SENTENCE)).finals[0].emotion.trend is None


def test_a_busy_engine_is_asked_less_often():
    def slow(job):
        return replace(heard(job), queue_ms=200.0, decode_ms=300.0)

    driver = Driver(answer=slow).start().hear(speech("#" * 200), cuts=range(0, 200_000, 640))

    assert np.diff([job.end for job in driver.submitted]).tolist() == [16_000] * (len(driver.submitted) - 1)
    assert len(driver.submitted) == 4


def test_a_speculation_that_speech_overtook_is_not_decoded():
    driver = Driver(lag=10).start(Settings(partials=False)).hear(speech("#" * 30 + "." * 20 + "#" * 30), cuts=range(0, 100_000, 640))

    assert [type(effect) for effect in driver.effects if isinstance(effect, Submit | Discard)] == [Submit, Discard]
    assert driver.jobs == deque()
