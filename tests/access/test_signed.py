"""Tokens that somebody else signs: whose they are, what they open, and all that is refused of them."""

import base64
import hashlib
import hmac
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st
from jwt.utils import base64url_decode, base64url_encode, der_to_raw_signature, raw_to_der_signature

from streamer.access import Scope
from streamer.access.guard import Asked, Denied, Guard
from streamer.access.keys import Keys, new_key, save, signing_key
from streamer.access.public import read_public_pem
from streamer.access.seats import Granted, Seat
from streamer.access.signed import kid_of
from streamer.access.tokens import Tokens, Wish
from streamer.errors import AccessRevoked, QuotaExceeded
from tests.access.pairs import SERVED, private, public_der, public_pem

SECRET = b"0123456789abcdef0123456789abcdef"
NOW = 1_000_000
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of FIPS 186
NOT_OURS = "the token is not one of this server's"


def key_of(algorithm, name="jigasi", **options):
    return signing_key(name, read_public_pem(public_pem(algorithm)), **options)


def claims(**changes):
    """What jigasi says, for us."""
    whole = {"iss": "jigasi", "aud": "streamer", "iat": NOW, "exp": NOW + 300}
    return {name: value for name, value in (whole | changes).items() if value is not None}


def sign(algorithm="EdDSA", kid="jigasi", key=None, header=None, **changes):
    return jwt.encode(claims(**changes), key or private(algorithm), algorithm, {"kid": kid} | (header or {}))


def parts(*objects):
    return ".".join(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in objects)


def asked(text):
    return Asked(peer="192.0.2.1", headers={"authorization": f"Bearer {text}"})


class Place:
    """A server at ``NOW`` with the keys that it is given, and one that has a text."""

    def __init__(self, path, *keys):
        self.path = path
        self.desk, self.desk_text = new_key("desk")
        save(path, [*keys, self.desk])
        self.guard = Guard(keys=Keys(path), tokens=Tokens(SECRET, lambda: NOW))

    def admit(self, text, scope=Scope.TRANSCRIBE):
        return self.guard.admit(asked(text), scope)

    def why(self, text, scope=Scope.TRANSCRIBE):
        """The status and the sentence of a refusal."""
        found = self.admit(text, scope)
        assert isinstance(found, Denied)
        return found.status, found.sentence

    def take(self, text):
        granted = self.admit(text)
        return self.guard.seat(granted, asked(text)) if isinstance(granted, Granted) else granted


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "keys", key_of("EdDSA", sessions=2))


@pytest.mark.parametrize("algorithm", SERVED)
def test_whoever_has_the_private_half_is_let_in(tmp_path, algorithm):
    key = key_of(algorithm)
    place = Place(tmp_path / "keys", key)
    granted = place.admit(sign(algorithm))

    assert (granted.name, granted.key_id) == ("jigasi", hashlib.sha256(public_der(algorithm)).hexdigest()[:12])
    assert (granted.token.scopes, granted.token.quota_s, granted.token.sessions) == ({Scope.TRANSCRIBE, Scope.FOLLOW}, None, None)
    assert place.admit(place.desk_text).name == "desk"
    assert place.admit(place.guard.mint(asked(place.desk_text), Wish())).name == "desk"


@pytest.mark.parametrize("algorithm", SERVED)
def test_a_public_key_itself_lets_nobody_in(tmp_path, algorithm):
    key = key_of(algorithm)
    place = Place(tmp_path / "keys", key)

    for text in (str(key.public), f"public:{key.public}", public_pem(algorithm).decode(), key.sha256, key.id):
        assert place.why(text)[0] == 401


def test_a_key_that_has_a_text_checks_no_signature(place):
    save(place.path, [new_key("jigasi")[0]])

    assert place.why(sign()) == (401, NOT_OURS)


def test_a_public_key_whose_bytes_are_text_is_no_password(tmp_path, monkeypatch):
    key = key_of("EdDSA")
    place = Place(tmp_path / "keys", key)
    monkeypatch.setattr("streamer.access.keys.sha256_of", lambda text: key.sha256)

    assert place.why("the DER, were it text")[0] == 401


HMAC_SECRETS = [lambda key: public_pem("RS256"), lambda key: public_der("RS256"), lambda key: str(key.public).encode(), lambda key: SECRET]


@pytest.mark.parametrize("secret", HMAC_SECRETS)
def test_the_public_half_is_never_the_secret_of_a_shared_one(tmp_path, secret):
    key = key_of("RS256")
    place = Place(tmp_path / "keys", key)
    signed = parts({"alg": "HS256", "typ": "JWT", "kid": "jigasi"}, claims(sub="jigasi", kid=key.id, jti="1", scope="transcribe"))
    mac = hmac.digest(secret(key), signed.encode(), "sha256")
    text = f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"

    assert place.why(text) == (401, NOT_OURS)


