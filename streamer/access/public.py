"""The public half of a key pair: whoever has the private half signs tokens, and a server that knows this half can only check them.

Its kind decides the one algorithm that its tokens may be signed with. What a token says of its own algorithm decides nothing.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

LEAST_RSA_BITS: Final = 2_048
EXPECTED: Final = f"expected RSA with {LEAST_RSA_BITS} bits or more, EC P-256, or Ed25519"
ABSENT: Final = "public keys need the package cryptography, which cannot be loaded here; `pip install cryptography`, or leave them out"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """``der`` is its SubjectPublicKeyInfo, ``kind`` such as ``RSA 2048``, ``algorithm`` JWT's name of the one that belongs to it."""

    der: bytes
    kind: str
    algorithm: str
    loaded: "RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey" = field(compare=False, repr=False)

    def __str__(self) -> str:
        """Base64 of ``der``, as a line of the keys has it."""
        return base64.b64encode(self.der).decode()


def read_public_key(text: str) -> PublicKey:
    """Base64 of a SubjectPublicKeyInfo. Raises ``ValueError`` with what is wrong."""
    try:
        der = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("it is not base64") from None
    return _load(lambda serialization: serialization.load_der_public_key(der))


def read_public_pem(data: bytes) -> PublicKey:
    """A PEM file. Raises ``ValueError`` with what is wrong, and never with what is in it."""
    if b"PRIVATE KEY-----" in data:
        raise ValueError(
            "it is a private key, which whoever signs keeps to themselves; `openssl pkey -in PRIVATE.pem -pubout` gives its public half"
        )
    if b"-----BEGIN CERTIFICATE-----" in data:
        raise ValueError("it is a certificate; `openssl x509 -in CERTIFICATE.pem -noout -pubkey` gives the public key in it")
    return _load(lambda serialization: serialization.load_pem_public_key(data))


def _load(load: Callable[[Any], Any]) -> PublicKey:
    """Raises ``ValueError``."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization
    except ImportError:
        raise ValueError(ABSENT) from None
    try:
        loaded = load(serialization)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"it is no public key that can be read, {EXPECTED}") from None
    kind, algorithm = _kind(loaded)
    der = loaded.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(der=der, kind=kind, algorithm=algorithm, loaded=loaded)


def _kind(loaded: Any) -> tuple[str, str]:
    """The kind and its algorithm. Raises ``ValueError`` for one that is not served."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    kind = type(loaded).__name__.strip("_")
    if isinstance(loaded, Ed25519PublicKey):
        return "Ed25519", "EdDSA"
    if isinstance(loaded, RSAPublicKey):
        kind = f"RSA {loaded.key_size}"
        if loaded.key_size >= LEAST_RSA_BITS:
            return kind, "RS256"
    if isinstance(loaded, EllipticCurvePublicKey):
        kind = f"EC {loaded.curve.name}"
        if isinstance(loaded.curve, SECP256R1):
            return "EC P-256", "ES256"
    raise ValueError(f"it is of the kind {kind}, {EXPECTED}")
