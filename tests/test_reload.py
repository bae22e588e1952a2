"""Settings from a file, read again while the server runs: what changes, what does not, and what is said of it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from streamer.errors import ConfigurationError
from streamer.settings import needs_restart, read_settings
from tests.driving import speech
from tests.test_faults import until
from tests.workers.test_supervisor import Service

HOME = Path("/home/nobody")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "streamer.toml"


def test_the_environment_beats_the_file_which_beats_the_default(file):
    file.write_text(
        "STREAMER_MAX_SESSIONS = 20\nSTREAMER_PORT = 9000\nSTREAMER_MAX_QUEUE_S = 1.5\nSTREAMER_OFFLINE = true\nSTREAMER_HOST = '::'\n"
    )
    settings = read_settings({"STREAMER_PORT": "9001", "STREAMER_CONFIG": str(file)}, HOME)

    assert (settings.limits.max_sessions, settings.port, settings.limits.max_queue_s) == (20, 9001, 1.5)
    assert (settings.offline, settings.host, settings.config, settings.limits.idle_timeout_s) == (True, "::", file, 60)
    assert read_settings({}, HOME, file).port == 9000


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nonsense", "cannot be read"),
        ("MAX_SESSIONS = 3", "has MAX_SESSIONS, expected one of STREAMER_CACHE"),
        ("STREAMER_CONFIG = 'x'", "has STREAMER_CONFIG"),
        ("STREAMER_MAX_SESSIONS = [3]", "has STREAMER_MAX_SESSIONS = [3], expected a string"),
        ("STREAMER_MAX_SESSIONS = 0", "STREAMER_MAX_SESSIONS is '0', expected 1 to 100000"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_sentence(file, text, sentence):
    file.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        read_settings({}, HOME, file)
    assert sentence in str(refused.value)
    with pytest.raises(ConfigurationError):
        read_settings({}, HOME, file.with_name("none"))


def test_what_takes_a_restart_is_known(file):
    file.write_text("STREAMER_PORT = 9000\nSTREAMER_MAX_SESSIONS = 3\nSTREAMER_OFFLINE = true\nSTREAMER_LOG_LEVEL = 'debug'")

    assert needs_restart(read_settings({}, HOME), read_settings({}, HOME)) == []
    assert needs_restart(read_settings({}, HOME, file), read_settings({}, HOME, file)) == []
    assert needs_restart(read_settings({"STREAMER_CONFIG": str(file), "STREAMER_PORT": "1"}, HOME), read_settings({}, HOME, file)) == [
        "port"
    ]


@contextmanager
def serving(file, *options):
    command = [sys.executable, "-m", "streamer", "serve", "--port", "0", "--model", "scripted", "--vad", "webrtc", "--config", str(file)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAMER_")}
    log = []
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        reading = threading.Thread(target=lambda: log.extend(iter(process.stderr.readline, "")))
        reading.start()
        try:
            service = Service(process, process.stdout.readline().split()[4], [])
            service.until(lambda: service.get("/readyz")[0] == 200)
            yield service, log
        finally:
            process.terminate()
            process.wait(30)
            reading.join(10)


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one process", "several"])
@pytest.mark.skipif(sys.platform != "linux", reason="a port is shared as Linux shares it")
def test_a_signal_reads_the_file_again_and_nobody_notices(file, options):
    file.write_text("STREAMER_MAX_SESSIONS = 3\nSTREAMER_NOTICE_S = 0\n")
    with serving(file, *options) as (service, log):

        def said(words):
            return any(words in line for line in log)

        async def story():
            async with connect(service.socket, compression=None) as socket:
                await socket.send('{"type": "start", "sounds": false}')
                assert service.metric("streamer_max_sessions") == 3
                file.write_text("STREAMER_MAX_SESSIONS = 7\nSTREAMER_LOG_FORMAT = 'json'\nSTREAMER_WORKERS = 5\nSTREAMER_VAD = 'silero'\n")
                service.process.send_signal(signal.SIGHUP)
                await asyncio.to_thread(until, lambda: said("settings were read again"))
                await asyncio.to_thread(until, lambda: service.metric("streamer_max_sessions") == 7)
                file.write_text("STREAMER_MAX_SESSIONS = 'many'\n")
                service.process.send_signal(signal.SIGHUP)
                await asyncio.to_thread(until, lambda: said("the settings stay as they were: STREAMER_MAX_SESSIONS is 'many'"))
                await socket.send(speech("." * 5 + "#" * 50 + "." * 45).tobytes())
                await socket.send('{"type": "stop"}')
                return [json.loads(message)["type"] async for message in socket]

        types = asyncio.run(asyncio.wait_for(story(), 90))
        assert service.metric("streamer_max_sessions") == 7

    assert types[-2:] == ["final", "closed"]
    assert [line for line in log if "takes a restart" in line and "vad" in line] == []  # the option holds, whatever the file says
    assert [json.loads(line)["message"] for line in log if "takes a restart" in line] == (
        [] if options else [f"workers has changed in {file}, which takes a restart"]
    )
    closed = next(json.loads(line) for line in log if " closed" in line and line.startswith("{"))
    assert closed["finals"] == 1
