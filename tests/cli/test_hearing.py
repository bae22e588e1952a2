"""Several recordings at a time, with a backend that answers what and when the test says."""

import asyncio
import io
import json
import wave

import pytest

from streamer.cli.hearing import Hearing, hear_all
from streamer.cli.live import Live, fit
from streamer.cli.output import open_output
from streamer.errors import ConfigurationError, ConnectionFailed


def final(text, begin_ms, end_ms, channel=0):
    word = {"text": text, "begin_ms": begin_ms, "end_ms": end_ms, "confidence": None}
    return {"type": "final", "text": text, "begin_ms": begin_ms, "end_ms": end_ms, "channel": channel, "words": [word], "segment": 0}


def partial(stable, unstable, channel=0):
    return {"type": "partial", "stable": stable, "unstable": unstable, "channel": channel}


def closed(reason="stop"):
    return {"type": "closed", "reason": reason, "totals": {"audio_ms": 1_000}}


class Fake:
    """Answers each file with its script: messages, events to wait for or to set, exceptions to raise."""

    at_once = 4

    def __init__(self, scripts, notice=None):
        self.scripts, self.notice = scripts, notice
        self.entered = self.busy = self.busiest = 0
        self.starts = []

    async def __aenter__(self):
        self.entered += 1
        return self

    async def __aexit__(self, *details):
        self.entered -= 1

    async def messages(self, audio, channels, start):
        assert self.entered
        self.starts.append((channels, start))
        self.busy += 1
        self.busiest = max(self.busy, self.busiest)
        try:
            yield {"type": "session.created", "model": "fake", "notice": self.notice}
            for step in self.scripts[audio.path.name]:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, dict):
                    yield step
                else:
                    await step()
        finally:
            self.busy -= 1


class Terminal(io.StringIO):
    def isatty(self):
        return True


def silence(path, seconds=1, channels=1):
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(2 * channels * 16_000 * seconds))
    return path


@pytest.fixture
def hear(tmp_path, capsys):
    """Transcribes files of silence with a backend; gives the number of failures, standard output, and what was shown beside it."""

    def run(backend, *, names=None, name="txt", output=None, channels=1, at_once=4, quiet=False, shown=None, seconds=1):
        shown = io.StringIO() if shown is None else shown
        paths = [silence(tmp_path / each, seconds, channels or 2) for each in names or backend.scripts]
        live = Live(shown, quiet=quiet, bar=True)
        writer = open_output(paths, name, output, live.room)
        wanted = Hearing(channels=channels, start={"itn": True}, at_once=at_once)

        async def limited():
            async with asyncio.timeout(20):
                return await hear_all(paths, wanted, backend, writer, live)

        failed = asyncio.run(limited())
        assert not backend.entered
        assert not backend.busy
        return failed, capsys.readouterr().out.replace(str(tmp_path) + "/", ""), shown.getvalue().replace(str(tmp_path) + "/", "")

    return run


def test_results_come_in_the_order_of_the_files_whichever_is_done_first(hear):
    second_done = asyncio.Event()

    async def finish():
        second_done.set()

    backend = Fake(
        {
            "a.wav": [final("one.", 0, 300), second_done.wait, final("two.", 500, 900), closed()],
            "b.wav": [final("three.", 0, 900), finish, closed()],
        }
    )
    assert hear(backend) == (0, "== a.wav ==\none.\ntwo.\n== b.wav ==\nthree.\n", "")


def test_lines_of_the_file_whose_turn_it_is_are_written_as_they_come(hear, capsys):
    written = []

    async def look():
        await asyncio.sleep(0)
        written.append(capsys.readouterr().out)

    hear(Fake({"a.wav": [final("one.", 0, 300), look, final("two.", 500, 900), closed()]}))
    assert written == ["one.\n"]


def test_no_more_files_at_a_time_than_the_backend_takes(hear):
    async def pause():
        await asyncio.sleep(0.01)

    backend = Fake({f"{name}.wav": [pause, closed()] for name in "abcde"})
    hear(backend, at_once=2)
    assert backend.busiest == 2


def test_a_file_that_fails_is_told_and_the_others_go_on(hear):
    backend = Fake(
        {
            "a.wav": [ConnectionFailed("the connection to x was lost (1006)")],
            "b.wav": [final("fine.", 0, 900), closed()],
            "c.wav": [final("half", 0, 900), {"type": "error", "message": "the engine died on it", "fatal": False}, closed()],
            "d.wav": [closed("going_away")],
        }
    )
    failed, out, shown = hear(backend)
    assert failed == 3
    assert out == "== b.wav ==\nfine.\n== c.wav ==\nhalf\n"
    assert sorted(shown.splitlines()) == [
        "streamer: c.wav: the engine died on it",
        "streamer: d.wav: the server ended the session (going_away); what was said last may be missing",
        "streamer: the connection to x was lost (1006)",
    ]


def test_nothing_is_loaded_when_no_file_can_be_read(hear, tmp_path):
    class Unloadable(Fake):
        async def __aenter__(self):
            raise AssertionError("loaded")

    shown = io.StringIO()
    live = Live(shown, quiet=False, bar=True)
    paths = [tmp_path / "missing.wav", tmp_path]
    output = open_output(paths, "txt", None, live.room)
    assert asyncio.run(hear_all(paths, Hearing(channels=1, start={}, at_once=1), Unloadable({}), output, live)) == 2
    assert [line.split(", expected")[0] for line in shown.getvalue().splitlines()] == [
        f"streamer: {tmp_path}/missing.wav does not exist",
        f"streamer: {tmp_path} is a directory",
    ]


