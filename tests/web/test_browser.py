"""The page in a real browser: the button, words that settle, labels, choices, and what a screen reader hears."""

import asyncio
import re

from playwright.sync_api import expect

from tests.web.fake_server import PLAIN

HEARD_FOR_A_WHILE = re.compile(r"^0:(0[2-9]|[1-5]\d)$")  # a busy machine shows not every second
NOTICE = "The bundled English model answers, because no model hub can be reached."
LABELS = {
    "language": {"code": "en", "p": 0.981},
    "emotion": {"label": "neutral", "p": 0.84, "scores": {"neutral": 0.84}},
    "events": [{"label": "speech", "p": 0.99}],
}


def test_words_settle_before_the_eyes_and_the_final_takes_their_place(server, open_page):
    async def script(client):
        await client.start()
        await client.send("speech.started", segment=0, channel=0, begin_ms=1200)
        await client.partial(0, 0, "", "To bee")
        await client.partial(0, 1, "To be ", "or knot", begin_ms=1200)
        await client.until_message("stop")
        await client.final(0, "To be or not to be.", begin_ms=61_200, end_ms=63_000, **LABELS)
        await client.stop()

    server.script = script
    page = open_page()
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#open .stable")).to_have_text("To be ")
    expect(page.locator("#open .unstable")).to_have_text("or knot")
    styles = [style_of(page, f"#open .{kind}") for kind in ("stable", "unstable")]
    assert [style["fontStyle"] for style in styles] == ["normal", "italic"]
    assert styles[0]["color"] != styles[1]["color"]
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#items li p")).to_have_text("To be or not to be.")
    expect(page.locator("#items time")).to_have_text("1:01")
    expect(page.locator("#items .labels span")).to_have_text(["en 0.98", "neutral 0.84", "speech 0.99"])
    expect(page.locator("#open li")).to_have_count(0)
    expect(page.get_by_role("status").filter(has_text="Stopped")).to_be_visible()


def test_a_model_without_labels_shows_none_and_its_notice_can_be_put_away_for_good(server, open_page):
    async def script(client):
        await client.start()
        await client.final(0, "Plain words.")
        await client.stop()

    server.script = script
    server.created = {"model": "moonshine-tiny-en", "capabilities": PLAIN, "notice": NOTICE}
    page = open_page()
    expect(page.locator("#model")).to_have_text("moonshine-tiny-en · CPU")
    expect(page.get_by_text(NOTICE)).to_be_visible()
    expect(page.get_by_label("Language")).to_have_text("English")
    page.get_by_role("button", name="Dismiss").click()
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("Plain words.")).to_be_visible()
    expect(page.locator(".labels")).to_have_count(0)
    expect(page.get_by_text(NOTICE)).to_have_count(0)


def test_the_keyboard_starts_and_stops(server, open_page):
    page = open_page()
    expect(page.locator("#status")).to_have_text("Ready")
    while page.evaluate("document.activeElement.id") != "record":
        page.keyboard.press("Tab")
    assert style_of(page, "#record")["outlineStyle"] == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("Listening")
    page.keyboard.press("Space")
    expect(page.locator("#status")).to_have_text("Stopped")
    assert server.sessions[0].texts[-1] == {"type": "stop"}


def test_finals_are_announced_and_partials_are_not(server, open_page):
    page = open_page()
    assert page.locator("#items").evaluate("list => list.closest('[role=log]').ariaLive") == "polite"
    assert page.locator("#open").evaluate("list => [list.ariaLive, list.closest('[role=log]')]") == ["off", None]
    assert page.locator("#status").get_attribute("aria-live") == "polite"
    assert page.locator("#detail").evaluate("element => element.closest('[aria-live]')") is None


