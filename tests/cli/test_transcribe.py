"""The command itself: real speech through the real session, voice detector, scheduler and server; the words are the scripted engine's."""

import json
import re
import socket
import threading
import time
import wave

import numpy as np
import pytest

from streamer.__main__ import main
from streamer.engine.scripted import WORDS
from tests.conftest import TWO_CITIES
from tests.serving import serving
from tests.words import word_error_rate, words

NOTICE = "streamer: This is the test engine: its words are made up.\n"


@pytest.fixture(scope="module")
def talk(two_cities_16k, tmp_path_factory):
    """Six seconds of speech in a wav of 16 kHz."""
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    return written(path, two_cities_16k[None, : 16_000 * 6])


def written(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setparams((len(samples), 2, 16_000, 0, "NONE", ""))
        file.writeframes(np.ascontiguousarray(samples.T).tobytes())
    return path


@pytest.fixture
def transcribe(capsys):
    """Runs the command; gives exit code, standard output and standard error, and sees to it that no thread stays."""

    def run(*arguments, model="scripted"):
        before = set(threading.enumerate())
        code = main(["transcribe", *map(str, arguments), *(["--model", model] if model else [])])
        ours = ("asyncio", "judge") if "--url" in arguments else ("asyncio",)  # that server's judge starts with its first session
        left = [thread.name for thread in set(threading.enumerate()) - before if not thread.name.startswith(ours)]
        assert left == []
        return (code, *capsys.readouterr())

    return run


def test_a_file_becomes_text_on_standard_output(transcribe, talk):
    code, out, err = transcribe(talk)
    assert (code, err) == (0, NOTICE)
    assert len(out.split()) > 12
    assert set(out.split()) <= set(WORDS)


def test_the_same_words_come_at_the_speed_of_a_microphone_with_partials_before_them(transcribe, tmp_path, two_cities_16k):
    short = written(tmp_path / "short.wav", two_cities_16k[None, : 16_000 * 3])
    fast = transcribe(short)[1]
    began = time.monotonic()
    code, out, err = transcribe(short, "--realtime")
    assert time.monotonic() - began > 3
    assert (code, out) == (0, fast)
    assert err.startswith(NOTICE + "... ")
    assert len(err.splitlines()) > 3


def test_quiet_leaves_results_and_what_must_be_known(transcribe, tmp_path, two_cities_16k):
    short = written(tmp_path / "short.wav", two_cities_16k[None, : 16_000 * 2])
    code, out, err = transcribe(short, "--realtime", "--quiet")
    assert (code, len(out.split()) > 1, err) == (0, True, NOTICE)


def test_the_same_words_come_from_a_server_that_runs_already(transcribe, talk):
    fast = transcribe(talk)[1]
    with serving() as server:
        assert transcribe(talk, "--url", server.url, model=None) == (0, fast, NOTICE)


def test_several_files_share_the_model_and_keep_their_order(transcribe, talk, tmp_path, two_cities_16k):
    short = written(tmp_path / "short.wav", two_cities_16k[None, : 16_000 * 2])
    one, two = transcribe(talk)[1], transcribe(short)[1]
    assert transcribe(talk, short)[:2] == (0, f"== {talk} ==\n{one}== {short} ==\n{two}")


def test_json_holds_what_the_session_told(transcribe, talk):
    told = json.loads(transcribe(talk, "--format", "json", "--language", "ja", "--no-itn")[1])
    assert (told["file"], told["model"], told["duration_ms"]) == (str(talk), "scripted", 6_000)
    first = told["segments"][0]
    assert first["language"]["code"] == "ja"
    assert first["raw_text"].startswith("<|ja|><|NEUTRAL|><|Speech|><|woitn|>")
    assert first["words"][0]["begin_ms"] >= first["begin_ms"]


def test_subtitles_go_into_a_folder(transcribe, talk, tmp_path):
    assert transcribe(talk, "--format", "srt", "--output", f"{tmp_path}/subtitles/")[:2] == (0, "")
    assert re.match(r"1\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\n\w+", (tmp_path / "subtitles" / "talk.srt").read_text())


def test_channels_that_are_split_have_their_own_words(transcribe, talk, tmp_path, two_cities_16k):
    speech = two_cities_16k[: 16_000 * 4]
    stereo = written(tmp_path / "stereo.wav", np.stack([speech, np.roll(speech, 8_000)]))
    lines = transcribe(stereo, "--channels", "split")[1].splitlines()
    assert {line.partition(":")[0] for line in lines} == {"Channel 1", "Channel 2"}
    assert "Channel" not in transcribe(stereo)[1]


def test_what_fails_is_told_and_the_rest_is_done(transcribe, talk, tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("not a recording")
    code, out, err = transcribe(tmp_path / "missing.mp3", talk, text)
    assert code == 1
    assert out == f"== {talk} ==\n{transcribe(talk)[1]}"
    assert f"streamer: {tmp_path}/missing.mp3 does not exist" in err
    assert f"streamer: {text} is not audio or video in a format that can be read" in err


def test_a_file_that_is_cut_off_is_done_with_a_warning(transcribe, talk, tmp_path):
    cut = tmp_path / "cut.wav"
    cut.write_bytes(talk.read_bytes()[:100_000])
    code, out, err = transcribe(cut)
    assert (code, len(out.split()) > 4) == (0, True)
    assert f"streamer: {cut} lacks 92044 of the bytes its header says: it is cut off\n" in err


def test_silence_has_no_words_and_is_no_failure(transcribe, tmp_path):
    silence = written(tmp_path / "silence.wav", np.zeros((1, 16_000), np.int16))
    assert transcribe(silence) == (0, "", f"{NOTICE}streamer: {silence}: no speech was found in 1.0 s of audio\n")


def test_a_model_that_is_not_there_is_a_sentence(transcribe, talk):
    code, out, err = transcribe(talk, model="/nowhere")
    assert (code, out) == (1, "")
    assert err.startswith("streamer: /nowhere is neither a known model")
    assert transcribe(talk, "--realtime", model="/nowhere")[0] == 1


def test_a_server_that_is_not_there_is_a_sentence_for_each_file(transcribe, talk):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        code, out, err = transcribe(talk, "--url", f"127.0.0.1:{taken.getsockname()[1]}", model=None)
    assert (code, out) == (1, "")
    assert re.match(r"streamer: no server is running at ws://127.0.0.1:\d+/ws", err)


def test_a_server_and_a_model_of_ones_own_exclude_each_other(transcribe, talk):
    code, _, err = transcribe(talk, "--url", "localhost")
    assert (code, err) == (1, "streamer: --model is 'scripted', but with --url the server chooses it; leave one of them out\n")


@pytest.mark.parametrize("value", ["0", "9", "both"])
def test_channels_are_a_number_or_split(transcribe, talk, capsys, value):
    with pytest.raises(SystemExit):
        transcribe(talk, "--channels", value)
    assert f"{value!r} is neither split nor a number from 1 to 8" in capsys.readouterr().err


def test_a_reading_becomes_the_text_that_was_read(transcribe, tmp_path, two_cities_16k):
    reading = written(tmp_path / "reading.wav", two_cities_16k[None, : 16_000 * 10])
    code, out, err = transcribe(reading, "--language", "en", model="bundled")
    assert code == 0
    assert "bundled English model" in err
    heard = words(out)
    assert len(heard) > 20
    assert word_error_rate(" ".join(words(TWO_CITIES)[: len(heard)]), " ".join(heard)) < 0.15
