"""Clients that ask for a token with a key, as they do of the services they were written for."""

import json
import subprocess
import sys
import time

import pytest

from streamer.access.keys import new_key, save
from tests.clients.conftest import ENVIRONMENTS, HERE, SPOKE_S


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    """A server that asks for keys: the address of its sockets, and a key."""
    path = tmp_path_factory.mktemp("access") / "keys"
    key, text = new_key("backend")
    save(path, [key])
    command = [
        sys.executable,
        "-m",
        "streamer",
        "serve",
        "--port",
        "0",
        "--model",
        "scripted",
        "--keys",
        str(path),
        "--log-level",
        "warning",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().split()[4]
            assert process.stdout.readline().startswith("model: ")
            yield address.replace("http", "ws", 1), text
        finally:
            process.terminate()
            process.wait(30)


def run(client, script, *arguments):
    python = ENVIRONMENTS / client / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{client} has no environment; `make test-clients` builds it")
    return subprocess.run(
        [str(python), str(HERE / client / script), *arguments], capture_output=True, text=True, timeout=SPOKE_S, check=False
    )


def printed(done):
    assert done.returncode == 0, done.stderr[-3_000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_deepgrams_sdk_is_granted_a_token_and_let_in_with_it(keyed):
    granted, metadata = printed(run("deepgram", "grant.py", *keyed))

    assert granted["expires_in"] == 45
    assert granted["token"].count(".") == 2
    assert metadata == {"model": "ListenV1Metadata"}


def test_openais_sdk_makes_a_client_secret_and_is_let_in_with_it(keyed):
    made, first = printed(run("openai", "secret.py", *keyed))

    assert 0 < made["expires_at"] - time.time() <= 60
    assert first == {"type": "session.created"}


@pytest.mark.parametrize(("client", "script"), [("deepgram", "grant.py"), ("openai", "secret.py")])
def test_with_a_wrong_key_they_are_told_so(keyed, client, script):
    done = run(client, script, keyed[0], "streamer_wrong")

    assert done.returncode != 0
    assert "401" in done.stderr
    assert "the key is not one of this server's" in done.stderr
