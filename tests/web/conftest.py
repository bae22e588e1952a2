"""A browser for the page's tests, and a server that does as each test says."""

import pytest

from tests.web.browser import chromium, write_tones
from tests.web.fake_server import FakeServer

TONES = [300 + 100 * step for step in range(40)]
"""Pitches of the microphone, one second each."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Its microphone plays TONES once, beginning when the page opens it."""
    with chromium(write_tones(tmp_path_factory.mktemp("microphone") / "tones.wav", TONES)) as running:
        yield running


@pytest.fixture
def server():
    with FakeServer() as running:
        yield running


@pytest.fixture
def open_page(browser, server):
    """Opens the page, and afterwards requires that the browser found no fault with it. Options are the browser context's."""
    contexts, faults = [], []

    def open_with(*, script="", host="127.0.0.1", **options):
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(10_000)
        page = context.new_page()
        if script:
            page.add_init_script(script)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if is_fault(message) else None)
        page.goto(f"http://{host}:{server.port}/")
        return page

    yield open_with
    for context in contexts:
        context.close()
    assert faults == []


def is_fault(message):
    """What developers would see in red; a lost connection is none of the page's."""
    return message.type in ("error", "warning") and "WebSocket connection" not in message.text
