"""Messages of a session with nothing in them but what a test counts."""

from streamer.core.events import Final, Partial


def partial(text, segment=0, audio_end_ms=0, stable=""):
    return Partial(
        segment=segment,
        revision=0,
        channel=0,
        stable=stable,
        unstable=text,
        begin_ms=0,
        end_ms=audio_end_ms,
        words=(),
        confidence=None,
        language=None,
        emotion=None,
        events=(),
        audio_end_ms=audio_end_ms,
        queue_ms=0.0,
        decode_ms=0.0,
    )


def final(text, segment=0, begin_ms=0, end_ms=1000, **more):
    given = {"language": None, "emotion": None, "events": (), "itn": None} | more
    return Final(
        segment=segment,
        revision=1,
        channel=0,
        text=text,
        raw_text=text,
        words=(),
        begin_ms=begin_ms,
        end_ms=end_ms,
        confidence=None,
        end_reason="endpoint",
        audio_end_ms=end_ms,
        queue_ms=0.0,
        decode_ms=0.0,
        **given,
    )
