"""Tokens: what they say, when they end, and what is none."""

import os
from dataclasses import replace

import jwt
import pytest

from streamer.access import Scope
from streamer.access.keys import new_key
from streamer.access.tokens import BadToken, Tokens, Wish, read_secret
from streamer.errors import ConfigurationError

SECRET = b"0123456789abcdef0123456789abcdef"
KEY, _ = new_key("desk")


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tokens(clock):
    return Tokens(SECRET, clock)


def test_a_token_says_whose_it_is_and_what_it_opens(tokens):
    token = tokens.read(tokens.mint(KEY, Wish(expires_s=60, quota_s=90.5, sessions=2)))

    assert (token.name, token.key_id, token.expires) == ("desk", KEY.id, 1_000_060)
    assert (token.scopes, token.quota_s, token.sessions) == ({Scope.TRANSCRIBE}, 90.5, 2)
    assert tokens.read(tokens.mint(KEY, Wish())).id != token.id


def test_it_ends_when_it_says(tokens, clock):
    text = tokens.mint(KEY, Wish(expires_s=60))
    clock.now += 64
    tokens.read(text)
    clock.now += 2
    with pytest.raises(BadToken, match="has expired"):
        tokens.read(text)


def claims(**changes):
    whole = {"aud": "streamer", "sub": "desk", "kid": KEY.id, "jti": "1", "iat": 1_000_000, "exp": 1_000_060, "scope": "transcribe"}
    return {name: value for name, value in (whole | changes).items() if value is not None}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b.c",
        jwt.encode(claims(), b"another secret of thirty-two byte", "HS256"),
        jwt.encode(claims(), SECRET * 2, "HS512"),
        jwt.encode(claims(), None, "none"),
        jwt.encode(claims(aud="elsewhere"), SECRET, "HS256"),
        jwt.encode(claims(exp=None), SECRET, "HS256"),
        jwt.encode(claims(kid=None), SECRET, "HS256"),
        jwt.encode(claims(scope="everything"), SECRET, "HS256"),
    ],
)
def test_what_this_server_did_not_sign_is_none(tokens, text):
    with pytest.raises(BadToken, match="not one of this server's"):
        tokens.read(text)


def test_a_token_never_mints_another(tokens):
    assert tokens.read(jwt.encode(claims(scope="mint,transcribe"), SECRET, "HS256")).scopes == {Scope.TRANSCRIBE}
    assert "a token of desk may have of follow,transcribe" in Wish(scopes=frozenset({Scope.MINT})).fault(KEY)


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        (Wish(scopes=frozenset({Scope.METRICS})), "metrics was asked for"),
        (Wish(scopes=frozenset()), "nothing was asked for"),
        (Wish(expires_s=0), "expected 1 to 3600"),
        (Wish(expires_s=3601), "expected 1 to 3600"),
        (Wish(quota_s=0), "expected seconds of audio above 0"),
        (Wish(sessions=0), "expected 1 or more"),
    ],
)
def test_a_wish_beyond_the_key_is_refused(wish, why):
    assert why in wish.fault(KEY)
    assert Wish().fault(KEY) is None
    assert wish.fault(replace(KEY, scopes=frozenset())) is not None


def test_the_secret_is_made_once_and_for_its_owner_alone(tmp_path):
    path = tmp_path / "secret"
    made = read_secret(path)

    assert (len(made), read_secret(path)) == (64, made)
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_short_secret_and_one_that_cannot_be_made_are_refused_with_a_sentence(tmp_path):
    (tmp_path / "short").write_text("hunter2\n")
    with pytest.raises(ConfigurationError, match="holds 7 bytes, expected a secret of 32 or more"):
        read_secret(tmp_path / "short")
    with pytest.raises(ConfigurationError, match="STREAMER_TOKEN_SECRET"):
        read_secret(tmp_path / "nowhere" / "secret")
