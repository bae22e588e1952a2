"""FunASR's clients, at the address that they dial."""

import asyncio
import wave
from itertools import pairwise

import pytest

from tests.clients.conftest import ENVIRONMENTS
from tests.clients.funasr import html5_page, openclaw, realtime, wss_client, xiaozhi
from tests.clients.test_deepgram import BEGIN, plain
from tests.serving import serving

# These need no environment, but a minute and a half in real time, which `make test` has no use for.
pytestmark = pytest.mark.skipif(not ENVIRONMENTS.is_dir(), reason="`make test-clients` runs the clients of others")


@pytest.fixture(scope="session")
def pcm(speech):
    with wave.open(str(speech)) as file:
        return file.readframes(file.getnframes())


def test_the_python_client_sees_increments_sentences_and_each_acknowledgement(server, pcm):
    messages, printed = asyncio.run(wss_client.transcribe(server, [pcm, pcm[: 4 * 32_000], bytes(32_000)]))
    first = [message for message in messages if message["wav_name"] == "turn0"]
    online = [message for message in first if message["mode"] == "2pass-online"]
    sentences = [message for message in first if message["mode"] == "2pass-offline"]
    assert len(online) >= 5
    assert not any(message["is_final"] for message in online)
    assert all(message["is_final"] for message in sentences)
    assert plain("".join(message["text"] for message in sentences)).startswith(BEGIN)
    assert first[-1] == {"mode": "2pass", "wav_name": "turn0", "is_final": True, "is_end": True}
    assert plain(printed).count(BEGIN) == 2
    silence = [message for message in messages if message["wav_name"] == "turn2"]
    assert [(message.get("text"), message.get("is_end")) for message in silence] == [("", None), (None, True)]


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_the_python_client_is_served_in_the_other_modes(server, pcm, mode):
    messages, printed = asyncio.run(wss_client.transcribe(server, [pcm], mode))
    assert {message["mode"] for message in messages} == {mode}
    assert plain(printed).startswith(BEGIN)
    if mode == "offline":
        assert len(messages) == 2
    else:
        assert len(messages) >= 8


def test_the_page_replaces_what_it_appended(server, pcm):
    messages, boxes = asyncio.run(html5_page.transcribe(server + "/funasr", pcm))
    assert [message["is_final"] for message in messages].count(True) == 1
    assert messages[-1]["is_final"]
    assert BEGIN[:11] in [plain(box)[:11] for box in boxes]
    lines = [line.split(":", 1) for line in boxes[-1].splitlines()]
    assert " ".join(word.lower() for _, word in lines).startswith(BEGIN)
    assert all(0 <= float(time) <= 11 for time, _ in lines)


def test_the_page_waits_for_the_end_of_its_file(server, pcm):
    messages, boxes = asyncio.run(html5_page.transcribe(server + "/funasr", pcm, file=True, pace_s=0.001))
    assert messages[-1]["is_final"]
    assert " ".join(line.split(":")[1].lower() for line in boxes[-1].splitlines()).startswith(BEGIN)


def test_a_file_in_a_container_has_one_answer(server, speech):
    file = speech.read_bytes()
    messages, boxes = asyncio.run(html5_page.transcribe(server + "/funasr", file, "offline", file=True, wav_format="wav", pace_s=0))
    assert [message["is_final"] for message in messages] == [True]
    assert " ".join(line.split(":")[1].lower() for line in boxes[-1].splitlines()).startswith(BEGIN)


def test_xiaozhi_gets_one_answer_for_one_message(server, pcm):
    text, tags = asyncio.run(xiaozhi.transcribe(server, pcm))
    assert plain(text).startswith(BEGIN)
    assert tags == []  # the bundled model has none
    assert asyncio.run(xiaozhi.transcribe(server, bytes(32_000)))[0] == ""


def test_tags_are_what_xiaozhi_takes_apart_and_nothing_that_the_page_stumbles_over(pcm):
    with serving() as scripted:
        address = scripted.url.replace("http", "ws", 1)
        text, tags = asyncio.run(xiaozhi.transcribe(address, pcm))
        _, boxes = asyncio.run(html5_page.transcribe(address + "/funasr", pcm, file=True, pace_s=0.001))
        _, bare = asyncio.run(html5_page.transcribe(address + "/funasr?tags=false", pcm, file=True, pace_s=0.001))
    assert text
    assert tags == ["en", "NEUTRAL", "Speech", "woitn"]
    assert boxes[-1].splitlines()[0].split(":")[1].startswith("<|en|><|NEUTRAL|><|Speech|><|woitn|>")
    assert [line.split(":")[1] for line in bare[-1].splitlines()] == text.split()


@pytest.mark.parametrize("mode", ["2pass", "online"])
def test_openclaw_hears_growing_partials_and_transcripts(server, pcm, mode):
    partials, transcripts = asyncio.run(openclaw.transcribe(server, pcm, mode))
    assert plain(" ".join(transcripts)).startswith(BEGIN)
    assert len(partials) >= 3
    assert all(later.startswith(earlier) for earlier, later in pairwise(partials[:4]))


def test_commands_start_settle_commit_and_stop(server, pcm):
    before = ["HOTWORDS:Dickens,two cities", "LANGUAGE:英文"]
    messages = asyncio.run(realtime.transcribe(server + "/funasr/realtime", pcm, *before, commit_s=4.0))
    assert [message["event"] for message in messages if "event" in message] == ["hotwords_set", "language_set", "started", "stopped"]
    results = [message for message in messages if "sentences" in message]
    assert sum(bool(result["partial"]) for result in results) >= 5
    assert [result["is_final"] for result in results].count(True) == 2  # the commit and the stop
    last = results[-1]
    assert plain(" ".join(sentence["text"] for sentence in last["sentences"])).startswith(BEGIN)
    assert last["duration_ms"] == 11_000
    assert (last["partial"], last["partial_start_ms"]) == ("", 0)
