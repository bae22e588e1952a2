"""What happens when the network, the server or the browser does not do its part."""

import asyncio

import numpy as np
from playwright.sync_api import expect

from tests.web.conftest import TONES

KEPT = "No connection. Trying again. What you say is kept."


def test_nothing_is_lost_when_the_socket_drops_and_nothing_is_said_twice(server, open_page):
    async def script(client):
        match len(server.sessions):
            case 0:
                await client.start()
                await client.send("speech.started", segment=0, channel=0, begin_ms=100)
                await client.until(lambda client: heard_ms(client) > 1000)
                await client.final(0, "One.", begin_ms=100, end_ms=900)
                await client.send("speech.started", segment=1, channel=0, begin_ms=1030)
                await client.until(lambda client: heard_ms(client) > 2000)
                await client.partial(1, 0, "Two, ", "un", begin_ms=1030, end_ms=2000)
                await asyncio.sleep(0.2)
                client.drop()
            case 1 if len(server.clients) < 4:
                client.drop()
            case _:
                await client.start()
                await client.until(lambda client: heard_ms(client) > 3000)
                await client.final(0, "Two, unbroken.", begin_ms=130, end_ms=2500)
                await client.stop()

    server.script = script
    page = open_page()
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#open .stable")).to_have_text("Two, ")
    dock = page.locator(".dock").bounding_box()
    expect(page.locator("#status")).to_have_text(KEPT)
    assert page.locator(".dock").bounding_box() == dock, "nothing on the page moves"
    expect(page.locator("#open .stable")).to_have_text("Two, ")
    expect(page.locator("#items p")).to_have_text(["One.", "Two, unbroken."])
    expect(page.locator("#open li")).to_have_count(0)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_have_text("Stopped")

    begin_ms = float(page.locator("#items li").last.get_attribute("data-begin-ms"))
    offset = int(begin_ms - 130) * 32
    first, second = (bytes(client.audio) for client in server.sessions)
    assert offset == 900 * 32, "the second session begins where the first was answered"
    assert second.startswith(first[offset:])
    assert_continuous(first[:offset] + second)


def test_a_session_that_the_server_keeps_goes_on_where_it_was(server, open_page):
    server.created = {"resume_token": "T", "limits": {"resume_window_s": 30}}

    async def script(client):
        if client.resumes:
            lost = server.sessions[0]
            assert client.resumes == f"resume=T&after={lost.seq}"
            await client.go_on(lost)
            await client.until(lambda client: heard_ms(client) > 3000)
            await client.partial(0, 1, "Two, un", "broken", begin_ms=100, end_ms=1700)
            await client.until(lambda client: heard_ms(client) > 6000)
            await client.final(0, "Two, unbroken.", begin_ms=100, end_ms=1900)
            await client.stop()
        elif server.sessions:
            client.drop()  # a page that begins anew
        else:
            await client.start()
            await client.send("speech.started", segment=0, channel=0, begin_ms=100)
            await client.until(lambda client: heard_ms(client) > 1000)
            await client.partial(0, 0, "Two, ", "un", begin_ms=100, end_ms=1000)
            await asyncio.sleep(0.2)
            client.drop()

    server.script = script
    page = open_page()
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#open .stable")).to_have_text("Two, ")
    page.locator("#open li").evaluate("element => { element.dataset.mark = 'same' }")
    expect(page.locator("#open .stable")).to_have_text("Two, un")
    expect(page.locator("#open li")).to_have_attribute("data-mark", "same")
    expect(page.locator("#open li.orphan")).to_have_count(0)
    expect(page.locator("#items p")).to_have_text(["Two, unbroken."])
    expect(page.locator("#status")).to_have_text("Listening")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_have_text("Stopped")
    assert len(server.sessions) == 1
    assert_continuous(b"".join(bytes(client.audio) for client in server.clients))
    assert [text["type"] for text in server.clients[-1].texts] == ["stop"]


def test_where_the_session_is_over_the_page_begins_a_new_one(server, open_page):
    server.created = {"resume_token": "T", "limits": {"resume_window_s": 30}}
    server.gone = True

    async def script(client):
        await client.start()
        await client.until(lambda client: heard_ms(client) > 1000)
        if len(server.sessions) == 1:
            client.drop()
            return
        await client.until(lambda client: heard_ms(client) > 4000)
        await client.final(0, "All again.", begin_ms=0, end_ms=900)
        await client.stop()

    server.script = script
    page = open_page()
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#items p")).to_have_text(["All again."])
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_have_text("Stopped")
    first, second = (bytes(client.audio) for client in server.sessions)
    assert second.startswith(first)
    assert_continuous(second)


def heard_ms(client):
    return len(client.audio) / 32