def test_channels_are_the_files_own_when_split_and_are_named(hear):
    backend = Fake({"a.wav": [final("yes", 500, 900, 1), final("hello", 0, 2_000, 0), closed()]})
    assert hear(backend, channels=None)[1] == "Channel 1: hello\nChannel 2: yes\n"
    assert backend.starts == [(2, {"itn": True})]


def test_a_notice_is_told_once_and_also_when_quiet_but_silence_is_not(hear):
    backend = Fake({"a.wav": [closed()], "b.wav": [closed()]}, notice="This is the bundled English model.")
    assert hear(backend, quiet=True)[2] == "streamer: This is the bundled English model.\n"
    assert hear(backend)[2] == (
        "streamer: This is the bundled English model.\n"
        "streamer: a.wav: no speech was found in 1.0 s of audio\n"
        "streamer: b.wav: no speech was found in 1.0 s of audio\n"
    )


def test_partials_are_plain_lines_away_from_a_terminal(hear):
    script = [partial("", ""), partial("", "hel"), partial("", "hel"), partial("hello", " you"), final("hello you", 0, 900), closed()]
    assert hear(Fake({"a.wav": script})) == (0, "hello you\n", "... hel\n... hello you\n")


def test_partials_settle_in_place_on_a_terminal(hear):
    script = [partial("", "hel"), partial("hello", " you"), final("hello you", 0, 900), closed()]
    shown = hear(Fake({"a.wav": script}), shown=Terminal())[2]
    assert shown == "\r\x1b[K\x1b[2mhel\x1b[0m\r\x1b[Khello\x1b[2m you\x1b[0m\r\x1b[K"


def test_a_long_recording_has_a_bar_on_a_terminal_only(hear, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    script = [final("one.", 0, 6_000), closed()]
    shown = hear(Fake({"a.wav": script}), seconds=12, shown=Terminal())[2]
    assert "of 12 s of audio" in shown
    assert hear(Fake({"a.wav": script}), seconds=12)[2] == ""
    assert hear(Fake({"a.wav": script}), seconds=12, shown=Terminal(), quiet=True)[2] == ""
    assert "of audio" not in hear(Fake({"a.wav": script}), seconds=9, shown=Terminal())[2]


def test_one_json_for_one_file_and_a_list_for_several(hear):
    backend = Fake({"a.wav": [final("one.", 0, 900), closed()], "b.wav": [closed()]})
    assert [(each["text"], each["model"], each["duration_ms"]) for each in json.loads(hear(backend, name="json")[1])] == [
        ("one.", "fake", 1_000),
        ("", "fake", 1_000),
    ]
    assert json.loads(hear(backend, names=["a.wav"], name="json")[1])["text"] == "one."


def test_each_file_in_a_folder_has_its_own_name(hear, tmp_path):
    script = [final("one.", 0, 900), closed()]
    names = ["talk.wav", "talk.mp3", "other.wav"]
    folder = tmp_path / "out"
    assert hear(Fake(dict.fromkeys(names, script)), name="srt", output=str(folder)) == (0, "", "")
    assert sorted(path.name for path in folder.iterdir()) == ["other.srt", "talk.mp3.srt", "talk.wav.srt"]
    assert (folder / "other.srt").read_text() == "1\n00:00:00,000 --> 00:00:00,900\none.\n"


def test_a_files_ending_chooses_the_format(hear, tmp_path):
    target = tmp_path / "talk.vtt"
    hear(Fake({"a.wav": [final("one.", 0, 900), closed()]}), name=None, output=str(target))
    assert target.read_text() == "WEBVTT\n\n00:00:00.000 --> 00:00:00.900\none.\n"


def test_several_files_can_share_one_file_of_lines(hear, tmp_path):
    target = tmp_path / "all.jsonl"
    script = [final("one.", 0, 900), closed()]
    hear(Fake({"a.wav": script, "b.wav": script}), name=None, output=str(target))
    assert [line.split('"')[3].rpartition("/")[2] for line in target.read_text().splitlines()] == ["a.wav", "b.wav"]


@pytest.mark.parametrize(
    ("names", "name", "output", "said"),
    [
        (["a.wav", "b.wav"], "srt", None, "2 files cannot share one srt: give --output FOLDER"),
        (["a.wav", "b.wav"], None, "all.vtt", "2 files cannot share one vtt: give a folder in place of the file"),
        (["a.wav"], "txt", "a.wav", "would overwrite its own recording"),
        (["a.wav"], "txt", "nowhere/a.txt", "there is no folder .*nowhere; make it first"),
        (["x/a.wav", "y/a.wav"], "txt", "out/", "2 recordings would all be written to .*out/a.wav.txt"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_heard(names, name, output, said, tmp_path):
    paths = [tmp_path / each for each in names]
    with pytest.raises(ConfigurationError, match=said):
        open_output(paths, name, output and f"{tmp_path}/{output}", Live(io.StringIO(), quiet=True, bar=False).room)


def test_a_target_that_cannot_be_written_is_a_sentence(hear, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").mkdir()
    with pytest.raises(ConfigurationError, match=r"a.txt cannot be written: Is a directory; give another --output"):
        hear(Fake({"a.wav": [final("one.", 0, 900), closed()]}), output=str(tmp_path / "out"))


@pytest.mark.parametrize(
    ("stable", "unstable", "columns", "shown"),
    [
        ("hello", " you", 9, ("hello", " you")),
        ("hello", " you", 8, ("…llo", " you")),
        ("hello", " you there", 6, ("…", "there")),
        ("你好", "吗", 6, ("你好", "吗")),
        ("你好", "吗", 5, ("…", "吗")),
    ],
)
def test_a_partial_that_is_too_long_shows_its_end(stable, unstable, columns, shown):
    assert fit(stable, unstable, columns) == shown