def test_sounds_doubtful_words_and_markup_are_shown_for_what_they_are(server, open_page):
    async def script(client):
        await client.start()
        sure = {"It": 0.9, "rains": 0.31, "<b>cats</b>": 0.8}
        words = [{"text": text, "begin_ms": 0, "end_ms": 9, "confidence": p} for text, p in sure.items()]
        await client.final(0, "It rains <b>cats</b>.", begin_ms=5000, words=words)
        await client.send("sound", channel=0, event="applause", p=0.9, begin_ms=2000, end_ms=3000)
        await client.stop()

    server.script = script
    page = open_page()
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#items p")).to_have_text(["[applause 0.90]", "It rains <b>cats</b>."])
    expect(page.locator(".doubtful")).to_have_text("rains")
    expect(page.locator(".doubtful")).to_have_attribute("title", "31 % sure")


def test_the_level_follows_the_microphone(server, open_page):
    page = open_page()
    meter = page.get_by_role("meter", name="Microphone level")
    assert meter.get_attribute("aria-valuenow") == "-60"
    page.get_by_role("button", name="Start").click()
    expect(meter).to_have_attribute("aria-valuenow", "-11")  # a sine with an amplitude of 0.4
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_have_text("Stopped")
    assert page.locator("#meter i").evaluate("bar => bar.style.transform") == "scaleX(0)"


def test_the_language_is_chosen_among_the_models_own_changed_while_listening_and_remembered(server, open_page):
    page = open_page()
    choice = page.get_by_label("Language")
    expect(choice.locator("option")).to_have_text(["Automatic", "中文 (Mandarin)", "English", "粵語 (Cantonese)", "日本語", "한국어"])
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#status")).to_have_text("Listening")
    choice.select_option("ja")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_have_text("Stopped")
    texts = server.sessions[0].texts
    assert [text["language"] for text in texts if "language" in text] == ["auto", "ja"]
    page.reload()
    expect(choice).to_have_value("ja")


def test_a_microphone_is_chosen_by_name_also_while_listening_and_remembered(server, open_page):
    page = open_page()
    choice = page.get_by_role("combobox", name="Microphone")
    page.get_by_role("button", name="Start").click()
    expect(choice.locator("option")).to_have_text(["Default", "Fake Audio Input 1", "Fake Audio Input 2"])
    choice.select_option("Fake Audio Input 2")
    expect(page.locator("#status")).to_have_text("Listening")
    expect(page.locator("#detail")).to_have_text(HEARD_FOR_A_WHILE)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_have_text("Stopped")
    assert len(server.sessions) == 1
    page.reload()
    expect(choice).to_have_value(page.evaluate("localStorage['streamer.microphone']"))


def test_listening_goes_on_with_the_default_microphone_when_the_chosen_one_is_pulled_out(server, open_page):
    page = open_page(
        script="""
        const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        window.streams = [];
        navigator.mediaDevices.getUserMedia = async (wishes) => {
          const stream = await open(wishes);
          window.streams.push(stream);
          return stream;
        };
        """
    )
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#status")).to_have_text("Listening")
    page.evaluate("window.streams[0].getAudioTracks()[0].dispatchEvent(new Event('ended'))")
    expect(page.locator(".line.warning")).to_contain_text("was disconnected. Listening goes on with the default one.")
    expect(page.locator("#detail")).to_have_text(HEARD_FOR_A_WHILE)
    assert page.evaluate("window.streams.length") == 2
    expect(page.locator("#status")).to_have_text("Listening")
    assert page.evaluate("window.streams[0].getAudioTracks()[0].readyState") == "ended"


def test_a_second_recording_goes_on_in_time_after_the_first(server, open_page):
    async def script(client):
        await client.start()
        await client.final(0, "Part.", begin_ms=1000, end_ms=61_000)
        await client.until_message("stop")
        await asyncio.sleep(0)
        await client.stop()

    server.script = script
    page = open_page()
    for count in (1, 2):
        page.get_by_role("button", name="Start").click()
        expect(page.locator("#items li")).to_have_count(count)
        page.get_by_role("button", name="Stop").click()
        expect(page.locator("#status")).to_have_text("Stopped")
    expect(page.locator("#items time")).to_have_text(["0:01", "1:02"])


def style_of(page, selector):
    return page.locator(selector).evaluate("element => ({...getComputedStyle(element)})")
