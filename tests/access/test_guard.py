"""Who is let in, as whom, and how often."""

import ipaddress

import pytest

from streamer.access import Scope
from streamer.access.guard import Asked, Denied, Guard
from streamer.access.keys import Keys, new_key, save
from streamer.access.seats import Granted, Seat, network
from streamer.access.tokens import Tokens, Wish
from streamer.errors import AccessRevoked, QuotaExceeded

SECRET = b"0123456789abcdef0123456789abcdef"


@pytest.fixture
def place(tmp_path):
    """A file with two keys, and their texts."""

    class Place:
        path = tmp_path / "keys"
        desk, desk_text = new_key("desk", sessions=2)
        watcher, watcher_text = new_key("watcher", scopes=frozenset({Scope.METRICS}))

        def guard(self, **options):
            save(self.path, [self.desk, self.watcher])
            return Guard(keys=Keys(self.path), tokens=Tokens(SECRET), **options)

    return Place()


def bearer(text, peer="192.0.2.1", **headers):
    return Asked(peer=peer, headers={"authorization": f"Bearer {text}", **headers})


def test_without_keys_everybody_is_let_in_but_for_strangers_pages():
    guard = Guard()

    assert guard.admit(Asked(peer="127.0.0.1"), Scope.TRANSCRIBE) == Granted()
    refused = guard.admit(Asked(peer="127.0.0.1", headers={"origin": "https://evil.example", "host": "127.0.0.1"}), Scope.TRANSCRIBE)
    assert (refused.status, refused.word) == (403, "origin")
    rebound = Asked(peer="127.0.0.1", headers={"host": "evil.example"}, socket=False)
    assert guard.admit(rebound, Scope.METRICS).status == 403
    assert guard.mint(Asked(peer="127.0.0.1"), Wish()).status == 404


def test_a_key_is_asked_for_and_named(place):
    guard = place.guard()

    missing = guard.admit(Asked(peer="127.0.0.1"), Scope.TRANSCRIBE)
    assert (missing.status, missing.headers) == (401, {"WWW-Authenticate": 'Bearer realm="streamer"'})
    assert "this server asks for a key" in missing.sentence
    wrong = guard.admit(bearer("streamer_nonsense"), Scope.TRANSCRIBE)
    assert (wrong.status, wrong.sentence) == (401, "the key is not one of this server's, or was revoked")
    assert guard.admit(bearer(place.desk_text), Scope.TRANSCRIBE) == Granted(name="desk", key_id=place.desk.id, sessions=2)


def test_a_key_opens_what_it_says_and_nothing_else(place):
    guard = place.guard()

    assert isinstance(guard.admit(bearer(place.watcher_text), Scope.METRICS), Granted)
    refused = guard.admit(bearer(place.watcher_text), Scope.TRANSCRIBE)
    assert (refused.status, refused.sentence) == (403, "this key of watcher does not open transcribe")
    assert guard.mint(bearer(place.watcher_text), Wish()).status == 403


def test_a_token_opens_what_it_was_minted_for_until_its_key_is_revoked(place):
    guard = place.guard()
    token = guard.mint(bearer(place.desk_text), Wish())

    assert guard.admit(bearer(token), Scope.TRANSCRIBE).name == "desk"
    assert guard.admit(bearer(token), Scope.FOLLOW).sentence == "this token of desk does not open follow"
    assert guard.mint(bearer(token), Wish()).status == 403
    save(place.path, [place.watcher])
    assert guard.admit(bearer(token), Scope.TRANSCRIBE).sentence == "the key that the token came from was revoked"


def test_a_stranger_is_told_the_same_whatever_is_wrong_with_the_page(place):
    refused = place.guard().admit(bearer(place.desk_text, origin="https://evil.example", host="asr.example"), Scope.TRANSCRIBE)

    assert refused.status == 403


def take(guard, asked):
    granted = guard.admit(asked, Scope.TRANSCRIBE)
    return guard.seat(granted, asked) if isinstance(granted, Granted) else granted


