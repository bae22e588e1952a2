"""Several voices on one socket: who hears what, who is refused, how it ends; with sessions that only write down what they hear."""

import asyncio
import logging
from functools import wraps

import pytest

from streamer.core.events import Rejected, Stop
from streamer.core.session import MAX_REJECTED
from streamer.errors import AccessRevoked, InvalidMessage
from streamer.metrics import Metrics
from streamer.voice import INBOX, Voice
from streamer.voices import MAX_VOICES, Voices
from streamer.wires import SharedWire, Spoken


class Named(SharedWire):
    """``name:payload``; ``.`` is the end, and ``?`` cannot be read."""

    idle_timeout_s = 60.0
    pause_s = 60.0

    def split(self, data):
        match data.partition(":"):
            case ".", _, _:
                return Stop()
            case "?", _, _:
                return Rejected(InvalidMessage("what is this"))
            case "", _, _:
                return None
            case name, _, payload:
                return Spoken(name, payload)

    def voice(self, name, handshake):
        raise NotImplementedError


class Line:
    """The shared socket: what a test says arrives, and what is written stays."""

    take = None
    peer = "a test"
    ready = True

    def __init__(self):
        self.arrived, self.written, self.aborted = asyncio.Queue(), [], False
        self.close_code, self.close_reason = None, None

    def say(self, *messages):
        for message in messages:
            self.arrived.put_nowait(message)

    def vanish(self):
        self.close_code = self.close_code or 1006
        self.arrived.put_nowait(None)

    async def recv(self):
        data = await self.arrived.get()
        if data is None:
            raise ConnectionResetError
        return data

    def push(self, payload):
        self.written.append(payload)

    async def send(self, payload):
        self.push(payload)

    async def close(self, code, reason):
        if self.close_code is None:
            self.close_code, self.close_reason = code, reason
            self.vanish()

    def abort(self):
        self.aborted = True
        self.vanish()


class Meeting:
    """Voices whose sessions write down what they hear, while they may, and say ``bye`` after an empty message."""

    def __init__(self, wire=None):
        self.line, self.metrics = Line(), Metrics()
        self.heard, self.finished, self.ended, self.refusal = [], [], [], None
        self.sockets = {}
        self.may_hear, self.may_end = asyncio.Event(), asyncio.Event()
        self.may_hear.set()
        self.may_end.set()
        self.fault = None
        self.voices = Voices(
            self.line,
            wire or Named(),
            id="m",
            refusal=lambda: self.refusal,
            join=self.session,
            metrics=self.metrics,
            fault=lambda: self.fault,
            heartbeat_s=0.02,
        )
        self.running = asyncio.create_task(self.voices.run())

    async def session(self, voice):
        said = []
        self.sockets[voice.name] = voice
        self.heard.append((voice.name, said))
        try:
            while payload := await self.hear(voice):
                said.append(payload)
                if payload == "fail":
                    raise RuntimeError("a fault of ours")
                if payload == "abort":
                    voice.abort()
            self.finished.append(voice.name)
            await self.may_end.wait()
            voice.push(voice.name + " bye")
            await voice.close(1000, "stop")
        except ConnectionResetError:
            said.append("lost")
        finally:
            self.ended.append(voice.name)

    async def hear(self, voice):
        await self.may_hear.wait()
        return await voice.recv()

    async def until(self, true):
        async with asyncio.timeout(10):
            while not true():  # noqa: ASYNC110 - what is waited for is not only ours
                await asyncio.sleep(0.005)

    async def over(self):
        await asyncio.wait_for(self.running, 10)
        assert self.voices.done.is_set()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return self.line.close_code, self.line.close_reason

    def refused(self, why):
        return self.metrics.refused.labels(why)._value.get()


def in_loop(test):
    """Runs a coroutine function as a test."""

    @wraps(test)
    def run(**fixtures):
        asyncio.run(test(**fixtures))

    return run


