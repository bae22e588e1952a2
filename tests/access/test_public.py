"""Public halves: which are served, what each is checked with, and what is refused with a sentence."""

import base64
import sys

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, PublicFormat

from streamer.access.public import read_public_key, read_public_pem
from tests.access.pairs import NOT_SERVED, SERVED, private, private_der, private_pem, public_der, public_pem


@pytest.mark.parametrize(("algorithm", "kind"), [("RS256", "RSA 2048"), ("ES256", "EC P-256"), ("EdDSA", "Ed25519")])
def test_each_kind_has_one_algorithm(algorithm, kind):
    public = read_public_pem(public_pem(algorithm))

    assert (public.algorithm, public.kind, public.der) == (algorithm, kind, public_der(algorithm))
    assert str(public) == base64.b64encode(public_der(algorithm)).decode()
    assert read_public_key(str(public)) == public


def test_the_older_form_of_an_rsa_key_is_the_same_key():
    older = private("RS256").public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1)

    assert older.startswith(b"-----BEGIN RSA PUBLIC KEY-----")
    assert read_public_pem(older).der == public_der("RS256")


@pytest.mark.parametrize("kind", NOT_SERVED)
def test_a_weak_key_and_one_of_another_kind_are_refused(kind):
    why = f"it is of the kind {kind}, expected RSA with 2048 bits or more, EC P-256, or Ed25519"
    with pytest.raises(ValueError, match=why):
        read_public_pem(public_pem(kind))
    with pytest.raises(ValueError, match=why):
        read_public_key(base64.b64encode(public_der(kind)).decode())


@pytest.mark.parametrize(
    "pem", [private_pem("RS256"), private_pem("RS256", PrivateFormat.TraditionalOpenSSL), private_pem("ES256")], ids=["pkcs8", "rsa", "ec"]
)
def test_a_private_key_is_refused_and_not_quoted(pem):
    with pytest.raises(ValueError, match="it is a private key, which whoever signs keeps to themselves") as fault:
        read_public_pem(pem + public_pem("RS256"))
    assert pem.splitlines()[1].decode() not in str(fault.value)


def test_what_is_no_key_is_refused():
    with pytest.raises(ValueError, match="it is a certificate; `openssl x509"):
        read_public_pem(b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    for data in (b"", b"hello", b"-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n", b"\xff\x00"):
        with pytest.raises(ValueError, match="it is no public key that can be read"):
            read_public_pem(data)
    for data in (b"", b"hello", public_der("RS256")[:-1], public_der("RS256") + b"\0", private_der("RS256")):
        with pytest.raises(ValueError, match="it is no public key that can be read"):
            read_public_key(base64.b64encode(data).decode())
    for text in ("!", "a", "ä", "AA==\nAA=="):
        with pytest.raises(ValueError, match="it is not base64"):
            read_public_key(text)


@pytest.mark.parametrize("algorithm", SERVED)
def test_where_cryptography_is_absent_it_says_so(monkeypatch, algorithm):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)

    with pytest.raises(ValueError, match="public keys need the package cryptography"):
        read_public_pem(public_pem(algorithm))
