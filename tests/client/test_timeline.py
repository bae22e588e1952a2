"""One timeline over several sessions: what counts as answered, and how later sessions are shifted."""

from streamer.client.timeline import Timeline


def started(segment, begin_ms, seq=None):
    return {"type": "speech.started", "segment": segment, "begin_ms": begin_ms} | ({"seq": seq} if seq else {})


def final(segment, begin_ms, end_ms, **fields):
    return {"type": "final", "segment": segment, "begin_ms": begin_ms, "end_ms": end_ms, **fields}


def tell(timeline, *messages):
    return [told for message in messages if (told := timeline.take(message)) is not None]


def test_a_message_that_was_seen_is_not_told_again():
    timeline = Timeline(single=True)
    assert len(tell(timeline, started(0, 0, seq=3), started(0, 0, seq=3), started(0, 0, seq=2), started(1, 9, seq=5))) == 2
    assert timeline.seen == 5


def test_a_final_answers_what_is_before_its_end_but_not_segments_that_are_open():
    timeline = Timeline(single=True)
    tell(timeline, started(0, 100), started(1, 900), final(0, 100, 950))
    assert timeline.answered_ms == 900
    tell(timeline, final(1, 900, 2_000))
    assert timeline.answered_ms == 2_000


def test_of_several_channels_only_the_server_knows_what_is_answered():
    timeline = Timeline(single=False)
    tell(timeline, started(0, 100), final(0, 100, 950))
    assert timeline.answered_ms == 0
    tell(timeline, {"type": "heartbeat", "processed_ms": 950})
    assert timeline.answered_ms == 450


def test_a_heartbeat_answers_silence_but_for_the_next_words_onset():
    timeline = Timeline(single=True)
    tell(timeline, {"type": "heartbeat", "processed_ms": 3_000})
    assert timeline.answered_ms == 2_500
    tell(timeline, started(0, 2_600), {"type": "heartbeat", "processed_ms": 9_000})
    assert timeline.answered_ms == 2_600


def test_times_and_numbers_go_on_in_the_next_session():
    timeline = Timeline(single=True)
    tell(timeline, started(0, 0, seq=1), final(0, 0, 1_000, seq=2), started(1, 1_500, seq=3))
    assert timeline.restart(1_000) == (2, (1,))
    word = {"text": "a", "begin_ms": 510, "end_ms": 700, "confidence": None}
    assert tell(
        timeline,
        started(0, 500, seq=1),
        final(0, 500, 800, audio_end_ms=900, words=[word]),
        {"type": "error", "segment": None, "message": "no"},
        {"type": "closed", "totals": {"audio_ms": 2_000, "finals": 1}},
    ) == [
        {"type": "speech.started", "segment": 2, "begin_ms": 1_500, "seq": 1},
        final(2, 1_500, 1_800, audio_end_ms=1_900, words=[word | {"begin_ms": 1_510, "end_ms": 1_700}]),
        {"type": "error", "segment": None, "message": "no"},
        {"type": "closed", "totals": {"audio_ms": 3_000, "finals": 1}},
    ]
    assert timeline.answered_ms == 1_800
    assert timeline.restart(1_800) == (3, ())


def test_what_is_heard_anew_is_not_told_anew():
    timeline = Timeline(single=False)
    tell(timeline, started(0, 0, seq=1), final(0, 0, 1_000, seq=2), started(1, 1_500, seq=3))
    timeline.repeat()
    told = tell(timeline, started(0, 0, seq=1), final(0, 0, 1_000), started(1, 1_500), final(1, 1_500, 2_000), started(2, 3_000))
    assert told == [final(1, 1_500, 2_000), started(2, 3_000)]