@in_loop
async def test_each_voice_hears_itself_in_order_and_the_end_comes_after_the_last_goodbye():
    meeting = Meeting()
    meeting.may_end.clear()
    meeting.line.say("a:1", "b:2", "a:3", "", "c:4", "b:5", ".", "a:too late")
    await meeting.until(lambda: len(meeting.finished) == 3)
    assert meeting.line.written == []
    assert meeting.line.close_code is None
    meeting.may_end.set()
    assert await meeting.over() == (1000, "stop")
    assert meeting.heard == [("a", ["1", "3"]), ("b", ["2", "5"]), ("c", ["4"])]
    assert sorted(meeting.line.written) == ["a bye", "b bye", "c bye"]


@in_loop
async def test_a_client_that_vanishes_leaves_nothing_behind():
    meeting = Meeting()
    meeting.line.say("a:1", "b:2")
    await meeting.until(lambda: len(meeting.heard) == 2)
    meeting.line.vanish()
    assert await meeting.over() == (1006, None)
    assert meeting.heard == [("a", ["1", "lost"]), ("b", ["2", "lost"])]


@in_loop
async def test_a_client_that_vanishes_while_finals_are_owed_leaves_nothing_behind():
    meeting = Meeting()
    meeting.may_hear.clear()
    meeting.line.say("a:1", ".")
    await meeting.until(lambda: meeting.line.arrived.empty() and meeting.heard)
    meeting.line.vanish()
    meeting.may_hear.set()
    assert await meeting.over() == (1006, None)
    assert meeting.heard == [("a", ["lost"])]


@in_loop
async def test_a_voice_that_pauses_is_finished_and_begins_anew_when_it_is_heard_again():
    class Impatient(Named):
        pause_s = 0.1

    meeting = Meeting(Impatient())
    meeting.line.say("a:1")
    await meeting.until(lambda: meeting.ended == ["a"])
    assert meeting.line.written == ["a bye"]
    assert meeting.line.close_code is None
    meeting.line.say("a:2", ".")
    assert await meeting.over() == (1000, "stop")
    assert meeting.heard == [("a", ["1"]), ("a", ["2"])]


@in_loop
async def test_a_voice_may_begin_anew_while_its_last_words_are_still_owed():
    class Impatient(Named):
        pause_s = 0.1

    meeting = Meeting(Impatient())
    meeting.may_end.clear()
    meeting.line.say("a:1")
    await meeting.until(lambda: meeting.finished == ["a"])
    meeting.line.say("a:2")
    await meeting.until(lambda: len(meeting.heard) == 2)
    meeting.may_end.set()
    meeting.line.say("a:3", ".")
    assert await meeting.over() == (1000, "stop")
    assert meeting.heard[0] == ("a", ["1"])
    assert [payload for _, said in meeting.heard[1:] for payload in said] == ["2", "3"]


@in_loop
async def test_nobody_counts_as_silent_while_one_voice_holds_up_the_others():
    class Impatient(Named):
        pause_s = 0.1

    meeting = Meeting(Impatient())
    meeting.may_hear.clear()
    meeting.line.say("b:1", *(f"a:{n}" for n in range(INBOX + 1)), "b:2")
    await meeting.until(lambda: meeting.line.arrived.qsize() == 1)
    await asyncio.sleep(0.3)
    assert meeting.ended == []
    meeting.may_hear.set()
    meeting.line.say(".")
    assert await meeting.over() == (1000, "stop")
    assert meeting.heard == [("b", ["1", "2"]), ("a", [str(n) for n in range(INBOX + 1)])]


@in_loop
async def test_a_session_that_fails_takes_nobody_with_it(caplog):
    meeting = Meeting()
    meeting.may_hear.clear()
    meeting.line.say("b:1", "a:fail", *(f"a:{n}" for n in range(INBOX + 1)), "b:2")  # the last of a's waits for room
    await meeting.until(lambda: meeting.line.arrived.qsize() == 2)
    meeting.may_hear.set()
    await meeting.until(lambda: "a" in meeting.ended)
    meeting.line.say("a:again", ".")
    assert await meeting.over() == (1000, "stop")
    assert meeting.heard[0] == ("b", ["1", "2"])
    assert meeting.heard[-1] == ("a", ["again"])
    assert "voices m: the session of 'a' failed" in caplog.text


