"""The page before a server that asks for keys, under the headers that forbid it everything it does not need."""

import pytest
from playwright.sync_api import expect

from streamer.access import Scope
from streamer.access.guard import Guard
from streamer.access.keys import Keys, new_key, save
from streamer.access.tokens import Tokens, Wish
from streamer.store.sqlite import SqliteStore
from tests.serving import serving
from tests.store.said import spoken
from tests.store.slow import keeper_of
from tests.web.browser import chromium, write_tones
from tests.web.conftest import TONES


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(write_tones(tmp_path_factory.mktemp("microphone") / "tones.wav", TONES)) as running:
        yield running


class Place:
    def __init__(self, path):
        self.path, self.tokens = path, Tokens(b"0123456789abcdef0123456789abcdef")
        self.desk, self.key = new_key("desk")
        save(path, [self.desk])


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "keys")


@pytest.fixture
def server(place):
    with serving(guard=Guard(keys=Keys(place.path), tokens=place.tokens), heartbeat_s=0.2) as running:
        yield running


@pytest.fixture
def open_page(browser):
    """Opens an address, and requires afterwards that the browser forbade nothing and missed nothing."""
    contexts, faults = [], []

    def open_with(url):
        context = browser.new_context()
        contexts.append(context)
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "console",
            lambda said: (
                faults.append(said.text) if said.type in ("error", "warning") and "WebSocket connection" not in said.text else None
            ),
        )
        page.goto(url)
        return page

    yield open_with
    for context in contexts:
        context.close()
    assert faults == []


def listen_and_stop(page):
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#status")).to_have_text("Listening")
    page.wait_for_timeout(500)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_have_text("Stopped")


def test_a_key_is_asked_for_once_and_kept_for_the_tab(server, place, open_page, tmp_path):
    page = open_page(server.url)
    expect(page.get_by_role("dialog")).to_contain_text("This server asks for a key.")
    page.screenshot(path=tmp_path / "asked.png")
    page.get_by_role("textbox", name="Key").fill("streamer_wrong")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("dialog")).to_contain_text("the key is not one of this server's, or was revoked")
    page.get_by_role("textbox", name="Key").fill("two words")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("dialog")).to_contain_text("This is no key")
    page.get_by_role("textbox", name="Key").fill(place.key)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#model")).to_contain_text("CPU")
    listen_and_stop(page)
    page.reload()
    expect(page.locator("#model")).to_contain_text("CPU")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert place.key not in page.content()


def test_a_token_in_the_address_lets_in_and_is_taken_out_of_it(server, place, open_page):
    page = open_page(f"{server.url}/#token={place.tokens.mint(place.desk, Wish())}")
    listen_and_stop(page)
    assert page.url == f"{server.url}/"


def test_a_key_that_is_revoked_while_somebody_speaks_is_asked_for_again_and_nothing_is_lost(server, place, open_page):
    page = open_page(f"{server.url}/#token={place.key}")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#status")).to_have_text("Listening")
    other, key = new_key("other")
    save(place.path, [other])
    expect(page.get_by_role("dialog")).to_contain_text("the key is not one of this server's, or was revoked")
    page.get_by_role("textbox", name="Key").fill(key)
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#status")).to_have_text("Listening")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_name_that_the_server_does_not_know_is_explained(open_page):
    with serving() as running:
        port = running.url.rpartition(":")[2]
        page = open_page(f"http://elsewhere.test:{port}/")
        expect(page.get_by_role("alert")).to_contain_text(
            f"this server is not known as elsewhere.test:{port}; if it should be, add its address"
        )
        expect(page.get_by_role("dialog")).to_be_hidden()


def test_what_the_page_does_not_need_is_forbidden_to_it(server, place, browser):
    page = browser.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{server.url}/#token={place.key}")
    page.evaluate(
        """async () => {
            const script = document.createElement('script');
            script.textContent = 'window.injected = 1';
            document.body.append(script);
            await fetch('https://elsewhere.test/').catch(() => {});
            new Image().src = 'https://elsewhere.test/x.png';
        }"""
    )
    page.wait_for_timeout(200)
    assert page.evaluate("() => window.injected") is None
    for directive in ("script-src 'self'", "connect-src 'self'", "img-src 'self'"):
        assert any("Content Security Policy" in text and directive in text for text in said), (directive, said)
    page.close()


def test_kept_transcripts_ask_for_a_key_of_their_own(open_page, place, tmp_path):
    reader, key = new_key("reader", scopes=frozenset({Scope.TRANSCRIPTS}))
    save(place.path, [place.desk, reader])
    store = SqliteStore(tmp_path / "t.db")
    store.write(spoken("s0", "Good morning."))
    guard = Guard(keys=Keys(place.path), tokens=place.tokens)
    with serving(keeper=keeper_of(store), guard=guard) as running:
        page = open_page(running.url + "/transcripts")
        page.get_by_role("textbox", name="Key").fill(key)
        page.get_by_role("button", name="Go on").click()
        page.get_by_role("link", name="Good morning").click()
        expect(page.locator("#items p")).to_have_text(["Good morning."])
        page.get_by_role("button", name="Save").click()
        with page.expect_download() as download:
            page.get_by_role("button", name="Text").click()
        assert download.value.path().read_text() == "Good morning.\n"