def assert_continuous(audio):
    """The microphone plays one pitch per second: each must last one second, and none may be missing."""
    samples = np.frombuffer(audio, "<i2").astype(np.float64)
    frames = samples[: len(samples) // 800 * 800].reshape(-1, 800) * np.hanning(800)
    spectra = np.abs(np.fft.rfft(frames, 3200, axis=1))
    pitches = np.round(spectra.argmax(axis=1) * 5 / 100).astype(int) * 100
    lengths = [int((pitches == tone).sum()) for tone in TONES]
    heard = [length for length in lengths if length]
    assert len(heard) >= 4
    assert lengths[: len(heard)] == heard, "no pitch is missing in between"
    assert all(19 <= length <= 21 for length in heard[1:-1]), heard


def test_a_stop_while_the_server_is_away_still_brings_the_last_words(server, open_page):
    away = []

    async def script(client):
        if len(server.sessions) == 0:
            await client.start()
            await client.until(lambda client: heard_ms(client) > 500)
            away.append(True)
        if away:
            client.drop()
            return
        await client.start()
        await client.until_message("stop")
        await client.final(0, f"All {heard_ms(client) // 500:.0f} halves of a second.")
        await client.stop()

    server.script = script
    page = open_page()
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#status")).to_have_text(KEPT)
    page.get_by_role("button", name="Stop").click()
    away.clear()
    expect(page.locator("#items p")).to_contain_text("halves of a second.")
    expect(page.locator("#status")).to_have_text("Stopped")


def test_a_full_server_says_so_is_tried_again_and_forgets_it_when_there_is_room(server, open_page):
    async def script(client):
        if 2 <= len(server.clients) <= 4:  # for as long as anybody needs to read it
            await client.send("error", code="server_full", message="This server has no room. Try later.", fatal=True, segment=None)
            await client.socket.close(1013)
            return
        await client.start()
        await client.stop()

    server.script = script
    page = open_page()
    expect(page.locator("#model")).to_have_text("SenseVoiceSmall · CPU")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("alert")).to_contain_text("This server has no room. Try later.")
    expect(page.locator("#status")).to_have_text("Listening")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_warnings_and_errors_are_sentences_and_a_failed_segment_says_so_in_its_place(server, open_page):
    async def script(client):
        await client.start()
        await client.send("warning", code="itn_unsupported", message="This model does not write digits.")
        await client.send("error", code="invalid_setting", message="The language is “xx”.", fatal=False, segment=None)
        await client.send("speech.started", segment=0, channel=0, begin_ms=7000)
        await client.send("error", code="transcription_failed", message="Segment 0 could not be decoded.", fatal=False, segment=0)
        await client.stop()

    server.script = script
    page = open_page()
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".line.warning")).to_contain_text("This model does not write digits.")
    expect(page.get_by_role("alert")).to_contain_text("The language is “xx”.")
    expect(page.locator("#items li")).to_have_text("0:07[Segment 0 could not be decoded.]")
    page.locator(".line.warning").get_by_role("button", name="Dismiss").click()
    expect(page.locator(".line.warning")).to_have_count(0)


def test_a_blocked_a_missing_and_a_silent_microphone_are_explained(server, open_page):
    for name, sentence in (("NotAllowedError", "The microphone is blocked for this page."), ("NotFoundError", "No microphone was found.")):
        page = open_page(script=f"navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', '{name}'))")
        page.get_by_role("button", name="Start").click()
        expect(page.get_by_role("alert")).to_contain_text(sentence)
        expect(page.get_by_role("button", name="Start")).to_be_visible()
    page = open_page(
        script="""navigator.mediaDevices.getUserMedia = async () =>
        new AudioContext().createMediaStreamDestination().stream"""
    )
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".line.warning")).to_contain_text("The microphone gives no sound at all.", timeout=10_000)
    assert server.sessions[-1].audio.count(0) == len(server.sessions[-1].audio)


def test_a_page_on_plain_http_from_another_machine_explains_itself(server, open_page):
    page = open_page(host="elsewhere.test")
    sentence = "Browsers give the microphone only to pages on https or on localhost, and this one came from "
    expect(page.locator(".line.warning")).to_contain_text(f"{sentence}http://elsewhere.test:{server.port}.")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("alert")).to_contain_text(sentence)
    expect(page.locator(".line")).to_have_count(1)
    expect(page.locator("#status")).to_have_text("Ready")


def test_the_page_works_where_the_browser_remembers_nothing(server, open_page):
    page = open_page(script="Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('', 'SecurityError'); }})")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#status")).to_have_text("Listening")
    page.get_by_label("Language").select_option("en")
    expect(page.get_by_label("Language")).to_have_value("en")


def test_a_remembered_microphone_that_is_gone_gives_way_to_the_default_one(server, open_page):
    page = open_page(script="localStorage.setItem('streamer.microphone', 'gone')")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#status")).to_have_text("Listening")
    expect(page.locator("#device")).to_have_value("")
