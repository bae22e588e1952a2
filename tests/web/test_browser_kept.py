"""The page of kept transcripts in a real browser, with the real server and a real store."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from streamer.store import Append, Open
from streamer.store.recordings import Piece, Recordings
from streamer.store.sqlite import SqliteStore
from tests.serving import serving
from tests.store.said import OPENED_MS, final, session, spoken
from tests.store.slow import keeper_of
from tests.web.conftest import is_fault
from tests.web.test_browser_layout import CONTRASTS

MANY = 60


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path / "t.db")
    store.write([operation for n in range(MANY) for operation in spoken(f"s{n:02}", f"Meeting {n:02}.", opened_ms=OPENED_MS + n)])
    said = [
        final(0, "Good morning, how can I help?", channel=0),
        final(1, "<b>My</b> order has not come.", channel=1, language=None),
    ]
    names = {"channels": 2, "channel_names": ["agent", "customer"]}
    call = session("call", call="CA7", wire="twilio", opened_ms=OPENED_MS + MANY, format=names)
    store.write([Open(call), *(Append("call", one, OPENED_MS) for one in said)])
    yield store
    store.close()


@pytest.fixture
def open_kept(browser, store):
    """Opens the page, and afterwards requires that the browser found no fault with it."""
    contexts, faults = [], []
    with serving(keeper=keeper_of(store)) as running:

        def open_with(path="/transcripts", **options):
            context = browser.new_context(**options)
            contexts.append(context)
            context.set_default_timeout(10_000)
            page = context.new_page()
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("console", lambda message: faults.append(message.text) if is_fault(message) else None)
            page.goto(running.url + path)
            return page

        yield open_with
        for context in contexts:
            context.close()
    assert faults == []


def test_the_newest_are_listed_and_more_on_request(open_kept):
    page = open_kept()
    expect(page.locator("#count")).to_have_text("50+ transcripts")
    expect(page.locator("#sessions .excerpt").first).to_have_text("Good morning, how can I help?")
    expect(page.locator("#sessions .facts").first).to_contain_text("0:01 · CA7 · twilio · not ended")
    page.get_by_role("button", name="Show more").click()
    expect(page.locator("#count")).to_have_text(f"{MANY + 1} transcripts")
    expect(page.locator("#sessions li")).to_have_count(MANY + 1)
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()


def test_what_was_said_is_found_while_it_is_typed(open_kept):
    page = open_kept()
    page.get_by_role("searchbox").fill("ORDER come")
    expect(page.locator("#count")).to_have_text("1 transcript in which it was said")
    expect(page.locator("#sessions .excerpt")).to_have_text("<b>My</b> order has not come.")
    expect(page.locator("#sessions .facts")).to_contain_text("said once, first at 0:01")
    page.get_by_role("searchbox").fill("nowhere")
    expect(page.locator("#count")).to_have_text("Nobody said that.")


def test_one_is_opened_with_its_speakers_and_left_by_the_browsers_own_button(open_kept):
    page = open_kept()
    page.get_by_role("link", name="Good morning").click()
    expect(page.locator("#items p")).to_have_text(["Good morning, how can I help?", "<b>My</b> order has not come."])
    expect(page.locator("#items .labels")).to_have_text(["agent", "customer"])
    expect(page.locator("#items time")).to_have_text(["0:00", "0:01"])
    expect(page.locator("#about")).to_contain_text("CA7 · twilio · not ended · scripted")
    page.go_back()
    expect(page.locator("#sessions li")).to_have_count(50)
    expect(page.locator("#one")).to_be_hidden()


@pytest.mark.parametrize(
    ("choice", "begin"), [("Text", "agent: Good"), ("Subtitles", "1\n00:"), ("Web captions", "WEBVTT"), ("Everything", "{\n")]
)
def test_it_is_saved_in_four_ways(open_kept, choice, begin):
    page = open_kept("/transcripts#call")
    page.get_by_role("button", name="Save").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=choice).click()
    text = Path(download.value.path()).read_text()
    assert text.startswith(begin)
    assert download.value.suggested_filename.startswith("call.")


def test_audio_is_offered_where_it_was_recorded(open_kept, store):
    Recordings.beside(store.path).write(Piece("call", 1, 0, bytes(32_000), True))
    page = open_kept("/transcripts#call")
    page.get_by_role("button", name="Save").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Audio").click()
    assert Path(download.value.path()).read_bytes()[:4] == b"RIFF"
    page.goto(page.url.replace("#call", "#s01"))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Text")).to_be_visible()
    expect(page.get_by_role("button", name="Audio")).to_be_hidden()


def test_it_is_deleted_for_good_after_a_second_press(open_kept, store):
    page = open_kept("/transcripts#call")
    expect(page.locator("#items li")).to_have_count(2)
    page.get_by_role("button", name="Delete").click()
    assert store.read("call")
    page.get_by_role("button", name="For good?").click()
    expect(page.locator("#sessions .excerpt").first).to_have_text("Meeting 59.")
    assert store.read("call") is None


def test_the_first_page_leads_there_where_transcripts_are_kept(open_kept):
    page = open_kept("/")
    link = page.get_by_role("link", name="Transcripts")
    expect(link).to_be_visible()
    assert link.get_attribute("href") == "transcripts"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/transcripts", "/transcripts#call"])
def test_it_fits_a_telephone_and_can_be_read_by_day_and_by_night(open_kept, path, scheme):
    page = open_kept(path, viewport={"width": 320, "height": 568}, color_scheme=scheme, has_touch=True)
    expect(page.locator("#sessions li, #items li").first).to_be_attached()
    expect(page.locator("#count")).to_have_text("50+ transcripts")
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    assert page.locator("#scroller").evaluate("element => element.scrollWidth - element.clientWidth") == 0
    sizes = page.locator("button:visible, input:visible, .tools a:visible, .sessions a:visible")
    assert [size for size in sizes.evaluate_all("all => all.map((e) => [e.id, e.offsetWidth, e.offsetHeight])") if min(size[1:]) < 44] == []
    assert [entry for entry in page.evaluate(CONTRASTS) if entry[1] < 4.5] == []
