"""Nobody is let in by oversight: what may begin, and what is refused with a sentence."""

from pathlib import Path

import pytest

from streamer.access.configured import AccessSettings, build_guard, build_tls, is_loopback, read_proxies, require_safe
from streamer.access.keys import new_key, save
from streamer.errors import ConfigurationError


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_loopback_needs_nothing(host):
    said = []
    require_safe(AccessSettings(), host, ["wyoming"], said.append)

    assert is_loopback(host)
    assert said == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.5", "desk.lan"])
def test_any_other_address_needs_keys_or_a_word(host):
    with pytest.raises(ConfigurationError) as refused:
        require_safe(AccessSettings(), host, [])
    for way in ("streamer keys add NAME", "127.0.0.1", "--insecure"):
        assert way in str(refused.value)

    said = []
    require_safe(AccessSettings(insecure=True), host, ["wyoming"], said.append)
    assert "everybody who reaches" in said[0]
    require_safe(AccessSettings(keys=Path("keys")), host, [], said.append)
    assert "in the clear" in said[1]
    require_safe(AccessSettings(keys=Path("keys"), tls_cert=Path("cert")), host, [], said.append)
    assert len(said) == 2


def test_a_wire_that_carries_no_key_is_not_shown_to_others_beside_keys():
    settings = AccessSettings(keys=Path("keys"), insecure=True)
    with pytest.raises(ConfigurationError, match="wyoming cannot carry a key"):
        require_safe(settings, "0.0.0.0", ["wyoming"])
    require_safe(settings, "127.0.0.1", ["wyoming"])


def test_a_guard_with_keys_has_a_secret_beside_them(tmp_path):
    key, _ = new_key("desk")
    save(tmp_path / "keys", [key])
    settings = AccessSettings(keys=tmp_path / "keys")

    assert build_guard(settings).keyed
    assert (tmp_path / "keys.secret").is_file()
    assert not build_guard(AccessSettings()).keyed


def test_a_certificate_that_cannot_be_used_is_told(tmp_path):
    (tmp_path / "cert").write_text("nonsense")
    assert build_tls(AccessSettings()) is None
    with pytest.raises(ConfigurationError, match="cannot be used"):
        build_tls(AccessSettings(tls_cert=tmp_path / "cert"))
    with pytest.raises(ConfigurationError, match="names no certificate"):
        build_tls(AccessSettings(tls_key=tmp_path / "key"))


def test_proxies_are_addresses_or_networks():
    assert [str(network) for network in read_proxies("127.0.0.1, 10.0.0.0/8")] == ["127.0.0.1/32", "10.0.0.0/8"]
    with pytest.raises(ValueError, match="proxy"):
        read_proxies("proxy")