def test_a_key_has_its_own_bound_and_a_seat_that_is_left_is_free(place):
    guard = place.guard(sessions_per_key=1)
    first, second, third = (take(guard, bearer(place.desk_text)) for _ in range(3))

    assert isinstance(first, Seat)
    assert isinstance(second, Seat)
    assert (third.status, third.headers["Retry-After"]) == (429, "5")
    assert third.sentence == "the key desk has 2 sessions, which is all that it may have at a time; end one, or try again later"
    first.leave()
    first.leave()
    assert isinstance(take(guard, bearer(place.desk_text)), Seat)
    assert isinstance(take(guard, bearer(place.desk_text)), Denied)


def test_a_token_counts_for_its_key_and_for_itself(place):
    guard = place.guard()
    token = guard.mint(bearer(place.desk_text), Wish(sessions=1))

    assert isinstance(take(guard, bearer(token)), Seat)
    assert take(guard, bearer(token)).sentence.startswith("the token has 1 sessions")
    assert isinstance(take(guard, bearer(place.desk_text)), Seat)
    assert take(guard, bearer(place.desk_text)).sentence.startswith("the key desk has 2 sessions")


def test_an_address_has_its_bound_with_keys_and_without():
    guard = Guard(sessions_per_address=1)

    assert isinstance(take(guard, Asked(peer="192.0.2.1")), Seat)
    assert take(guard, Asked(peer="192.0.2.1")).sentence.startswith("192.0.2.1 has 1 sessions")
    assert isinstance(take(guard, Asked(peer="192.0.2.2")), Seat)


def test_a_household_is_one_address():
    assert network("192.0.2.1") == network("::ffff:192.0.2.1") == "192.0.2.1"
    assert network("2001:db8:1:2::1") == network("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert network("unknown") == "unknown"


def test_a_forwarded_address_is_believed_of_a_proxy_alone():
    guard = Guard(proxies=[ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("127.0.0.1")])

    def address(peer, forwarded):
        return guard.address_of(Asked(peer=peer, headers={"x-forwarded-for": forwarded}))

    assert address("192.0.2.1", "203.0.113.9") == "192.0.2.1"
    assert address("127.0.0.1", "203.0.113.9") == "203.0.113.9"
    assert address("::ffff:127.0.0.1", "203.0.113.9") == "203.0.113.9"
    assert address("127.0.0.1", "198.51.100.1, 203.0.113.9, 10.1.2.3") == "203.0.113.9"
    assert address("127.0.0.1", "") == "127.0.0.1"
    assert address("127.0.0.1", "nonsense") == "nonsense"


def test_a_quota_is_of_all_sessions_of_a_token_together(place):
    guard = place.guard()
    token = guard.mint(bearer(place.desk_text), Wish(quota_s=10))
    first, second = take(guard, bearer(token)), take(guard, bearer(token))

    assert first.fault(4_000) is None
    assert second.fault(5_000) is None
    fault = first.fault(5_000)
    assert isinstance(fault, QuotaExceeded)
    assert str(fault) == "the token's 10 s of audio are used up; mint another one"
    first.leave()
    second.leave()
    assert take(guard, bearer(token)).status == 403
    assert isinstance(take(guard, bearer(guard.mint(bearer(place.desk_text), Wish(quota_s=10)))), Seat)


def test_an_open_session_of_a_revoked_key_is_told(place):
    guard = place.guard()
    seat = take(guard, bearer(place.desk_text))
    assert seat.fault(1_000) is None

    save(place.path, [place.watcher])
    assert isinstance(seat.fault(2_000), AccessRevoked)


def test_who_is_refused_for_one_bound_counts_for_none(place):
    guard = place.guard(sessions_per_address=3)
    held = [take(guard, bearer(place.desk_text)) for _ in range(2)]
    for _ in range(3):
        assert take(guard, bearer(place.desk_text)).sentence.startswith("the key desk has 2 sessions")

    held.pop().leave()
    assert isinstance(take(guard, bearer(place.desk_text)), Seat)
