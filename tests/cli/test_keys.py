"""``streamer keys``, ``streamer token``, and the refusals of ``streamer serve``, as an operator sees them."""

import os
import socket
import subprocess
import sys
import urllib.request

import pytest

from streamer.__main__ import main
from streamer.access import Scope
from streamer.access.keys import Keys
from streamer.access.tokens import Tokens, read_secret


@pytest.fixture
def file(tmp_path):
    return tmp_path / "keys"


def test_a_key_is_made_shown_once_listed_and_revoked(file, capsys):
    assert main(["keys", "add", "desk", "--file", str(file), "--scope", "transcribe", "--sessions", "3"]) == 0
    out, err = capsys.readouterr()
    key = Keys(file).find(out.strip())
    assert (key.name, key.scopes, key.sessions) == ("desk", {Scope.TRANSCRIBE}, 3)
    assert "It is shown this once" in err

    assert main(["keys", "--file", str(file)]) == 0
    listed = capsys.readouterr().out
    assert listed.splitlines()[1].split() == ["desk", "transcribe", "3", key.sha256[:12] + "…"]
    assert out.strip() not in listed

    assert main(["keys", "revoke", "desk", "--file", str(file)]) == 0
    assert list(Keys(file).all) == []


def test_mistakes_are_told_with_what_to_do(file, capsys, monkeypatch):
    monkeypatch.delenv("STREAMER_KEYS", raising=False)
    main(["keys", "add", "desk", "--file", str(file)])
    capsys.readouterr()

    def told(*arguments):
        assert main(list(arguments)) == 1
        return capsys.readouterr().err

    assert "has a key called desk already" in told("keys", "add", "desk", "--file", str(file))
    assert "it has desk" in told("keys", "revoke", "other", "--file", str(file))
    assert "give --file FILE, or set STREAMER_KEYS" in told("keys")
    assert "cannot be used as a file of keys" in told("keys", "list", "--file", str(file.with_name("nowhere")))
    assert "it has desk" in told("token", "other", "--keys", str(file))
    assert "metrics was asked for" in told("token", "desk", "--keys", str(file), "--scope", "metrics")
    assert "give --keys FILE, or set STREAMER_KEYS" in told("token", "desk")


def test_a_token_is_printed_alone_and_signed_with_the_servers_secret(file, capsys, monkeypatch):
    main(["keys", "add", "desk", "--file", str(file)])
    capsys.readouterr()
    monkeypatch.setenv("STREAMER_KEYS", str(file))
    assert main(["token", "desk", "--quota-s", "600", "--sessions", "1"]) == 0

    out, err = capsys.readouterr()
    token = Tokens(read_secret(file.with_name("keys.secret"))).read(out.removesuffix("\n"))
    assert (token.name, token.scopes, token.quota_s, token.sessions) == ("desk", {Scope.TRANSCRIBE}, 600, 1)
    assert err == ""


def serve(*arguments, **environment):
    """A server that does not begin: what it says."""
    command = [sys.executable, "-m", "streamer", "serve", "--port", "0", "--model", "scripted", *arguments]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("STREAMER_")} | environment
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=variables, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def test_it_does_not_listen_to_strangers_without_keys_or_a_word():
    for told in (serve("--host", "0.0.0.0"), serve(STREAMER_HOST="::")):
        for way in ("`streamer keys add NAME --file FILE`", "listen on 127.0.0.1", "say --insecure"):
            assert way in told


def test_it_does_not_begin_with_keys_or_a_certificate_that_it_cannot_read(tmp_path):
    assert "made by `streamer keys add`" in serve("--keys", str(tmp_path / "nowhere"))
    assert "expected PEM files that belong together" in serve("--tls-cert", str(tmp_path / "nowhere"))
    assert "STREAMER_ORIGINS is 'app.example', expected origins such as https://app.example" in serve(STREAMER_ORIGINS="app.example")


def test_no_secret_is_in_the_log_of_a_server_whatever_its_level(file, capsys):
    main(["keys", "add", "desk", "--file", str(file)])
    key = capsys.readouterr().out.strip()
    main(["token", "desk", "--keys", str(file)])
    token = capsys.readouterr().out.strip()
    command = [sys.executable, "-m", "streamer", "serve", "--port", "0", "--model", "scripted", "--keys", str(file), "--log-level", "debug"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().split()[4]
        assert process.stdout.readline().startswith("model: ")
        assert urllib.request.urlopen(f"{address}/access?token={token}", timeout=10).status == 200
        for line in (f"GET /ws?token={token} HTTP/2.0", f"GET /ws?api_key={key} FTP/1.0"):
            with socket.create_connection(address.removeprefix("http://").split(":"), timeout=10) as raw:
                raw.sendall(f"{line}\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
                raw.recv(1_000)
        process.terminate()
        logged = process.communicate(timeout=30)[1]

    assert "the engine is closed" in logged
    assert key not in logged
    assert token not in logged
