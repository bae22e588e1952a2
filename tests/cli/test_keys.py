"""``streamer keys``, ``streamer token``, and the refusals of ``streamer serve``, as an operator sees them."""

import hashlib
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
from tests.access.pairs import private_pem, public_der, public_pem


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


def test_a_public_half_is_taken_listed_and_revoked_and_nothing_secret_is_shown(file, tmp_path, capsys):
    (tmp_path / "jigasi.pub.pem").write_bytes(public_pem("RS256"))
    half = ["--public-key", str(tmp_path / "jigasi.pub.pem")]
    assert main(["keys", "add", "desk", "--file", str(file)]) == 0
    capsys.readouterr()
    assert main(["keys", "add", "jigasi", *half, "--audience", "jitsi", "--sessions", "3", "--file", str(file)]) == 0
    assert main(["keys", "add", "plain", *half, "--scope", "transcribe", "--file", str(file)]) == 0
    assert capsys.readouterr() == (
        "jigasi is added: RSA 2048, tokens with alg RS256, kid jigasi, aud jitsi.\n"
        "plain is added: RSA 2048, tokens with alg RS256, kid plain, aud streamer.\n",
        "",
    )
    key, public = Keys(file).signer("jigasi")
    assert (public.der, key.scopes, key.sessions) == (public_der("RS256"), {Scope.TRANSCRIBE, Scope.FOLLOW}, 3)
    assert Keys(file).signer("plain")[0].scopes == {Scope.TRANSCRIBE}

    assert main(["keys", "list", "--file", str(file)]) == 0
    listed = capsys.readouterr().out.splitlines()
    beginning = hashlib.sha256(public_der("RS256")).hexdigest()[:12]
    assert listed[2].split(maxsplit=3) == [
        "jigasi",
        "follow,transcribe",
        "3",
        f"{beginning}…  RSA 2048, tokens with alg RS256, kid jigasi, aud jitsi",
    ]
    assert listed[1].endswith("…")

    assert main(["keys", "revoke", "jigasi", "--file", str(file)]) == 0
    assert [key.name for key in Keys(file).all] == ["desk", "plain"]


def test_what_is_no_public_half_is_told_and_nothing_is_added(file, tmp_path, capsys):
    (tmp_path / "private.pem").write_bytes(private_pem("RS256"))
    (tmp_path / "public.pem").write_bytes(public_pem("RS256"))
    (tmp_path / "weak.pem").write_bytes(public_pem("RSA 1024"))

    def told(*arguments, name="jigasi"):
        assert main(["keys", "add", name, *arguments, "--file", str(file)]) == 1
        out, err = capsys.readouterr()
        assert (out, file.exists()) == ("", False)
        return err

    def half(name, *more):
        return ["--public-key", str(tmp_path / name), *more]

    assert "private.pem cannot be used as a public key: it is a private key" in told(*half("private.pem"))
    assert "it is of the kind RSA 1024, expected RSA with 2048 bits or more" in told(*half("weak.pem"))
    assert "nowhere cannot be read (No such file or directory), expected a public key in PEM" in told(*half("nowhere"))
    assert "which mints nothing: leave mint out of its scopes" in told(*half("public.pem", "--scope", "mint"))
    assert "expected one word without a space" in told(*half("public.pem", "--audience", "a b"))
    assert "a key cannot be called 'a/b'" in told(*half("public.pem"), name="a/b")
    assert "it needs --public-key FILE" in told("--audience", "jitsi")


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
        for line in (f"GET /ws?token={token} HTTP/2.0", f"GET /ws?api_key={key} FTP/1.0", f"GET /ws?auth_token={key} FTP/1.0"):
            with socket.create_connection(address.removeprefix("http://").split(":"), timeout=10) as raw:
                raw.sendall(f"{line}\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
                raw.recv(1_000)
        process.terminate()
        logged = process.communicate(timeout=30)[1]

    assert "the engine is closed" in logged
    assert key not in logged
    assert token not in logged
