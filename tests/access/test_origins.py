"""Pages: our own, listed ones, and strangers'."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.access.origins import Origins, read_origins

LOCAL = "127.0.0.1:8765"


def fault(origin, host=LOCAL, **options):
    headers = {"host": host} | ({"origin": origin} if origin is not None else {})
    return Origins(**options).fault(headers)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, LOCAL),
        (None, "anything.example"),
        ("http://127.0.0.1:8765", LOCAL),
        ("http://localhost:8765", "localhost:8765"),
        ("http://[::1]:8765", "[::1]:8765"),
        ("http://192.168.1.5:8765", "192.168.1.5:8765"),
        ("http://streamer:8765", "streamer:8765"),
        ("http://desk.local", "desk.local"),
        ("https://desk.lan", "desk.lan:443"),
    ],
)
def test_programs_and_the_servers_own_page_may_come(origin, host):
    assert fault(origin, host) is None


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1:9999", "http://localhost:8765", "null", "", "file://", "http://[", "x"]
)
def test_pages_of_others_may_not(origin):
    assert "may not use this server" in fault(origin)


def test_a_site_that_calls_itself_by_our_address_may_not():
    assert "not known as evil.example:8765" in fault("http://evil.example:8765", "evil.example:8765")
    assert fault("http://asr.example", "asr.example", trusting=True) is None
    assert fault("https://asr.example", "asr.example", allowed=["https://asr.example"]) is None


def test_the_list_lets_in_what_it_names():
    allowed = read_origins("https://app.example, http://localhost:3000/,null")
    assert allowed == ("https://app.example", "http://localhost:3000", "null")
    assert fault("https://app.example", allowed=allowed) is None
    assert fault("https://APP.example", allowed=allowed) is None
    assert fault("null", allowed=allowed) is None
    assert fault("http://app.example", allowed=allowed)
    assert fault("https://app.example.evil.example", allowed=allowed)
    assert fault("https://anything.example", allowed=read_origins("*")) is None


@pytest.mark.parametrize("text", ["app.example", "https://app.example/path", "https://", "app.example:80"])
def test_what_is_no_origin_is_refused(text):
    with pytest.raises(ValueError, match="."):
        read_origins(text)


@given(st.text(max_size=40), st.text(max_size=40))
def test_nothing_a_browser_says_breaks_it(origin, host):
    fault(origin, host)
    Origins().host_fault({"host": host})
