"""Key pairs, made once for all tests: the private half signs, the public half is what a server knows."""

from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

MAKERS = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": lambda: ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))),  # the same each time: names of tests have it
    "RSA 1024": lambda: rsa.generate_private_key(public_exponent=65537, key_size=1024),
    "EC secp384r1": lambda: ec.generate_private_key(ec.SECP384R1()),
    "X25519PublicKey": x25519.X25519PrivateKey.generate,
}
SERVED = ("RS256", "ES256", "EdDSA")
NOT_SERVED = ("RSA 1024", "EC secp384r1", "X25519PublicKey")


@cache
def private(kind):
    return MAKERS[kind]()


def private_pem(kind, shape=PrivateFormat.PKCS8):
    return private(kind).private_bytes(Encoding.PEM, shape, NoEncryption())


def private_der(kind):
    return private(kind).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def public_pem(kind):
    return private(kind).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public_der(kind):
    return private(kind).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
