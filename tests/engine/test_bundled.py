"""The bundled model itself: a known reading, silence, noise, a failing item. It is a dependency, so it is always here."""

import re
import socket
import sys
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from streamer.core.events import Failed, Hypothesis, Job, JobKind, Samples
from streamer.engine import Engine
from streamer.engine.bundled import Bundled
from streamer.errors import ModelNotFound

TWO_CITIES = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, "
    "it was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of Darkness, "
    "it was the spring of hope, it was the winter of despair"
)
PAUSES_S = (0.0, 4.85, 8.56, 13.15, 17.15, 20.6)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:  # in place of the miniature that serves the other tests of this folder
    engine = Bundled(notice="This is the bundled model.")
    yield engine
    engine.close()


def job(samples: Samples) -> Job:
    return Job(session="s", channel=0, segment=0, kind=JobKind.FINAL, begin=0, end=len(samples), samples=samples)


def heard(engine: Engine, samples: Samples) -> Hypothesis:
    (answer,) = engine.transcribe([job(samples)])
    assert isinstance(answer, Hypothesis)
    return answer


def text(hypothesis: Hypothesis) -> str:
    return "".join(token.text for token in hypothesis.tokens)


def word_errors(said: list[str], found: list[str]) -> int:
    row = list(range(len(found) + 1))
    for at, word in enumerate(said, 1):
        before, row[0] = row[:], at
        for place, other in enumerate(found, 1):
            row[place] = min(before[place] + 1, row[place - 1] + 1, before[place - 1] + (word != other))
    return row[-1]


def test_it_says_what_it_is_and_what_it_lacks(engine: Engine) -> None:
    info = engine.info
    assert (info.name, info.device, info.notice) == ("moonshine-tiny-en", "cpu", "This is the bundled model.")
    can = info.capabilities
    assert (can.languages, can.word_times) == (("en",), "estimated")
    assert not any((can.emotion, can.events, can.itn, can.hotwords, can.confidence))


def test_warming_up_runs_one_real_pass_per_length(engine: Engine) -> None:
    warm = engine.warm_up()
    assert [(batch, seconds) for batch, seconds, _ in warm.forwards] == [(1, 2.0), (1, 10.0), (1, 30.0)]
    assert all(ms > 1 for *_, ms in warm.forwards)


def test_a_known_reading_in_pieces_is_heard_with_at_most_one_word_in_ten_wrong(engine: Engine, speech: Samples) -> None:
    pieces = [speech[int(begin * 16000) : int(end * 16000)] for begin, end in pairwise(PAUSES_S)]
    answers = engine.transcribe([job(piece) for piece in pieces])
    texts = []
    for piece, answer in zip(pieces, answers, strict=True):
        assert isinstance(answer, Hypothesis)
        assert text(answer) == answer.raw_text
        assert all(0 <= token.begin < token.end <= len(piece) for token in answer.tokens)
        assert all(first.begin <= second.begin and first.end <= second.end for first, second in pairwise(answer.tokens))
        assert (answer.language, answer.emotion, answer.event) == (None, None, None)
        assert answer.decode_ms > 0
        texts.append(text(answer))
    said, found = (re.findall(r"[a-z']+", words.lower()) for words in (TWO_CITIES, " ".join(texts)))
    assert word_errors(said, found) <= 0.1 * len(said)  # measured: 3 of 60


def test_the_first_and_the_last_word_are_whole(engine: Engine, speech: Samples) -> None:
    """The library's own voice detector, were it on, would cut here; and the length is no multiple of its hop."""
    words = text(heard(engine, speech[int(0.9 * 16000) : int(4.85 * 16000) + 77])).lower().split()
    assert (words[:4], words[-2:]) == (["it", "was", "the", "best"], ["of", "times."])


def test_the_answer_depends_on_the_audio_alone(engine: Engine, speech: Samples) -> None:
    piece = speech[int(4.85 * 16000) : int(8.56 * 16000)]
    first = heard(engine, piece)
    heard(engine, speech[: 4 * 16000])
    assert text(heard(engine, piece)) == text(first)


def test_silence_and_noise_hold_no_words(engine: Engine) -> None:
    noise = np.random.default_rng(3).standard_normal(3 * 16000)
    for audio in (np.zeros(0), np.zeros(3 * 16000), noise * 10, noise * 30, noise * 300, noise * 5000):
        assert text(heard(engine, audio.astype(np.int16))) == ""


def test_what_it_invents_for_a_click_is_dropped_and_stays_in_the_raw_text(engine: Engine) -> None:
    click = np.zeros(8000, np.int16)
    click[4000:4010] = 3000
    answer = heard(engine, click)
    assert (text(answer), answer.raw_text) == ("", "You")


class Refusing:
    """A transcriber that refuses audio longer than two seconds, as the library does when it fails."""

    def __init__(self, real: Bundled) -> None:
        self._real, self._transcriber = real, real._transcriber

    def transcribe_without_streaming(self, audio: list[float], rate: int) -> object:
        if len(audio) > 2 * rate:
            raise self._real._refusal("Unknown error")
        return self._transcriber.transcribe_without_streaming(audio, rate)


def test_a_failing_item_is_a_failure_of_its_own(speech: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Bundled()
    monkeypatch.setattr(engine, "_transcriber", Refusing(engine))
    good, bad = job(speech[14400:40000]), job(speech[:64000])
    first, second, third = engine.transcribe([good, bad, good])
    assert isinstance(first, Hypothesis) and isinstance(third, Hypothesis)
    assert text(first) == text(third) != ""
    assert isinstance(second, Failed)
    assert second.job is bad
    assert second.reason == "moonshine-tiny-en could not decode 4.0 s of audio: Unknown error"


def test_after_closing_jobs_fail_and_closing_again_is_harmless(speech: Samples) -> None:
    engine = Bundled()
    engine.close()
    engine.close()
    (answer,) = engine.transcribe([job(speech[:32000])])
    assert isinstance(answer, Failed)


def test_it_opens_no_socket(speech: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    engine = Bundled()
    assert text(heard(engine, speech[14400:40000])) != ""
    engine.close()


def test_a_missing_package_is_said_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "moonshine_voice.transcriber", None)
    with pytest.raises(ModelNotFound, match=r"pip install moonshine-voice==0\.0\.65"):
        Bundled()
