"""sherpa-onnx's clients, which know a host and a port: its C++ one as it is shipped, the others rebuilt."""

import asyncio
import json
import subprocess
import sys
import wave

import numpy as np
import pytest
import soxr
from websockets.exceptions import ConnectionClosedError

from tests.clients.conftest import ENVIRONMENTS, RATE, SPOKEN_S
from tests.clients.sherpa import offline, online
from tests.clients.test_deepgram import BEGIN, plain

WIRES = "sherpa-online", "sherpa-offline", "sherpa-offline-text"
pytestmark = pytest.mark.skipif(not ENVIRONMENTS.is_dir(), reason="`make test-clients` runs the clients of others")


@pytest.fixture(scope="module")
def ports():
    """The bundled model behind free ports; the port of each wire."""
    listen = ",".join(f"{wire}=0" for wire in WIRES)
    command = [sys.executable, "-m", "streamer", "serve", "--port", "0", "--listen", listen]
    with subprocess.Popen([*command, "--model", "bundled", "--log-level", "warning"], stdout=subprocess.PIPE, text=True) as process:
        try:
            process.stdout.readline()
            found = dict(process.stdout.readline().split(" has port ") for _ in WIRES)
            assert process.stdout.readline().startswith("model: ")
            yield {wire: int(rest.split()[0]) for wire, rest in found.items()}
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="module")
def samples(speech):
    with wave.open(str(speech)) as file:
        return (np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32_768).astype(np.float32)


def address(ports, wire):
    return f"ws://localhost:{ports[wire]}"


def test_the_cpp_client_prints_results_and_hangs_up_when_all_is_done(ports, speech):
    client = ENVIRONMENTS / "sherpa" / "bin" / "sherpa-onnx-online-websocket-client"
    if not client.exists():
        pytest.skip("sherpa has no environment; `make test-clients` builds it")
    command = [str(client), f"--server-port={ports['sherpa-online']}", "--seconds-per-message=0.5", str(speech)]  # real time
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    printed = [line[line.index("{") :] for line in done.stderr.splitlines() if '"text"' in line]
    results = [json.loads(line) for line in printed]
    assert plain(" ".join(one["text"] for one in results if one["is_final"])).startswith(BEGIN)
    assert len([one for one in results if not one["is_final"]]) >= 3
    numbers = [one["segment"] for one in results]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(numbers[-1] + 1))
    assert [one["is_eof"] for one in results] == [False] * (len(results) - 1) + [True]
    assert "Disconnected" in done.stderr
    assert done.stderr.rstrip().endswith("Done!")


def test_the_python_client_and_the_page_keep_one_text_for_each_segment(ports, samples):
    messages, last, texts = asyncio.run(online.transcribe(address(ports, "sherpa-online"), samples))
    assert plain(" ".join(filter(None, texts))).startswith(BEGIN)
    assert texts == [one["text"] for one in messages if one["is_final"]]
    assert (last["is_final"], last["is_eof"]) == (True, True)
    spoken = next(one for one in messages if one["is_final"])
    assert "".join(spoken["tokens"]) == spoken["text"]
    assert all(0 <= spoken["start_time"] + time <= SPOKEN_S for time in spoken["timestamps"])
    assert "emotion" in spoken["sensevoice"]


def test_the_python_client_has_a_last_result_to_print_without_a_word(ports):
    messages, last, texts = asyncio.run(online.transcribe(address(ports, "sherpa-online"), np.zeros(RATE, np.float32)))
    assert (messages, texts) == ([last], [""])


def test_files_of_any_rate_are_answered_one_after_the_other_and_beside_one_another(ports, samples):
    telephone = soxr.resample(samples[: 4 * RATE], RATE, 8_000).astype(np.float32)
    files = (samples, RATE), (telephone, 8_000), (samples[:0], RATE)
    url = address(ports, "sherpa-offline")
    for answers in (asyncio.run(offline.sequential(url, *files)), asyncio.run(offline.parallel(url, *files[1:]))):
        *spoken, nothing = map(json.loads, answers)
        assert nothing["text"] == ""
        for answer in spoken:
            assert plain(answer["text"]).startswith(BEGIN)
            assert len(answer["timestamps"]) == len(answer["durations"]) == len(answer["tokens"])
            assert answer["timestamps"] == sorted(answer["timestamps"])
            assert all(0 <= time <= SPOKEN_S for time in answer["timestamps"])


def test_the_upload_page_and_java_are_shown_text_alone(ports, samples):
    url = address(ports, "sherpa-offline-text")
    for client in (offline.page, offline.java):
        assert plain(asyncio.run(client(url, samples[: 4 * RATE], RATE))).startswith(BEGIN)
    assert asyncio.run(offline.page(url, samples[-RATE:], RATE)) == "<EMPTY>"


def test_java_is_told_when_its_one_message_is_too_big(ports, samples):
    with pytest.raises(ConnectionClosedError) as closed:
        asyncio.run(offline.java(address(ports, "sherpa-offline"), np.tile(samples, 2), RATE))
    assert closed.value.rcvd.code == 1009
