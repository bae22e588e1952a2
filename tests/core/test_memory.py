"""A session's memory does not grow with the length of the meeting."""

import tracemalloc

import numpy as np

from streamer.core.events import Audio, AudioFormat, Connected, Judge, Judged, Settings, Start, Submit
from streamer.core.session import Session
from streamer.engine.scripted import heard
from tests.driving import info, judgement, speech

MINUTE = np.concatenate([speech("." * 3 + "#" * length + "." * 4, seed=length, unit_ms=200) for length in (8, 40, 93, 15, 23, 54, 18)])
PIECE = 16_000


def listen(session, samples):
    """Performs what the session asks, at once; gives the number of its other effects."""
    messages = 0
    for at in range(0, len(samples), PIECE):
        todo = [Audio(samples[at : at + PIECE].tobytes())]
        while todo:
            for effect in session.receive(todo.pop(0)):
                match effect:
                    case Judge(frames):
                        todo.append(Judged(judgement(frames)))
                    case Submit(job):
                        todo.append(heard(job))
                    case _:
                        messages += 1
    return messages


def test_an_hour_of_talk_takes_no_more_memory_than_its_first_minutes():
    assert len(MINUTE) == 60 * 16_000
    session = Session(info())
    session.receive(Connected())
    session.receive(Start(AudioFormat(), Settings()))
    tracemalloc.start(1)
    try:
        for _ in range(3):
            listen(session, MINUTE)
        early = tracemalloc.get_traced_memory()[0]
        for _ in range(57):
            assert listen(session, MINUTE) > 20
        late = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert session.totals["audio_ms"] == 3_600_000
    assert session.totals["finals"] > 300
    assert early < 4_000_000
    assert late - early < 250_000  # free lists fill: a float kept for each frame alone would be six megabytes
