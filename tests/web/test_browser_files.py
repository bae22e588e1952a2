"""Transcripts out of the page, and files into it."""

import json

import pytest
from playwright.sync_api import expect

TEXT = "Fish & chips."


async def two_segments(client):
    await client.start()
    await client.final(0, TEXT, begin_ms=500, end_ms=1500)
    await client.final(1, "Twice.", begin_ms=2000, end_ms=2600)
    await client.stop()


SAVED = {
    "txt": f"{TEXT}\nTwice.\n",
    "srt": f"1\n00:00:00,500 --> 00:00:01,500\n{TEXT}\n\n2\n00:00:02,000 --> 00:00:02,600\nTwice.\n",
    "vtt": "WEBVTT\n\n00:00:00.500 --> 00:00:01.500\nFish &amp; chips.\n\n00:00:02.000 --> 00:00:02.600\nTwice.\n",
}


@pytest.fixture
def spoken(server, open_page):
    """A page with a transcript."""
    server.script = two_segments
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    expect(page.get_by_role("button", name="Save")).to_be_disabled()
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#items li")).to_have_count(2)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_have_text("Stopped")
    return page


def test_the_transcript_is_saved_in_four_formats(spoken):
    for extension in ("txt", "srt", "vtt", "json"):
        spoken.get_by_role("button", name="Save").click()
        with spoken.expect_download() as waiting:
            spoken.get_by_role("button", name=f".{extension}").click()
        download = waiting.value
        assert download.suggested_filename.startswith("transcript 20")
        assert download.suggested_filename.endswith("." + extension)
        content = download.path().read_text("utf-8")
        if extension == "json":
            saved = json.loads(content)
            assert saved["model"] == "SenseVoiceSmall"
            assert [item["text"] for item in saved["items"]] == [TEXT, "Twice."]
        else:
            assert content == SAVED[extension]


def test_the_menu_opens_and_closes_with_the_keyboard(spoken):
    save = spoken.get_by_role("button", name="Save")
    save.focus()
    spoken.keyboard.press("Enter")
    expect(save).to_have_attribute("aria-expanded", "true")
    spoken.keyboard.press("Tab")
    assert spoken.evaluate("document.activeElement.dataset.format") == "txt"
    spoken.keyboard.press("Escape")
    expect(save).to_be_focused()
    expect(spoken.locator("#save-as")).to_be_hidden()


def test_the_transcript_is_copied_cleared_and_brought_back(spoken):
    spoken.get_by_role("button", name="Copy").click()
    expect(spoken.get_by_role("button", name="Copied")).to_be_visible()
    expect(spoken.get_by_role("status").filter(has_text="Copied")).to_be_attached()
    assert spoken.evaluate("navigator.clipboard.readText()") == SAVED["txt"]
    spoken.get_by_role("button", name="Clear").click()
    expect(spoken.locator("#items li")).to_have_count(0)
    spoken.get_by_role("button", name="Undo").click()
    expect(spoken.locator("#items p")).to_have_text([TEXT, "Twice."])


def test_a_file_is_sent_as_it_is_and_its_words_appear_like_spoken_ones(server, open_page, tmp_path):
    file = tmp_path / "interview.mp3"
    file.write_bytes(bytes(range(256)) * 2000)
    watched = []

    async def script(client):
        await client.start()
        await client.until(lambda client: len(client.audio) > 100_000)
        await client.partial(0, 0, "Read from ", "a file")
        await client.until_message("stop")
        await client.final(0, "Read from a file.", end_ms=63_000)
        await client.until(lambda _: watched)
        await client.stop()

    server.script = script
    page = open_page()
    page.locator("#file").set_input_files(file)
    expect(page.locator("#items p")).to_have_text("Read from a file.")
    expect(page.locator("#status")).to_have_text("Transcribing interview.mp3")
    expect(page.locator("#detail")).to_have_text("1:03 done")
    watched.append(True)
    server.call(server.sessions[0].changed.set)
    expect(page.locator("#status")).to_have_text("Stopped")
    session = server.sessions[0]
    assert session.texts == [{"type": "start", "format": "container", "language": "auto", "resume": True}, {"type": "stop"}]
    assert bytes(session.audio) == file.read_bytes()


def test_a_file_that_is_no_audio_ends_with_the_servers_sentence(server, open_page, tmp_path):
    file = tmp_path / "letter.pdf"
    file.write_bytes(b"%PDF" * 30_000)

    async def script(client):
        await client.start()
        await client.send("error", code="invalid_audio", message="This is no audio or video file.", fatal=True, segment=None)
        await client.send("closed", reason="invalid_audio", totals={})
        await client.socket.close(1007)

    server.script = script
    page = open_page()
    page.locator("#file").set_input_files(file)
    expect(page.get_by_role("alert")).to_contain_text("This is no audio or video file.")
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    assert len(server.sessions) == 1


def test_a_dropped_file_is_taken_and_refused_with_a_sentence_while_listening(server, open_page):
    page = open_page()
    drop = """name => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(1000)], name));
      for (const kind of ['dragover', 'drop']) {
        document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
      }
    }"""
    page.evaluate(drop, "talk.ogg")
    expect(page.locator("#status")).to_have_text("Stopped")
    assert len(server.sessions[0].audio) == 1000
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#status")).to_have_text("Listening")
    page.evaluate(drop, "other.ogg")
    expect(page.get_by_role("alert")).to_contain_text("other.ogg was not taken")


def test_a_file_whose_connection_drops_is_sent_again_from_its_beginning(server, open_page, tmp_path):
    file = tmp_path / "talk.wav"
    file.write_bytes(b"x" * 200_000)

    async def script(client):
        first = len(server.sessions) == 0
        await client.start()
        if first:
            await client.final(0, "Once.")
            await client.until(lambda client: len(client.audio) > 100_000)
            client.drop()
            return
        await client.until_message("stop")
        await client.final(0, "Once.")
        await client.stop()

    server.script = script
    page = open_page()
    page.locator("#file").set_input_files(file)
    expect(page.locator("#status")).to_have_text("Stopped")
    expect(page.locator("#items p")).to_have_text(["Once."])
    assert len(server.sessions[1].audio) == 200_000
