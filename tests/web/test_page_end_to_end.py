"""The whole way: a browser's microphone, the page, the real server, a real model, and words on the page."""

import pytest

from tests.conftest import TWO_CITIES
from tests.web.browser import chromium
from tests.words import word_error_rate, words

HEARD = " ".join(words(TWO_CITIES)[:34])
"""What is surely said in the first 20 s of the reading."""


@pytest.fixture(scope="module")
def browser(two_cities):
    with chromium(two_cities) as running:
        yield running


def test_what_is_said_into_the_microphone_appears_on_the_page(browser, live_server, tmp_path):
    page = browser.new_page()
    page.goto(live_server)
    page.get_by_role("button", name="Start").click()
    page.locator("#open li .stable, #open li .unstable").filter(has_text="times").first.wait_for(timeout=20_000)
    page.screenshot(path=tmp_path / "speaking.png")
    page.locator("#items").get_by_text("foolishness").first.wait_for(timeout=60_000)
    page.wait_for_timeout(500)
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Start").wait_for(timeout=30_000)
    page.screenshot(path=tmp_path / "said.png")
    finals = " ".join(page.locator("#items li.speech p").all_inner_texts())
    count = len(words(HEARD))
    assert word_error_rate(HEARD, " ".join(words(finals)[:count])) < 0.25, finals
    assert page.locator("#lines").inner_text().startswith("This is the bundled English model.")
    assert page.locator("#open li").count() == 0
    page.close()