@in_loop
async def test_a_client_that_does_not_read_does_not_for_any_of_its_voices():
    meeting = Meeting()
    meeting.line.say("b:1", "a:abort")
    assert await meeting.over() == (1006, None)
    assert meeting.line.aborted
    assert meeting.heard == [("b", ["1", "lost"]), ("a", ["abort", "lost"])]


@in_loop
async def test_a_voice_that_finds_the_server_full_is_told_of_once_and_heard_when_there_is_room(caplog):
    meeting = Meeting()
    meeting.line.say("a:1")
    await meeting.until(lambda: meeting.heard)
    meeting.refusal = ("server_full", "all 1 sessions are taken; try again later")
    meeting.line.say("b:1", "b:2", "a:2")
    await meeting.until(lambda: meeting.heard[0][1] == ["1", "2"])
    assert meeting.refused("server_full") == 1
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "voices m: 'b' is not heard: all 1 sessions are taken; try again later"
    ]
    meeting.refusal = None
    meeting.line.say("b:3", ".")
    assert await meeting.over() == (1000, "stop")
    assert meeting.heard == [("a", ["1", "2"]), ("b", ["3"])]


@in_loop
async def test_one_socket_has_so_many_voices_at_once_and_no_more():
    meeting = Meeting()
    meeting.line.say(*(f"{n}:hello" for n in range(3 * MAX_VOICES)), ".")
    assert await meeting.over() == (1000, "stop")
    assert [name for name, _ in meeting.heard] == [str(n) for n in range(MAX_VOICES)]
    assert meeting.refused("voices_full") == MAX_VOICES


@in_loop
async def test_a_socket_on_which_nobody_speaks_is_closed():
    class Impatient(Named):
        idle_timeout_s = 0.1

    meeting = Meeting(Impatient())
    meeting.line.say("a:1")
    assert await meeting.over() == (1001, "idle_timeout")
    assert meeting.line.written == ["a bye"]


@in_loop
async def test_a_client_that_keeps_sending_what_cannot_be_read_is_let_go(caplog):
    meeting = Meeting()
    meeting.line.say("a:1", *"?" * MAX_REJECTED)
    await meeting.until(lambda: meeting.line.arrived.empty())
    assert meeting.line.close_code is None
    meeting.line.say("?")
    assert await meeting.over() == (1008, "too_many_errors")
    assert meeting.line.written == ["a bye"]
    assert caplog.text.count("what is this") == 1


@in_loop
async def test_who_may_not_go_on_is_finished_whether_anybody_speaks_or_not(caplog):
    for speakers in (["a"], []):
        meeting = Meeting()
        meeting.line.say(*(f"{name}:1" for name in speakers))
        await meeting.until(lambda meeting=meeting, speakers=speakers: meeting.heard == [(name, ["1"]) for name in speakers])
        meeting.fault = AccessRevoked("the key desk is no longer one of this server's")
        assert await meeting.over() == (1008, "access_revoked")
        assert meeting.line.written == [f"{name} bye" for name in speakers]
    assert caplog.text.count("voices m: the key desk is no longer one of this server's") == 2


@in_loop
async def test_when_the_server_stops_the_socket_waits_for_its_sessions_to_be_stopped():
    meeting = Meeting()
    meeting.line.say("a:1")
    await meeting.until(lambda: meeting.heard == [("a", ["1"])])
    await meeting.voices.stop("going_away")
    meeting.line.say("a:2", "b:1")
    await meeting.until(meeting.line.arrived.empty)
    assert meeting.line.close_code is None
    meeting.sockets["a"].end()  # as the server does, to the connection
    assert await meeting.over() == (1001, "going_away")
    assert meeting.heard == [("a", ["1"])]


@in_loop
async def test_a_voice_is_a_socket_that_knows_whose_it_is():
    line = Line()
    voice = Voice("a", line, 0.0)
    assert (voice.peer, voice.ready, voice.close_code) == ("a test, voice 'a'", True, None)
    await voice.put("1")
    await voice.send("2")
    await voice.close(1011, "")
    assert (line.written, line.close_code, voice.close_code) == (["2"], None, 1011)
    assert await voice.recv() == "1"
    with pytest.raises(ConnectionResetError):
        await voice.recv()
    voice.lost()
    assert voice.close_code == 1011
