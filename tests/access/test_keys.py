"""The file of keys: what is in it, what is not, and that a change is seen at once."""

import base64
import hashlib
import os
import sys

import pytest

from streamer.access import Scope
from streamer.access.keys import Key, Keys, load, new_key, read_key, save, sha256_of, signing_key
from streamer.access.public import read_public_pem
from streamer.errors import ConfigurationError
from tests.access.pairs import SERVED, private_der, public_der, public_pem

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
"""Of ``abc``, as FIPS 180 has it."""
HALF = base64.b64encode(public_der("EdDSA")).decode()
PRIVATE = base64.b64encode(private_der("EdDSA")).decode()


def test_a_key_is_found_by_its_text_and_the_file_holds_only_its_hash(tmp_path):
    key, text = new_key("reception", sessions=4)
    save(tmp_path / "keys", [key, Key(name="other", sha256=ABC)])
    keys = Keys(tmp_path / "keys")

    assert keys.find(text) == key
    assert keys.find("abc").name == "other"
    assert keys.find(text[:-1]) is None
    assert text not in (tmp_path / "keys").read_text()
    assert sha256_of(text) in (tmp_path / "keys").read_text()
    assert (len(text), text[:9]) == (52, "streamer_")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_the_file_is_its_owners_alone(tmp_path):
    save(tmp_path / "keys", [])

    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600
    (tmp_path / "keys").chmod(0o640)
    save(tmp_path / "keys", [new_key("desk")[0]])
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


def test_a_line_says_what_a_key_opens():
    line = f"desk sha256:{ABC} scopes=metrics,transcribe sessions=2"

    assert read_key(line) == Key(name="desk", sha256=ABC, scopes=frozenset({Scope.METRICS, Scope.TRANSCRIBE}), sessions=2)
    assert str(read_key(line)) == line
    assert read_key(f"desk sha256:{ABC}").scopes == {Scope.TRANSCRIBE, Scope.FOLLOW, Scope.MINT}
    assert read_key(f"desk sha256:{ABC} scopes=").scopes == frozenset()


@pytest.mark.parametrize("algorithm", SERVED)
def test_a_line_may_hold_the_public_half(tmp_path, algorithm):
    half = base64.b64encode(public_der(algorithm)).decode()
    line = f"jigasi public:{half} scopes=transcribe sessions=2 audience=jitsi"
    key = read_key(line)

    assert str(key) == line
    assert (key.public.algorithm, key.public.der, key.audience, key.sessions) == (algorithm, public_der(algorithm), "jitsi", 2)
    assert key.sha256 == hashlib.sha256(public_der(algorithm)).hexdigest()
    bare = read_key(f"jigasi public:{half}")
    assert (bare.scopes, bare.audience) == ({Scope.TRANSCRIBE, Scope.FOLLOW}, None)
    assert signing_key("jigasi", read_public_pem(public_pem(algorithm))) == bare
    save(tmp_path / "keys", [key, bare])
    assert load(tmp_path / "keys") == [key, bare]


def test_a_signer_is_a_key_that_is_known_by_its_public_half(tmp_path):
    save(tmp_path / "keys", [read_key(f"jigasi public:{HALF}"), read_key(f"desk sha256:{ABC}")])
    keys = Keys(tmp_path / "keys")

    assert keys.signer("jigasi") == (read_key(f"jigasi public:{HALF}"), read_public_pem(public_pem("EdDSA")))
    assert [keys.signer(name) for name in ("desk", "nobody", "", None)] == [None] * 4
    save(tmp_path / "keys", [])
    assert keys.signer("jigasi") is None


def test_without_cryptography_a_public_half_is_told_and_the_other_keys_are_served(tmp_path, monkeypatch, caplog):
    path = tmp_path / "keys"
    key, text = new_key("desk")
    save(path, [key])
    keys = Keys(path)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    path.write_text(f"{key}\njigasi public:{HALF}\n")

    assert (keys.find(text), keys.signer("jigasi")) == (key, None)
    assert "opens nothing: jigasi has a public:… that cannot be used: public keys need the package cryptography" in caplog.text
    with pytest.raises(ConfigurationError, match="public keys need the package cryptography"):
        Keys(path)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("desk", "desk has no sha256:…"),
        ("desk streamer_plain", "desk has no sha256:…"),
        (f"-desk sha256:{ABC}", "it does not begin with a name"),
        (f"desk sha256:{ABC} scope=transcribe", "desk has scope, expected scopes= and sessions="),
        (f"desk sha256:{ABC} sessions=0", "desk has sessions=0, expected 1 or more"),
        (f"desk sha256:{ABC} scopes=everything", "'everything' is not a valid Scope"),
        (f"desk sha256:{ABC} audience=jitsi", "desk has audience, expected scopes= and sessions="),
        ("desk public:", "desk has a public:… that cannot be used: it is no public key that can be read"),
        ("desk public:MIIB!", "desk has a public:… that cannot be used: it is not base64"),
        (f"desk public:{PRIVATE}", "desk has a public:… that cannot be used: it is no public key that can be read"),
        (f"desk public:{HALF} scope=transcribe", "desk has scope, expected scopes=, sessions= and audience="),
        (f"desk public:{HALF} scopes=mint", "desk is known by its public half, which mints nothing: leave mint out of its scopes"),
        (f"desk public:{HALF} audience=", "desk has the audience '', expected one word without a space"),
        (f"desk public:{HALF} sessions=0", "desk has sessions=0, expected 1 or more"),
    ],
)
def test_a_line_that_cannot_be_read_says_why(tmp_path, line, why):
    path = tmp_path / "keys"
    path.write_text(f"# a comment\n\n{line}\n")

    with pytest.raises(ValueError, match="line 3: ") as fault:
        load(path)
    assert why in str(fault.value)
    with pytest.raises(ConfigurationError, match="the keys cannot be read from"):
        Keys(path)


def test_revoking_and_adding_are_seen_without_a_restart(tmp_path):
    path = tmp_path / "keys"
    first, text = new_key("first")
    second, other = new_key("second")
    save(path, [first])
    keys = Keys(path)
    assert keys.find(other) is None

    save(path, [second])
    assert keys.find(other) == second
    assert keys.find(text) is None
    assert keys.named("first", first.id) is None


def test_a_key_of_the_same_name_is_another_one(tmp_path):
    path = tmp_path / "keys"
    old, _ = new_key("desk")
    new, _ = new_key("desk")
    save(path, [new])

    assert Keys(path).named("desk", old.id) is None
    assert Keys(path).named("desk", new.id) == new


def test_a_broken_line_opens_nothing_while_the_server_runs_and_the_others_go_on(tmp_path, caplog):
    path = tmp_path / "keys"
    key, text = new_key("desk")
    save(path, [key])
    keys = Keys(path)
    path.write_text(f"{key}\nbroken\n")

    assert keys.find(text) == key
    assert "line 2 of" in caplog.text


def test_a_file_that_is_gone_opens_nothing_until_it_is_back(tmp_path, caplog):
    path = tmp_path / "keys"
    key, text = new_key("desk")
    save(path, [key])
    keys = Keys(path)
    path.rename(tmp_path / "away")
    assert keys.find(text) is None
    assert keys.find(text) is None
    assert caplog.text.count("nobody is let in until they can") == 1

    (tmp_path / "away").rename(path)
    assert keys.find(text) == key


@pytest.mark.parametrize("name", ["", "two words", "a" * 65, "-x", "x#"])
def test_a_name_that_cannot_be_one_is_refused(name):
    with pytest.raises(ConfigurationError, match="a key cannot be called"):
        new_key(name)