def test_the_algorithm_is_the_keys_and_not_the_tokens(tmp_path):
    place = Place(tmp_path / "keys", key_of("RS256"), key_of("ES256", "other"))

    assert place.why(sign("RS256", header={"alg": "RS512"})) == (401, NOT_OURS)
    assert place.why(jwt.encode(claims(), private("RS256"), "PS256", {"kid": "jigasi"})) == (401, NOT_OURS)
    assert place.why(sign("ES256")) == (401, NOT_OURS)
    assert place.why(sign("RS256", "other")) == (401, NOT_OURS)
    for alg in ("none", "None", "nOnE", "", None, "HS256", 1):
        for signature in ("", "AAAA"):
            assert place.why(f"{parts({'alg': alg, 'kid': 'jigasi'}, claims())}.{signature}") == (401, NOT_OURS)


def test_what_another_signed_and_what_was_changed_since_is_refused(place):
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    head, body, signature = sign().split(".")
    other = sign(exp=NOW + 301).split(".")[1]

    assert place.why(jwt.encode(claims(), stranger, "RS256", {"kid": "jigasi"})) == (401, NOT_OURS)
    assert place.why(f"{head}.{other}.{signature}") == (401, NOT_OURS)
    assert place.why(f"{head}.{body}.") == (401, NOT_OURS)
    jwk = {"kty": "oct", "k": base64.urlsafe_b64encode(SECRET).decode()}
    assert place.why(jwt.encode(claims(), SECRET, "HS256", {"kid": "jigasi", "jwk": jwk})) == (401, NOT_OURS)


@pytest.mark.parametrize("kid", ["nobody", "desk", "Jigasi", "jigasi ", "../jigasi", "", "a" * 3_000])
def test_a_kid_that_is_no_public_keys_name_is_as_any_wrong_token(place, kid):
    assert place.why(sign(kid=kid)) == (401, NOT_OURS)


def test_a_header_without_a_kid_or_with_none_that_is_text(place):
    bare = jwt.encode(claims(), private("EdDSA"), "EdDSA")
    assert place.why(bare) == (401, NOT_OURS)
    for kid in (None, 1, ["jigasi"], {"jigasi": 1}):
        assert place.why(f"{parts({'alg': 'EdDSA', 'kid': kid}, claims())}.AAAA") == (401, NOT_OURS)
    deep = base64.urlsafe_b64encode(b"[" * 100_000).decode().rstrip("=")
    assert place.why(f"{deep}.e30.AAAA") == (401, NOT_OURS)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"aud": "jitsi"}, "the token of jigasi is for 'jitsi' in `aud`, expected 'streamer'"),
        ({"aud": ["jitsi", "elsewhere"]}, "is for ['jitsi', 'elsewhere'] in `aud`, expected 'streamer'"),
        ({"aud": None}, "is for None in `aud`, expected 'streamer'"),
        ({"aud": {"streamer": 1}}, "expected 'streamer'"),
        ({"aud": "streamer2"}, "expected 'streamer'"),
        ({"exp": None}, NOT_OURS),
        ({"exp": NOW - 6}, "the token of jigasi has expired; sign another one for each connection"),
        ({"exp": NOW + 3_606}, "ends 3606 s from now, expected 3600 s at the most"),
        ({"exp": 10**400}, "expected seconds since 1970"),
        ({"exp": float("nan")}, "the token's exp is nan, expected seconds since 1970"),
        ({"exp": float("inf")}, "the token's exp is inf, expected seconds since 1970"),
        ({"exp": str(NOW + 60)}, "expected seconds since 1970"),
        ({"exp": True}, "the token's exp is True, expected seconds since 1970"),
        ({"nbf": NOW + 6}, "begins 6 s from now, as its nbf says; set the clocks of both machines"),
        ({"iat": NOW + 6}, "begins 6 s from now, as its iat says"),
        ({"iat": "yesterday"}, "the token's iat is 'yesterday', expected seconds since 1970"),
        ({"nbf": -1}, "the token's nbf is -1, expected seconds since 1970"),
        ({"scope": "everything"}, "the token's scope is 'everything', expected some of transcribe"),
        ({"scope": ["transcribe"]}, "the token's scope is ['transcribe'], expected some of transcribe"),
        ({"jti": 7}, "the token's jti is 7, expected a text"),
        ({"quota_s": 0}, "the token's quota_s is 0, expected a number above 0"),
        ({"quota_s": "60"}, "the token's quota_s is '60', expected a number above 0"),
        ({"quota_s": float("nan")}, "the token's quota_s is nan, expected a number above 0"),
        ({"quota_s": True}, "the token's quota_s is True"),
        ({"sessions": -1}, "the token's sessions is -1, expected a number above 0"),
        ({"sessions": 1.5}, "the token's sessions are 1.5, expected a whole number"),
        ({"sessions": 10**7}, "expected a number above 0 and at most 1000000"),
    ],
)
def test_a_claim_that_will_not_do_is_told(place, changes, why):
    status, sentence = place.why(sign(**changes))

    assert status == 401
    assert why in sentence


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW - 5, "iat": NOW - 300},
        {"exp": NOW + 3_605},
        {"nbf": NOW + 5, "iat": NOW + 5},
        {"iat": None, "iss": None},
        {"exp": NOW + 0.5},
        {"aud": ["jitsi", "streamer"]},
        {"sub": 5, "tenant": "whatever"},
        {"jti": None, "scope": None},
    ],
)
def test_what_is_left_out_or_a_few_seconds_off_does_no_harm(place, changes):
    assert place.admit(sign(**changes)).name == "jigasi"


