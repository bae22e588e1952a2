"""Where a key may stand: the shapes of real clients, one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.access.credentials import credential_in, without_secret_headers, without_secret_query, without_secrets


@pytest.mark.parametrize(
    ("headers", "offered", "query"),
    [
        ({"authorization": "Bearer K"}, [], {}),  # OpenAI, Deepgram's tokens, LiveKit's
        ({"authorization": "bearer   K"}, [], {}),
        ({"authorization": "Token K"}, [], {}),  # Deepgram
        ({"authorization": "Bearer; K"}, ["binary"], {}),  # xiaozhi
        ({"authorization": "K"}, [], {}),  # AssemblyAI
        ({"authorization": "Basic YW55Ym9keTpL"}, [], {}),  # ws://anybody:K@host
        ({"x-api-key": "K"}, [], {}),
        ({"api-key": "K"}, [], {}),  # Azure OpenAI
        ({}, ["token", "K"], {}),  # Deepgram in browsers
        ({}, ["bearer", "K"], {}),
        ({}, ["realtime", "openai-insecure-api-key.K", "openai-beta.realtime-v1"], {}),
        ({}, ["json", "streamer-key.K"], {}),
        ({}, [], {"token": ["K"]}),
        ({}, [], {"api_key": ["K"]}),
        ({}, [], {"access_token": ["J", "K"]}),
        ({}, [], {"auth_token": ["K"]}),  # Skynet's page
        ({"authorization": "Bearer K"}, ["token", "other"], {"token": ["another"]}),
    ],
)
def test_a_key_is_found_where_clients_put_it(headers, offered, query):
    assert credential_in(headers, offered, query) == "K"


@pytest.mark.parametrize(
    ("headers", "offered", "query"),
    [
        ({}, [], {}),
        ({"authorization": ""}, [], {}),
        ({"authorization": "Digest username=x"}, [], {}),
        ({"authorization": "Basic !!"}, [], {}),
        ({"authorization": "Basic /w=="}, [], {}),
        ({}, ["json", "K"], {}),
        ({}, ["streamer-key."], {"token": [""]}),
        ({}, ["K", "token"], {}),
    ],
)
def test_what_is_no_key_is_none(headers, offered, query):
    assert credential_in(headers, offered, query) is None


def test_what_holds_a_key_is_never_agreed_on_nor_shown():
    assert without_secrets(["token", "K"]) == ["token"]
    assert without_secrets(["realtime", "openai-insecure-api-key.K", "openai-beta.realtime-v1"]) == ["realtime", "openai-beta.realtime-v1"]
    assert without_secrets(["streamer-key.K", "msgpack"]) == ["msgpack"]
    assert without_secrets(["binary"]) == ["binary"]
    assert without_secret_headers({"authorization": "K", "x-api-key": "K", "host": "h"}) == {"host": "h"}
    assert without_secret_query({"token": ["K"], "auth_token": ["K"], "model": ["m"]}) == {"model": ["m"]}


@given(
    st.lists(st.text(max_size=20), max_size=4), st.text(max_size=60), st.dictionaries(st.sampled_from(["token", "a"]), st.lists(st.text()))
)
def test_nothing_a_client_says_breaks_it(offered, header, query):
    credential_in({"authorization": header}, offered, query)
    assert len(without_secrets(offered)) <= len(offered)
