"""What the environment says about access."""

from pathlib import Path

import pytest

from streamer.access.configured import AccessSettings
from streamer.errors import ConfigurationError
from streamer.settings import read_settings

HOME = Path("/home/somebody")


def read(**variables):
    return read_settings({f"STREAMER_{name}": value for name, value in variables.items()}, HOME).access


def test_without_anything_said_nobody_needs_a_key_and_nothing_is_open():
    assert read() == AccessSettings()
    assert not read().insecure
    assert read(KEYS="", TLS_CERT="", TLS_KEY="", TOKEN_SECRET="", ORIGINS="", PROXIES="", INSECURE="") == AccessSettings()


def test_everything_can_be_said():
    settings = read(
        KEYS="/run/keys", ORIGINS="https://app.example", PROXIES="10.0.0.0/8", INSECURE="yes", TLS_CERT="c.pem", MAX_SESSIONS_PER_KEY="3"
    )

    assert (settings.keys, settings.secret) == (Path("/run/keys"), Path("/run/keys.secret"))
    assert (settings.origins, str(settings.proxies[0])) == (("https://app.example",), "10.0.0.0/8")
    assert (settings.insecure, settings.tls_cert, settings.max_sessions_per_key) == (True, Path("c.pem"), 3)
    assert read(KEYS="/run/keys", TOKEN_SECRET="/run/secret").secret == Path("/run/secret")
    assert read(TOKEN_SECRET="/run/secret").keys is None


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ORIGINS", "app.example", "origins such as https://app.example"),
        ("PROXIES", "proxy", "addresses or networks"),
        ("INSECURE", "perhaps", "yes or no"),
        ("MAX_SESSIONS_PER_ADDRESS", "-1", "0 to 100000"),
    ],
)
def test_what_cannot_be_is_refused_with_what_was_expected(name, value, expected):
    with pytest.raises(ConfigurationError, match=f"STREAMER_{name} is '{value}', expected {expected}"):
        read(**{name: value})
