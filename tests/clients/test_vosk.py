"""Vosk's own programs, at the address that they dial."""

from math import ceil

import pytest
import soxr

from tests.clients.conftest import RATE, SILENCE_S, written
from tests.clients.test_deepgram import BEGIN, plain, samples_of

SPOKEN_S = 5


@pytest.fixture(scope="session")
def clip(speech, tmp_path_factory):
    """The first of the sentences, then silence."""
    return written(tmp_path_factory.mktemp("vosk") / "clip.wav", samples_of(speech)[: SPOKEN_S * RATE])


def texts(replies):
    return plain(" ".join(reply["text"] for reply in replies if "text" in reply)).split()


def test_the_transcriber_writes_the_text_of_a_file(said, clip):
    (made,) = said("vosk", clip)
    replies = made["replies"]
    assert len(replies) == ceil((SPOKEN_S + SILENCE_S) * RATE * 2 / 4_000) + 1
    assert plain(made["result"].replace("\n", " ")).strip().startswith(BEGIN)
    assert plain(made["result"].replace("\n", " ")).split() == texts(replies)


def test_the_transcriber_writes_subtitles_from_words_and_their_times(said, clip):
    (made,) = said("vosk", clip, "srt")
    first = made["result"].split("\n\n")[0].splitlines()
    assert plain(first[2]).startswith(BEGIN[:15])
    assert first[1].startswith("00:00:0")


def test_the_sample_program_has_a_reply_to_each_message_and_is_closed_after_the_last(said, clip):
    *replies, last, closed = said("vosk", clip, script="speak_lock_step.py")
    assert len(replies) == (SPOKEN_S + SILENCE_S) * 5
    assert " ".join(texts([*replies, last])).startswith(BEGIN)
    words = [word for reply in replies for word in reply.get("result", ())]
    assert [one for word in words for one in plain(word["word"]).split()] == texts(replies)
    assert all(0 <= word["start"] <= word["end"] <= SPOKEN_S + SILENCE_S and 0 <= word["conf"] <= 1 for word in words)
    assert "text" in last
    assert closed == {"code": 1000}


def test_the_sample_program_is_served_at_8_khz_with_alternatives(said, clip, tmp_path):
    narrow = soxr.resample(samples_of(clip)[: SPOKEN_S * RATE], RATE, 8_000).astype("int16")
    *replies, last, _ = said(
        "vosk", written(tmp_path / "call.wav", narrow, rate=8_000), '{"max_alternatives": 20, "words": 0}', script="speak_lock_step.py"
    )
    found = [one for reply in [*replies, last] for one in reply.get("alternatives", ())]
    assert plain(" ".join(one["text"] for one in found)).startswith("it was the best")
    assert not [one for one in found if "result" in one]