def test_a_key_may_have_an_audience_of_its_own_and_then_no_other(tmp_path):
    place = Place(tmp_path / "keys", key_of("EdDSA", audience="jitsi"))

    assert place.admit(sign(aud="jitsi")).name == "jigasi"
    assert place.why(sign(aud="streamer"))[0] == 401


def test_it_opens_what_the_key_does_or_less_and_never_mints(tmp_path):
    place = Place(tmp_path / "keys", key_of("EdDSA", scopes=frozenset({Scope.TRANSCRIBE, Scope.TRANSCRIPTS})))

    assert place.admit(sign(), Scope.TRANSCRIPTS).name == "jigasi"
    assert place.why(sign(scope="transcribe"), Scope.TRANSCRIPTS) == (403, "this token of jigasi does not open transcripts")
    assert place.admit(sign(scope="metrics transcribe")).name == "jigasi"
    assert place.why(sign(scope="metrics,transcribe"), Scope.METRICS) == (403, "this token of jigasi does not open metrics")
    assert place.why(sign(scope="mint"), Scope.MINT) == (403, "this token of jigasi does not open mint")
    assert place.admit(sign(scope="mint transcribe")).token.scopes == {Scope.TRANSCRIBE}
    assert place.why(sign(scope="")) == (403, "this token of jigasi does not open transcribe")
    assert place.guard.mint(asked(sign(scope="transcribe mint")), Wish()).status == 403


def test_the_bound_of_the_key_holds_whatever_its_tokens_say(place):
    first, second = (place.take(sign(jti=name, sessions=1_000)) for name in "ab")

    assert isinstance(first, Seat)
    assert isinstance(second, Seat)
    assert place.take(sign()).sentence.startswith("the key jigasi has 2 sessions")
    first.leave()
    assert isinstance(place.take(sign()), Seat)


@pytest.mark.parametrize("jti", ["one", None])
def test_sessions_and_a_quota_are_of_one_token_with_a_jti_or_without(place, jti):
    text = sign(jti=jti, sessions=1, quota_s=10)
    seat = place.take(text)

    assert place.take(text).sentence.startswith("the token has 1 sessions")
    assert isinstance(seat.fault(10_000), QuotaExceeded)
    seat.leave()
    assert place.take(text).sentence == "the token's 10 s of audio are used up; mint another one"
    assert isinstance(place.take(sign(jti=jti and "another", sessions=1, quota_s=11)), Seat)


def test_a_token_without_a_jti_is_the_same_however_its_signature_is_written(tmp_path):
    place = Place(tmp_path / "keys", key_of("ES256"))
    text = sign("ES256", quota_s=10)
    signed, _, signature = text.rpartition(".")
    curve = private("ES256").curve
    r, s = decode_dss_signature(raw_to_der_signature(base64url_decode(signature), curve))
    mirrored = der_to_raw_signature(encode_dss_signature(r, P256_ORDER - s), curve)
    other = f"{signed}.{base64url_encode(mirrored).decode()}"

    assert other != text
    assert place.admit(other).token.id == place.admit(text).token.id


def test_nobody_uses_up_the_quota_of_anothers_token(tmp_path):
    place = Place(tmp_path / "keys", key_of("EdDSA"), key_of("ES256", "other"))
    minted = place.guard.mint(asked(place.desk_text), Wish(quota_s=10))
    jti = jwt.decode(minted, options={"verify_signature": False})["jti"]
    seat = place.take(sign(jti=jti, quota_s=10))
    assert isinstance(seat.fault(10_000), QuotaExceeded)

    assert isinstance(place.take(minted), Seat)
    assert isinstance(place.take(sign("ES256", "other", jti=jti, quota_s=10)), Seat)


def test_revoking_the_line_ends_its_sessions_and_another_pair_is_another_key(place):
    seat = place.take(sign())
    assert seat.fault(1_000) is None

    save(place.path, [key_of("ES256")])
    assert isinstance(seat.fault(2_000), AccessRevoked)
    assert place.why(sign()) == (401, NOT_OURS)
    assert place.admit(sign("ES256")).name == "jigasi"


@given(st.one_of(st.text(max_size=80), st.from_regex(r"[\w-]{0,40}\.[\w-]{0,40}\.[\w-]{0,40}", fullmatch=True)))
def test_nothing_a_client_says_breaks_the_look_at_its_header(text):
    assert kid_of(text) is None
