"""Three ways to ask for a token over HTTP."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.access import Scope
from streamer.access.guard import Asked, Denied, Guard
from streamer.access.keys import Keys, new_key, save
from streamer.access.minting import DEEPGRAM, OPENAI, PATHS, TOKENS, answer
from streamer.access.tokens import Tokens

TOKEN_SECRET = b"0123456789abcdef0123456789abcdef"
KEY, TEXT = new_key("desk")
ASKED = Asked(peer="192.0.2.1", headers={"authorization": f"Token {TEXT}"}, socket=False)
CLOCK = staticmethod(lambda: 1_000.0)


@pytest.fixture(scope="module")
def guard(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "keys"
    save(path, [KEY])
    return Guard(keys=Keys(path), tokens=Tokens(TOKEN_SECRET, lambda: 1_000.0))


def mint(guard, path, body=None):
    data = b"" if body is None else json.dumps(body).encode()
    return answer(guard, ASKED, path, data, lambda: 1_000.0)


def read(text):
    return Tokens(TOKEN_SECRET, lambda: 1_000.0).read(text)


def test_deepgrams_grant(guard):
    found = mint(guard, DEEPGRAM, {"ttl_seconds": 300})

    assert set(found) == {"access_token", "expires_in"}
    assert (found["expires_in"], read(found["access_token"]).expires) == (300, 1_300)
    assert mint(guard, DEEPGRAM)["expires_in"] == 30


def test_openais_client_secret(guard):
    session = {"type": "transcription", "audio": {}}
    found = mint(guard, OPENAI, {"expires_after": {"anchor": "created_at", "seconds": 60}, "session": session})

    assert (found["expires_at"], found["session"]) == (1_060, session)
    assert read(found["value"]).name == "desk"
    assert mint(guard, OPENAI, {})["expires_at"] == 1_600


def test_our_own_has_a_scope_a_quota_and_sessions(guard):
    found = mint(guard, TOKENS, {"expires_in": 10, "scope": ["transcribe", "follow"], "quota_s": 90, "sessions": 1})

    token = read(found.pop("token"))
    assert found == {"expires_in": 10, "scope": ["follow", "transcribe"], "quota_s": 90, "sessions": 1}
    assert (token.scopes, token.quota_s, token.sessions) == ({Scope.FOLLOW, Scope.TRANSCRIBE}, 90, 1)
    assert mint(guard, TOKENS, {"scope": "follow"})["scope"] == ["follow"]


@pytest.mark.parametrize(
    ("path", "body", "why"),
    [
        (TOKENS, {"expires": 10}, "'expires' is not known, expected expires_in, scope, quota_s, sessions"),
        (TOKENS, {"scope": ["everything"]}, "expected some of transcribe, follow"),
        (TOKENS, {"scope": 3}, "expected some of transcribe, follow"),
        (TOKENS, {"quota_s": "much"}, "expected seconds of audio"),
        (TOKENS, {"expires_in": True}, "expected a whole number"),
        (TOKENS, {"scope": ["metrics"]}, "metrics was asked for"),
        (TOKENS, [], "expected an object"),
        (DEEPGRAM, {"ttl_seconds": 100_000}, "expected 1 to 3600"),
        (OPENAI, {"expires_after": {"seconds": "soon"}}, "expected a whole number"),
    ],
)
def test_what_cannot_be_is_a_400_with_a_sentence(guard, path, body, why):
    found = mint(guard, path, body)

    assert found.status == 400
    assert why in found.sentence


def test_without_a_key_there_is_no_token(guard):
    assert answer(guard, Asked(peer="192.0.2.1"), TOKENS, b"{}").status == 401


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["expires_in", "ttl_seconds", "scope", "quota_s", "sessions", "expires_after", "seconds", "session"]), inner
        )
    ),
)


@given(st.sampled_from(sorted(PATHS)), st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_body_breaks_it(guard, path, body):
    found = answer(guard, ASKED, path, body)

    assert isinstance(found, Denied) or any(name in found for name in ("token", "access_token", "value"))
