"""As Util.generateAsapToken: the token that jigasi signs for each connection, where it has a private key."""

import base64
import time

import jwt
from cryptography.hazmat.primitives.serialization import load_der_private_key

LASTS_S = 300


def asap_token(private_key, private_key_name, *, audience="jitsi", issuer="jigasi"):
    """``private_key`` is what the property of that name holds: base64 of PKCS#8, which jigasi reads strictly."""
    loaded = load_der_private_key(base64.b64decode(private_key, validate=True), None)
    now = int(time.time())
    claims = {"iat": now, "aud": audience, "iss": issuer, "exp": now + LASTS_S}
    return jwt.encode(claims, loaded, "RS256", {"kid": private_key_name, "typ": None})
